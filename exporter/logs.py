"""Log lines in logfmt or JSON, as Prometheus' own programs write them."""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import TYPE_CHECKING, Final, cast

import structlog

if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["FORMATS", "LEVELS", "configure"]

LEVELS: Final = ("debug", "info", "warn", "error")
FORMATS: Final = ("logfmt", "json")
_ORDER: Final = ("ts", "level", "msg")


class _ToStructlog(logging.Handler):
    """Hand on what libraries log: their words, never their tracebacks.

    A traceback of an HTTP library can hold headers, and with them keys and people's names.
    """

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger(record.name).log(
            record.levelno, record.getMessage(), logger=record.name
        )


class _Stream:
    """Write as long as somebody reads: a log that is gone must not cost a scrape."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()


def configure(level: str = "info", style: str = "logfmt", stream: TextIO | None = None) -> None:
    """Write log lines of this level and above to a stream.

    Args:
        level: one of `LEVELS`.
        style: one of `FORMATS`.
        stream: standard error if none is given.
    """
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
            structlog.processors.EventRenamer("msg"),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _Stream(stream or sys.stderr))),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_ToStructlog()], level=max(threshold, logging.INFO), force=True)
    # What urllib3 warns of is a failed attempt, which is counted and told in our own words.
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)
