"""Work in threads for requests, shared by those that ask for the same."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")

#: Scrapes in progress whose clients have left, for each slot; these no longer occupy one.
_LEFT_FOR_EACH_SLOT = 4


class NoFreeSlotError(Exception):
    """No slot became free in time."""


class ScrapeSlots:
    """Limit the number of concurrent scrapes; further ones wait.

    A scrape whose clients have all left releases its slot at once and ends by itself, so that
    clients which come and go cannot block the others. The number of such scrapes is limited, too.
    """

    def __init__(self, count: int) -> None:
        self._slots = asyncio.Semaphore(count)
        self._most_left = count * _LEFT_FOR_EACH_SLOT
        self._left = 0
        self._threads = WorkerThreads(count + self._most_left)

    async def run(self, work: Callable[[float], Result], batch: Batch) -> Result:
        """Wait for a slot, then call ``work`` in a thread with what is left of the time.

        Raises:
            NoFreeSlotError: no slot became free before the deadline.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(batch.deadline):
                await self._slots.acquire()
        except TimeoutError:
            raise NoFreeSlotError from None
        has_slot = True

        def give_back(_: asyncio.Future[None]) -> None:
            nonlocal has_slot
            if self._left < self._most_left:
                has_slot = False
                self._left += 1
                self._slots.release()

        batch.left.add_done_callback(give_back)
        try:
            seconds = max(batch.deadline - loop.time(), 0.0)
            return await self._threads.run(partial(work, seconds))
        finally:
            batch.left.remove_done_callback(give_back)
            if has_slot:
                self._slots.release()
            else:
                self._left -= 1


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


@dataclass(frozen=True, slots=True)
class _Task:
    """One piece of work, and the future that awaits its result."""

    work: Callable[[], Any]
    future: asyncio.Future[Any]
    done: Callable[[asyncio.Future[Any], Any, BaseException | None], None]

    def run(self) -> None:
        """Do the work unless it was cancelled, and report the result to the event loop."""
        result, error = None, None
        if not self.future.cancelled():
            try:
                result = self.work()
            except BaseException as raised:  # noqa: BLE001 - raised again where it is awaited
                error = raised
        # The loop may have ended.
        with contextlib.suppress(RuntimeError):
            loop = self.future.get_loop()
            loop.call_soon_threadsafe(self.done, self.future, result, error)


class WorkerThreads:
    """Run blocking work in at most ``count`` threads, which start when needed and are kept.

    They are daemons: neither a file system that hangs nor a slow API delays the end of the process.
    If the system refuses another thread, the work waits for an existing one.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._started = 0
        self._unfinished = 0

    async def run(self, work: Callable[[], Result]) -> Result:
        """Call ``work`` in a thread and return its result.

        Raises:
            RuntimeError: not even one thread can be started.
        """
        if self._unfinished >= self._started and self._started < self._count:
            self._start_thread()
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._unfinished += 1
        self._tasks.put(_Task(work, future, self._finish))
        return await future

    def _start_thread(self) -> None:
        thread = threading.Thread(target=_serve, args=(self._tasks,), name="web", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            if not self._started:
                raise
        else:
            self._started += 1

    def _finish(
        self, future: asyncio.Future[Any], result: object, error: BaseException | None
    ) -> None:
        self._unfinished -= 1
        if future.cancelled():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def __del__(self) -> None:
        for _ in range(self._started):
            self._tasks.put(None)


def _serve(tasks: queue.SimpleQueue[_Task | None]) -> None:
    while (task := tasks.get()) is not None:
        task.run()
        # Otherwise it would keep the result alive until the next job.
        del task
