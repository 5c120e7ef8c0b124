"""One result for many requests that ask for the same."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Batch:
    """The requests that share one result.

    ``deadline`` is the earliest of them, in the event loop's time. ``left`` is done once all of
    their clients have left.
    """

    def __init__(self) -> None:
        self.deadline = float("inf")
        self.left: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._clients = 0

    def join(self, deadline: float, client_left: asyncio.Future[None] | None) -> None:
        """Add a request. ``client_left`` is done when its client has left."""
        self.deadline = min(self.deadline, deadline)
        if self.left.done():
            self.left = asyncio.get_running_loop().create_future()
        self._clients += 1
        if client_left is not None:
            client_left.add_done_callback(self._leave)

    def _leave(self, _: asyncio.Future[None]) -> None:
        self._clients -= 1
        if not self._clients and not self.left.done():
            self.left.set_result(None)


class RequestCoalescer(Generic[Result]):
    """Make each result for all requests of the same kind that arrive before it is started.

    A later request waits for the next result, so that its result is not older than the request. The
    next one starts when fewer than ``at_once`` are in progress, or when its first request has
    waited long enough: waiting for a slow result would use up its time.
    """

    def __init__(self, *, at_once: int) -> None:
        self._at_once = at_once
        self._next: dict[Hashable, tuple[Batch, asyncio.Task[Result]]] = {}
        self._begun: defaultdict[Hashable, set[asyncio.Task[Result]]] = defaultdict(set)

    async def get(
        self,
        key: Hashable,
        make: Callable[[Batch], Awaitable[Result]],
        *,
        deadline: float = float("inf"),
        patience: float | None = None,
        client_left: asyncio.Future[None] | None = None,
    ) -> Result:
        """Return what ``make`` makes, or what it makes for another request with the same key.

        Args:
            key: equal for requests that may share a result.
            make: makes the result for a batch of requests.
            deadline: when this request needs it, in the event loop's time.
            patience: how many seconds may pass before it is started; None for any number.
            client_left: is done when the client of this request has left.
        """
        if key not in self._next:
            batch = Batch()
            task = asyncio.create_task(self._make(key, make, batch, patience))
            self._next[key] = batch, task
        batch, task = self._next[key]
        batch.join(deadline, client_left)
        # A cancelled request does not cancel the result for others.
        return await asyncio.shield(task)

    async def _make(
        self,
        key: Hashable,
        make: Callable[[Batch], Awaitable[Result]],
        batch: Batch,
        patience: float | None,
    ) -> Result:
        loop = asyncio.get_running_loop()
        until = None if patience is None else loop.time() + patience
        while len(self._begun[key]) >= self._at_once:
            left = None if until is None else until - loop.time()
            if left is not None and left <= 0:
                break
            first = asyncio.FIRST_COMPLETED
            await asyncio.wait(self._begun[key], timeout=left, return_when=first)
        _, task = self._next.pop(key)
        self._begun[key].add(task)
        try:
            return await make(batch)
        finally:
            self._begun[key].remove(task)
            if not self._begun[key]:
                del self._begun[key]
