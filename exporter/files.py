"""Tell one state of files from another."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

__all__ = ["Stamps", "stamps"]

Stamps: TypeAlias = "tuple[tuple[int, int, int] | None, ...]"


def stamps(paths: Iterable[Path]) -> Stamps:
    """Return what changes when a file does, also where a link is pointed elsewhere."""
    return tuple(_stamp(path) for path in paths)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
