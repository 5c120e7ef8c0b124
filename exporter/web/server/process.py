"""The process: how many file descriptors it has, what happens without any, and its memory."""

import asyncio
import contextlib
import ctypes
import errno
import resource
import time
from typing import Any

import structlog

#: More connections would cost more memory than an exporter should use for them.
_MOST_CONNECTIONS = 2048
#: Open descriptors besides connections: files, listeners, the log, the event loop's own.
_OTHER_FILES = 32
_MOST_FILES = 1 << 20
#: One line is enough; asyncio would write one for each listener in each second.
_QUIET_SECONDS = 600.0
#: Of mallopt(3), and the size of a block that goes back to the system at once.
_M_MMAP_THRESHOLD = -3
_LARGE = 256 * 1024
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

log = structlog.get_logger(__name__)


def file_limit() -> int:
    """Raise the soft limit of open files, which is usually from the 1980s; return the new one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_FILES if files == resource.RLIM_INFINITY else files


def connection_limit(api_connections: int) -> int:
    """Return how many clients can connect while requests to the API can still be sent.

    Args:
        api_connections: how many connections to the API there may be.
    """
    files = file_limit()
    reserve = min(api_connections + _OTHER_FILES, files // 2)
    return max(1, min(_MOST_CONNECTIONS, files - reserve))


class ShortageLog:
    """An event loop's exception handler that logs a shortage of descriptors once."""

    def __init__(self) -> None:
        self._quiet_until = float("-inf")

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log an error, unless it is a shortage that was logged a moment ago."""
        error = context.get("exception")
        if not (isinstance(error, OSError) and error.errno in _SHORTAGES):
            loop.default_exception_handler(context)
        elif time.monotonic() >= self._quiet_until:
            self._quiet_until = time.monotonic() + _QUIET_SECONDS
            log.error(
                "Cannot accept connections, raise the limit of open files",
                reason=error.strerror,
                limit=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            )


def give_back_large_blocks() -> None:
    """Have every freed block of 256 KiB or more given back to the system.

    Once a body of some MiB was freed, glibc keeps later ones of up to that size, in an arena for
    each thread (mallopt(3), M_MMAP_THRESHOLD). Other C libraries lack the setting and need none.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)
