"""Threads for work that would block the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

Result = TypeVar("Result")


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
