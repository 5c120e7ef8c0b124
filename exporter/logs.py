"""Log lines in logfmt or JSON, as Prometheus' own programs write them."""

from __future__ import annotations

import logging
import sys
import traceback
from pathlib import Path
from typing import TextIO, cast

import structlog

from exporter.line_writer import LineWriter

_ORDER = ("ts", "level", "msg")
_PACKAGE = Path(__file__).parent

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
