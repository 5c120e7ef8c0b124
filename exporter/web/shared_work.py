"""Work in threads for requests, shared by those that ask for the same."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections import defaultdict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeAlias, TypeVar

from starlette.requests import Request

from exporter.web.responses import CLIENT_LEFT

Result = TypeVar("Result")

#: The largest share of a request's time that it waits to share the next result.
_PATIENCE_SHARE = 0.1
#: Work in progress whose clients have left, for each slot; it no longer occupies one.
_LEFT_FOR_EACH_SLOT = 4


class NoFreeSlotError(Exception):
    """No slot became free in time."""


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


class SharedWork(Generic[Result]):
    """Do work once for all requests of the same kind, at most ``slots`` pieces at a time.

    A request shares only a result that is not started yet, so that its result is not older than the
    request. Work whose clients have all left releases its slot at once and ends by itself, so that
    clients which come and go cannot block the others. The number of such pieces is limited, too.

    Args:
        slots: how many pieces may be in progress; further ones wait.
        at_once: how many of them may be of the same kind.
        patience: how many seconds a request that must be answered in time waits for others of its
            kind to end before it starts beside them, so that requests that arrive meanwhile can
            share it.
    """

    def __init__(self, slots: int, *, at_once: int = 1, patience: float = 0.0) -> None:
        self._at_once = at_once
        self._patience = patience
        self._next: dict[Hashable, tuple[Batch, asyncio.Task[Result]]] = {}
        self._begun: defaultdict[Hashable, set[asyncio.Task[Result]]] = defaultdict(set)
        self._slots = asyncio.Semaphore(slots)
        self._most_left = slots * _LEFT_FOR_EACH_SLOT
        self._left = 0
        self._threads = WorkerThreads(slots + self._most_left)
        self._threads.start_one()

    async def get(self, key: Hashable, work: Callable[[], Result]) -> Result:
        """Return the result of ``work``, or of that for another request with the same key."""
        return await self._share(key, lambda _: work())

    async def get_in_time(
        self, key: Hashable, work: Callable[[float], Result], request: Request, seconds: float
    ) -> Result:
        """Return the result for a request within a number of seconds.

        ``work`` gets the seconds that are left when it starts.

        Raises:
            NoFreeSlotError: no slot became free in time.
        """
        return await self._share(
            key,
            work,
            deadline=asyncio.get_running_loop().time() + seconds,
            patience=min(self._patience, seconds * _PATIENCE_SHARE),
            client_left=request.scope.get("state", {}).get(CLIENT_LEFT),
        )

    async def _share(
        self,
        key: Hashable,
        work: Callable[[float], Result],
        *,
        deadline: float = float("inf"),
        patience: float | None = None,
        client_left: asyncio.Future[None] | None = None,
    ) -> Result:
        """Join the next result with this key; without ``patience`` it may wait for any time."""
        if key not in self._next:
            batch = Batch()
            task = asyncio.create_task(self._start(key, work, batch, patience))
            self._next[key] = batch, task
        batch, task = self._next[key]
        batch.join(deadline, client_left)
        # A cancelled request does not cancel the result for others.
        return await asyncio.shield(task)

    async def _start(
        self,
        key: Hashable,
        work: Callable[[float], Result],
        batch: Batch,
        patience: float | None,
    ) -> Result:
        """Wait until fewer of the kind are in progress, or for too long, then do the work."""
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
            return await self._run(work, batch)
        finally:
            self._begun[key].remove(task)
            if not self._begun[key]:
                del self._begun[key]

    async def _run(self, work: Callable[[float], Result], batch: Batch) -> Result:
        """Wait for a slot, then call ``work`` in a thread with what is left of the time."""
        try:
            async with asyncio.timeout_at(batch.deadline):
                await self._slots.acquire()
        except TimeoutError:
            raise NoFreeSlotError from None
        has_slot, now = True, asyncio.get_running_loop().time

        def give_back(_: asyncio.Future[None]) -> None:
            nonlocal has_slot
            if self._left < self._most_left:
                has_slot = False
                self._left += 1
                self._slots.release()

        batch.left.add_done_callback(give_back)
        try:
            return await self._threads.run(lambda: work(max(batch.deadline - now(), 0.0)))
        finally:
            batch.left.remove_done_callback(give_back)
            if has_slot:
                self._slots.release()
            else:
                self._left -= 1


#: A piece of work, the future that awaits its result, and what sets that, on the event loop.
_Task: TypeAlias = tuple[
    Callable[[], Any],
    asyncio.Future[Any],
    Callable[[asyncio.Future[Any], Any, BaseException | None], None],
]


class WorkerThreads:
    """Run blocking work in at most ``count`` threads, which start when needed and are kept.

    They are daemons, as an executor would wait for them at the end of the process: neither a file
    system that hangs nor a slow API delays it. If the system refuses another thread, the work waits
    for an existing one.
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
            self.start_one()
        if not self._started:
            raise RuntimeError("no thread can be started")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._unfinished += 1
        self._tasks.put((work, future, self._finish))
        return await future

    def start_one(self) -> None:
        """Start a thread if possible: the first one before others take the last."""
        thread = threading.Thread(target=_serve, args=(self._tasks,), name="web", daemon=True)
        with contextlib.suppress(RuntimeError):
            thread.start()
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
        work, future, finish = task
        result, error = None, None
        if not future.cancelled():
            try:
                result = work()
            except BaseException as raised:  # noqa: BLE001 - raised again where it is awaited
                error = raised
        with contextlib.suppress(RuntimeError):  # the loop may have ended
            future.get_loop().call_soon_threadsafe(finish, future, result, error)
        # Otherwise they would be kept until the next task.
        del task, work, future, finish, result, error
