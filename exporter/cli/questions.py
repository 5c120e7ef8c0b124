"""Ask the person at the terminal."""

from __future__ import annotations

import getpass
import sys
import warnings
from collections.abc import Callable
from typing import TypeVar

from exporter.errors import ExporterError

__all__ = ["ask", "ask_secret", "is_yes", "somebody_is_there"]

T = TypeVar("T")


def somebody_is_there() -> bool:
    """Tell whether a person can read a question and type the answer."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: str, default: str, read: Callable[[str], T]) -> T:
    """Ask until the answer can be read; an empty answer is the default.

    ``read`` raises ValueError, with words for the person, for an answer that is none.

    Raises:
        ExporterError: the terminal was closed.
    """
    hint = f" [{default}]" if default else ""
    while True:
        print(f"{question}{hint}: ", end="", file=sys.stderr, flush=True)
        line = sys.stdin.readline()
        if not line:
            raise ExporterError("no answer; nothing was written")
        try:
            return read(line.strip() or default)
        except ValueError as error:
            print(f"  {error}", file=sys.stderr)


def ask_secret(question: str) -> str:
    """Ask for what must not be seen: nothing of the answer is shown.

    Raises:
        ExporterError: the terminal cannot hide it, or was closed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(f"{question}: ", stream=sys.stderr)
        except (EOFError, getpass.GetPassWarning):
            raise ExporterError(
                "no key; nothing was written. Give one by --token-file or --token-env"
            ) from None


def is_yes(question: str) -> bool:
    """Ask a question whose answer is no unless it is plainly yes."""
    return ask(f"{question} [y/N]", "", str.lower) in {"y", "yes"}
