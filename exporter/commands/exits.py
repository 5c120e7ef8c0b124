"""What the process's exit code says."""

from __future__ import annotations

from typing import Final

__all__ = ["NOBODY", "OK", "UNKNOWN", "WRONG"]

OK: Final = 0
#: `check`, `serve`: a mistake in what was given.
WRONG: Final = 1
#: `ping`: every queue was read and nobody is available.
NOBODY: Final = 1
#: `ping`: something could not be read or is not known. Also a mistake on the command line.
UNKNOWN: Final = 2
