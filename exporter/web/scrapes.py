"""A request for metrics: a turn, a budget, a scrape, then its rendering."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable
from typing import Final

import structlog
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from exporter.errors import NotNowError, UnknownAccountError, UnknownQueueError
from exporter.web.budget import TIMEOUT_HEADER, budget_seconds
from exporter.web.gathering import Gathering
from exporter.web.negotiation import (
    COMPRESS_FROM_BYTES,
    Format,
    accepts_gzip,
    choose_format,
    compress,
)
from exporter.web.responses import PageResponse, plain
from exporter.web.turns import NoTurnError, Turns

__all__ = ["Scrapes"]

#: How long a page waits for others of its kind to end before it is begun beside them, so that all
#: who come meanwhile can share it; and how much of a short budget at most.
_PATIENCE_SECONDS: Final = 0.05
_PATIENCE_SHARE: Final = 0.1

log = structlog.get_logger(__name__)


class Scrapes:
    """Answer requests for metrics, ``max_requests`` at a time.

    ``timeout_offset`` is what is left of Prometheus' patience for the way back, in seconds.
    """

    def __init__(self, *, max_requests: int, timeout_offset: float) -> None:
        self._turns = Turns(max_requests)
        self._gathering = Gathering()
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
        return await self._gathering.answer((kind, chosen, gzip, timeout), make, patience=patience)

    async def _make(
        self,
        scrape: Callable[[float], Collector],
        budget: float,
        kind: Hashable,
        chosen: Format,
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
            page = await self._turns.run(scrape_and_render, budget)
        except (UnknownAccountError, UnknownQueueError) as error:
            return plain(400, str(error))
        except NotNowError as error:
            return plain(503, str(error))
        except NoTurnError:
            return plain(503, "too many requests are in work, and no turn came in time")
        except Exception:
            log.exception("a page could not be made")
            return plain(500, "the page could not be made; the exporter's log says why")
        return PageResponse(page, headers=headers)
