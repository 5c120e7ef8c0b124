"""What the process's exit code says."""

from __future__ import annotations

from typing import Final

__all__ = ["INTERRUPTED", "NOBODY", "OK", "UNKNOWN", "UNREAD", "WRONG"]

OK: Final = 0
#: `check`, `serve`: a mistake in what was given.
WRONG: Final = 1
#: `ping`: every queue was read and nobody is available.
NOBODY: Final = 1
#: `ping`: something could not be read or is not known. Also a mistake on the command line.
UNKNOWN: Final = 2
#: Ctrl-C, and an output that nobody reads to its end: as shells tell of SIGINT and SIGPIPE.
INTERRUPTED: Final = 130
UNREAD: Final = 141
