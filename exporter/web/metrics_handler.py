"""A request for metrics: a slot, a budget, a scrape, then its rendering."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, TypeVar

import structlog
from anyio import CapacityLimiter, to_thread
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from exporter.errors import NotNowError, UnknownAccountError, UnknownQueueError
from exporter.web.negotiation import (
    COMPRESS_FROM_BYTES,
    ExpositionFormat,
    accepts_gzip,
    choose_format,
    compress,
)
from exporter.web.responses import PageResponse, plain

__all__ = [
    "DEFAULT_BUDGET_SECONDS",
    "TIMEOUT_HEADER",
    "MetricsHandler",
    "NoFreeSlotError",
    "RequestCoalescer",
    "ScrapeSlots",
    "budget_seconds",
]

_Result = TypeVar("_Result")

#: The header in which Prometheus sends its scrape timeout, in seconds.
TIMEOUT_HEADER: Final = "X-Prometheus-Scrape-Timeout-Seconds"
#: For clients that do not send it: a person with a browser, a script.
DEFAULT_BUDGET_SECONDS: Final = 10.0
_SENSIBLE_SECONDS: Final = (0.001, 3600.0)

#: How long a request waits for others of its kind to end before it begins beside them, so that all
#: that come meanwhile can share it; and how much of a short budget at most.
_PATIENCE_SECONDS: Final = 0.05
_PATIENCE_SHARE: Final = 0.1
#: Two Prometheus servers that scrape at the same time never wait for each other.
_AT_ONCE: Final = 2

log = structlog.get_logger(__name__)


class MetricsHandler:
    """Answer requests for metrics, ``max_requests`` at a time.

    ``timeout_offset`` is what is left of Prometheus' patience for the way back, in seconds.
    """

    def __init__(self, *, max_requests: int, timeout_offset: float) -> None:
        self._slots = ScrapeSlots(max_requests)
        self._coalescer = RequestCoalescer()
        self._timeout_offset = timeout_offset
        self._rendering: dict[Hashable, float] = {}

    async def answer(
        self, request: Request, scrape: Callable[[float], Collector], *, kind: Hashable
    ) -> Response:
        """Answer with what ``scrape`` returns, in the format that the client likes best.

        ``scrape`` gets its budget in seconds and is called in a thread. ``kind`` says which
        pages are the same: the last one tells how long the next takes to render, and a crowd that
        asks for one, in one format and with one time-out, shares it.
        """
        timeout = request.headers.get(TIMEOUT_HEADER)
        budget = budget_seconds(
            timeout,
            offset=self._timeout_offset,
            rendering=self._rendering.get(kind, 0.0),
        )
        chosen = choose_format(",".join(request.headers.getlist("Accept")))
        gzip = accepts_gzip(",".join(request.headers.getlist("Accept-Encoding")))
        loop = asyncio.get_running_loop()
        deadline = loop.time() + budget

        async def make() -> Response:
            return await self._make(scrape, deadline - loop.time(), kind, chosen, gzip=gzip)

        patience = min(_PATIENCE_SECONDS, budget * _PATIENCE_SHARE)
        return await self._coalescer.answer((kind, chosen, gzip, timeout), make, patience=patience)

    async def _make(
        self,
        scrape: Callable[[float], Collector],
        budget: float,
        kind: Hashable,
        chosen: ExpositionFormat,
        *,
        gzip: bool,
    ) -> Response:
        headers = {"Content-Type": chosen.content_type, "Vary": "Accept, Accept-Encoding"}

        def scrape_and_render(seconds: float) -> bytes:
            collector = scrape(seconds)
            started = time.monotonic()
            page = chosen.render(collector)
            if gzip and len(page) >= COMPRESS_FROM_BYTES:
                page = compress(page)
                headers["Content-Encoding"] = "gzip"
            self._rendering[kind] = time.monotonic() - started
            return page

        try:
            page = await self._slots.run(scrape_and_render, budget)
        except (UnknownAccountError, UnknownQueueError) as error:
            return plain(400, str(error))
        except NotNowError as error:
            return plain(503, str(error))
        except NoFreeSlotError:
            return plain(503, "too many requests are in work, and no turn came in time")
        except Exception:
            log.exception("a page could not be made")
            return plain(500, "the page could not be made; the exporter's log says why")
        return PageResponse(page, headers=headers)


def budget_seconds(timeout: str | None, *, offset: float, rendering: float) -> float:
    """Return the seconds that a scrape may take, from the header's text.

    The offset, for the way back, and the rendering are taken off; but at least half of the
    time-out is used, so that a short one still leaves a scrape something. A header that is
    missing, no number, under a millisecond or above an hour counts as none.
    """
    try:
        seconds = float(timeout or "nan")
    except ValueError:
        return DEFAULT_BUDGET_SECONDS
    shortest, longest = _SENSIBLE_SECONDS
    if not shortest <= seconds <= longest:
        return DEFAULT_BUDGET_SECONDS
    return max(seconds - offset - rendering, seconds / 2)


class NoFreeSlotError(Exception):
    """No turn came in time."""


class ScrapeSlots:
    """Run blocking work in threads, ``count`` at a time."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._slots = asyncio.Semaphore(count)
        self._threads: CapacityLimiter | None = None

    async def run(self, work: Callable[[float], _Result], seconds: float) -> _Result:
        """Wait for a turn, then call ``work`` in a thread with what is left of the seconds.

        Raises:
            NoFreeSlotError: no turn came in that time.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        try:
            async with asyncio.timeout_at(deadline):
                await self._slots.acquire()
        except TimeoutError:
            raise NoFreeSlotError from None
        try:
            # A thread for each turn: anyio's own limit of 40 knows nothing of ours.
            self._threads = self._threads or CapacityLimiter(self._count)
            left = max(deadline - loop.time(), 0.0)
            return await to_thread.run_sync(work, left, limiter=self._threads)
        finally:
            self._slots.release()


class RequestCoalescer:
    """Make each answer for all who ask for the same before it is begun.

    Who comes later waits for the next one, so that nothing in it is older than the question. That
    one is begun when one of those in work ends, or when its first client has waited long enough:
    were a slow one waited for, all of the time for the next would be gone.
    """

    def __init__(self) -> None:
        self._next: dict[Hashable, asyncio.Task[Response]] = {}
        self._begun: defaultdict[Hashable, set[asyncio.Task[Response]]] = defaultdict(set)

    async def answer(
        self, key: Hashable, make: Callable[[], Awaitable[Response]], *, patience: float
    ) -> Response:
        """Return what ``make`` makes, or what that of another with the same key does.

        ``patience`` is how many seconds may pass before it is called.
        """
        if key not in self._next:
            self._next[key] = asyncio.create_task(self._make(key, make, patience))
        # Who leaves early takes the answer from nobody else.
        return await asyncio.shield(self._next[key])

    async def _make(
        self, key: Hashable, make: Callable[[], Awaitable[Response]], patience: float
    ) -> Response:
        if len(self._begun[key]) >= _AT_ONCE:
            first = asyncio.FIRST_COMPLETED
            await asyncio.wait(self._begun[key], timeout=patience, return_when=first)
        task = self._next.pop(key)
        self._begun[key].add(task)
        try:
            return await make()
        finally:
            self._begun[key].remove(task)
            if not self._begun[key]:
                del self._begun[key]
