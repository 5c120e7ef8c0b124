"""A request for metrics: a budget, a slot, a scrape, then its rendering."""

import math
import time
from collections.abc import Callable, Hashable

import structlog
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from exporter.errors import UnknownNameError
from exporter.web.exposition import (
    COMPRESS_FROM_BYTES,
    ExpositionFormat,
    accepts_gzip,
    choose_format,
    compress,
)
from exporter.web.responses import PageResponse, plain
from exporter.web.shared_work import NoFreeSlotError, SharedWork

#: The header in which Prometheus sends its scrape timeout, in seconds.
TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"
#: For clients that do not send it; many give up after 10 s.
DEFAULT_BUDGET_SECONDS = 9.0

#: Two Prometheus servers that scrape at the same time never wait for each other.
_AT_ONCE = 2
_PATIENCE_SECONDS = 0.05

log = structlog.get_logger(__name__)


class MetricsHandler:
    """Answer requests for metrics, with a bound on the number of concurrent scrapes.

    Args:
        max_requests: the maximum number of concurrent scrapes; further ones wait.
        timeout_offset: the seconds to subtract from Prometheus' scrape timeout.
        max_timeout: the longest timeout in seconds that a request can ask for.
    """

    def __init__(self, *, max_requests: int, timeout_offset: float, max_timeout: float) -> None:
        self._scrapes: SharedWork[Response] = SharedWork(
            max_requests, at_once=_AT_ONCE, patience=_PATIENCE_SECONDS
        )
        self._timeout_offset = timeout_offset
        self._max_timeout = max_timeout
        self._rendering: dict[Hashable, float] = {}

    async def answer(
        self, request: Request, scrape: Callable[[float], Collector], *, kind: tuple[Hashable, ...]
    ) -> Response:
        """Answer with what ``scrape`` returns, in the format that the client prefers.

        ``scrape`` gets its budget in seconds and is called in a thread. ``kind`` is equal for
        scrapes of the same series: requests that arrive while others are in progress share the
        next one. The time of the last rendering is an estimate for the next of the same account.

        Raises:
            UnknownNameError: from ``scrape``: the request asks for what does not exist.
        """
        # Not for each queue: a client can make up names as long as the queues are not known.
        similar = kind[:2]
        budget = budget_seconds(
            request.headers.get(TIMEOUT_HEADER),
            offset=self._timeout_offset,
            rendering=self._rendering.get(similar, 0.0),
            longest=self._max_timeout,
        )
        chosen = choose_format(",".join(request.headers.getlist("Accept")))
        gzip = accepts_gzip(",".join(request.headers.getlist("Accept-Encoding")))

        def scrape_and_render(seconds: float) -> Response:
            collector = scrape(seconds)
            started = time.monotonic()
            response = _render(collector, chosen, gzip=gzip)
            self._rendering[similar] = time.monotonic() - started
            return response

        # Requests with similar budgets share the shortest; a much shorter one would cut off the
        # others.
        key = kind, chosen, gzip, math.floor(math.log2(budget))
        try:
            return await self._scrapes.get_in_time(key, scrape_and_render, request, budget)
        except UnknownNameError:
            raise
        except NoFreeSlotError:
            return plain(503, "too many scrapes in progress, and none ended in time")
        except Exception:
            log.exception("Internal error during a scrape")
            return plain(500, "internal error; see the log of the exporter")


def _render(collector: Collector, chosen: ExpositionFormat, *, gzip: bool) -> Response:
    headers = {"Content-Type": chosen.content_type, "Vary": "Accept, Accept-Encoding"}
    page = chosen.render(collector)
    if gzip and len(page) >= COMPRESS_FROM_BYTES:
        page = compress(page)
        headers["Content-Encoding"] = "gzip"
    return PageResponse(page, headers=headers)


def budget_seconds(
    timeout: str | None, *, offset: float, rendering: float, longest: float
) -> float:
    """Return the seconds that a scrape may take, from the header's text.

    The offset and the time of rendering are subtracted; but at least half of the timeout is used,
    so that a short one still leaves some for the scrape. A header that is missing, not a number or
    under a millisecond counts as none, and one above ``longest`` as ``longest``.
    """
    try:
        seconds = float(timeout or "nan")
    except ValueError:
        seconds = math.nan
    if not 0.001 <= seconds < math.inf:
        return max(DEFAULT_BUDGET_SECONDS - rendering, DEFAULT_BUDGET_SECONDS / 2)
    seconds = min(seconds, longest)
    return max(seconds - offset - rendering, seconds / 2)
