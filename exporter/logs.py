"""Log lines in logfmt or JSON, as Prometheus' own programs write them.

They are written so that a slow or closed reader delays nothing.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import select
import sys
import threading
import traceback
from collections import deque
from pathlib import Path
from typing import TextIO, cast

import structlog

_ORDER = ("ts", "level", "msg")
_PACKAGE = Path(__file__).parent

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
        self._is_cut = False
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
                self._drop()
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
                    self._drop()
                report = self._unreported if written else 0
                self._unreported -= report
                self._changed.notify_all()
            if report:
                structlog.get_logger(__name__).warning(
                    "Log lines dropped, their reader is too slow", lines=report
                )

    def _write(self, line: bytes) -> bool:
        """Write a line, however long that takes; return whether it could be written."""
        if self._is_cut:  # as by a full disk; the next line must not continue it
            line = b"\n" + line
        length = len(line)
        while line:
            try:
                line = line[os.write(self._descriptor, line) :]
            except BlockingIOError:
                # Another process that shares the descriptor has made it non-blocking.
                select.select([], [self._descriptor], [])
            except OSError:
                self._is_cut = self._is_cut or len(line) < length
                return False
        self._is_cut = False
        return True

    def _drop(self) -> None:
        global _dropped  # noqa: PLW0603 - counted for the process, however often logs are set up
        _dropped += 1
        self._unreported += 1


_writer: LineWriter | None = None


class _ToStructlog(logging.Handler):
    """Pass on what libraries log."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger(record.name).log(
            record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info
        )


def _kind_and_place(exc_info: structlog.typing.ExcInfo) -> str:
    """Return the kind of an exception, and the innermost place in our own code.

    Its text and the rest of a traceback can hold headers, with keys, and people's names.
    """
    kind, _, trace = exc_info
    frames = traceback.extract_tb(trace)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)]
    if not frames:  # it was set on a future, never raised
        return kind.__name__
    where = (ours or frames)[-1]
    path = Path(where.filename)
    root = _PACKAGE.parent
    name = path.relative_to(root) if path.is_relative_to(root) else path.name
    return f"{kind.__name__} in {name}:{where.lineno}"


def _printable(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Escape control characters for terminals; the renderer escapes line ends."""
    return {
        key: "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in value)
        if isinstance(value, str)
        else value
        for key, value in event.items()
    }


def configure(level: str = "info", style: str = "logfmt", stream: TextIO | None = None) -> None:
    """Write log lines of this level and above to a stream.

    Args:
        level: debug, info, warn or error.
        style: logfmt or json.
        stream: standard error if none is given.
    """
    global _writer  # noqa: PLW0603 - as structlog has one configuration
    stream = stream or sys.stderr
    if _writer is not None:
        _writer.close()
    _writer = LineWriter.for_stream(stream)
    threshold = logging.getLevelNamesMapping()[level.upper()]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.processors.LogfmtRenderer(key_order=_ORDER, bool_as_flag=False)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", key="ts"),
            structlog.processors.ExceptionRenderer(_kind_and_place),
            structlog.processors.EventRenamer("msg"),
            _printable,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _writer or stream)),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_ToStructlog()], level=max(threshold, logging.INFO), force=True)
    # urllib3 warns of failed attempts, which are counted and reported here anyway.
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)
