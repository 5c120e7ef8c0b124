"""Untrusted text, made safe to show to people."""

import difflib
from collections.abc import Iterable
from pathlib import Path


def one_line(text: str, longest: int = 200) -> str:
    """Return the printable part of a text, in one line, cut if it is too long.

    It cannot control a log, a terminal or a page: it has no control characters, and none that
    change the direction of writing.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def path_text(path: Path) -> str:
    """Return a path as text that every output can hold: bytes that are not UTF-8 are escaped."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def counted(number: int, noun: str) -> str:
    """Return a number and what it counts, such as ``2 queues``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the most similar known name, if any is similar."""
    found = difflib.get_close_matches(name, list(known), n=1)
    return found[0] if found else None


def suggestion(name: str, known: Iterable[str], otherwise: str) -> str:
    """Return ``did you mean 'X'?`` for the nearest known name, else other words."""
    found = nearest(name, known)
    return f"did you mean {found!r}?" if found else otherwise


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'X'?`` for the nearest known name, or nothing."""
    found = suggestion(name, known, "")
    return found and f"; {found}"
