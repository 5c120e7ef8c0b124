"""Text from outside, made fit to be shown to people."""

from __future__ import annotations

from typing import Final

__all__ = ["one_line"]

LONGEST: Final = 200


def one_line(text: str, longest: int = LONGEST) -> str:
    """Return what of a text can be printed, in one line, cut where it is too long.

    Neither a log, a terminal nor a page can be told anything by it: no control characters, and none
    that change the direction of writing.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= longest else line[: longest - 1] + "…"
