"""Work in threads, within the time of those who wait for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest
from prometheus_client.registry import CollectorRegistry
from starlette.requests import Request

from exporter.web.metrics_handler import MetricsHandler
from exporter.web.shared_work import SharedWork


def a_request() -> Request:
    return Request({"type": "http", "headers": [], "state": {}})


def test_work_that_waits_for_a_thread_has_only_what_is_left_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kind: a scrape that outlasts its budget, here where the system refuses more threads."""
    start, end = threading.Thread.start, threading.Event()
    given: list[float] = []
    tell: list[Callable[[], object]] = []

    def start_one(thread: threading.Thread) -> None:
        if given:
            raise RuntimeError("can't start new thread")
        start(thread)

    def work(seconds: float) -> None:
        given.append(seconds)
        tell[0]()
        assert end.wait(20)

    async def two_at_once() -> None:
        shared: SharedWork[None] = SharedWork(2)
        begun, loop = asyncio.Event(), asyncio.get_running_loop()
        tell.append(lambda: loop.call_soon_threadsafe(begun.set))
        first = asyncio.ensure_future(shared.get_in_time("first", work, a_request(), 5))
        await begun.wait()
        second = asyncio.ensure_future(shared.get_in_time("second", work, a_request(), 5))
        await asyncio.sleep(0.2)  # of the second one's time
        end.set()
        await asyncio.gather(first, second)

    monkeypatch.setattr(threading.Thread, "start", start_one)
    asyncio.run(two_at_once())
    assert given[1] <= 4.9


def test_names_that_clients_make_up_are_not_kept() -> None:
    """The kind: what grows with each name that a client asks for."""
    handler = MetricsHandler(max_requests=2, timeout_offset=0.5, max_timeout=120)

    async def probe_many() -> None:
        for number in range(20):
            kind = ("probe", "acme", f"queue-{number}")
            await handler.answer(a_request(), lambda _: CollectorRegistry(), kind=kind)

    asyncio.run(probe_many())
    assert len(handler._rendering) == 1
