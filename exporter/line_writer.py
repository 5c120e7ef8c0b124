"""Lines for a file descriptor, written so that a slow or closed reader delays nothing."""

from __future__ import annotations

import atexit
import contextlib
import os
import select
import threading
from collections import deque
from typing import TextIO

import structlog

#: The most lines that wait for their reader; some 200 KiB.
_MOST_LINES = 1000
#: How long the process waits at its end for the last lines to be read.
_FAREWELL_SECONDS = 1.0

_dropped = 0


def dropped_lines() -> int:
    """Return how many lines this process has dropped because their reader was too slow."""
    return _dropped


class LineWriter:
    """Write lines in a thread of its own; drop and count what does not fit into its queue.

    The number of dropped lines is logged once the reader is back.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._changed = threading.Condition()
        self._lines: deque[bytes] = deque()
        self._is_writing = False
        self._is_closed = False
        self._unreported = 0
        self._thread: threading.Thread | None = None
        atexit.register(self.close)

    @classmethod
    def for_stream(cls, stream: TextIO) -> LineWriter | None:
        """Return a writer to a stream's file; None if it has none."""
        try:
            return cls(os.dup(stream.fileno()))
        except (OSError, ValueError):
            return None

    def write(self, line: str) -> None:
        """Queue a line."""
        with self._changed:
            if self._is_closed or len(self._lines) >= _MOST_LINES:
                self._drop(1)
                return
            encoded = line.encode("utf-8", "backslashreplace")
            if not self._is_running():  # without a thread, the log is needed more than speed
                self._write(encoded)
                return
            self._lines.append(encoded)
            self._changed.notify_all()

    def flush(self) -> None:
        """Do nothing: lines are written as soon as the reader takes them."""

    def close(self) -> None:
        """Wait a moment for the last lines to be read, then stop."""
        atexit.unregister(self.close)
        with self._changed:
            self._changed.wait_for(
                lambda: not self._lines and not self._is_writing, _FAREWELL_SECONDS
            )
            if not self._is_closed and not self._is_writing:
                os.close(self._descriptor)
            self._is_closed = True
            self._changed.notify_all()

    def _is_running(self) -> bool:
        if self._thread is None:
            thread = threading.Thread(target=self._run, name="log", daemon=True)
            with contextlib.suppress(RuntimeError):  # the next line tries again
                thread.start()
                self._thread = thread
        return self._thread is not None

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines or self._is_closed)
                if self._is_closed:
                    return
                line = self._lines.popleft()
                self._is_writing = True
            written = self._write(line)
            with self._changed:
                self._is_writing = False
                if not written:
                    self._drop(1)
                report = self._unreported if written else 0
                self._unreported -= report
                self._changed.notify_all()
            if report:
                structlog.get_logger(__name__).warning(
                    "Log lines dropped, their reader is too slow", lines=report
                )

    def _write(self, line: bytes) -> bool:
        """Write a line, however long that takes; return whether it could be written."""
        while line:
            try:
                line = line[os.write(self._descriptor, line) :]
            except BlockingIOError:
                # Another process that shares the descriptor has made it non-blocking.
                select.select([], [self._descriptor], [])
            except OSError:
                return False
        return True

    def _drop(self, lines: int) -> None:
        global _dropped  # noqa: PLW0603 - counted for the process, however often logs are set up
        _dropped += lines
        self._unreported += lines
