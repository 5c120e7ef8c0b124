"""What the process keeps of memory that it no longer uses."""

from __future__ import annotations

import contextlib
import ctypes

_M_MMAP_THRESHOLD = -3
_LARGE = 256 * 1024


def give_back_large_blocks() -> None:
    """Have every freed block of 256 KiB or more given back to the system.

    Once a body of some MiB was freed, glibc keeps later ones of up to that size, in an arena for
    each thread (mallopt(3), M_MMAP_THRESHOLD). Other C libraries lack the setting and need none.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)
