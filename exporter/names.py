"""Names that people mistype."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["hint", "nearest"]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like this one, if any is."""
    found = difflib.get_close_matches(name, list(known), n=1)
    return found[0] if found else None


def hint(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'X'?`` for the nearest known name, or nothing."""
    found = nearest(name, known)
    return f"; did you mean {found!r}?" if found else ""
