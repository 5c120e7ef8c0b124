"""So many pages in work at a time; the others wait for a turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

__all__ = ["NoTurnError", "Turns"]

_Result = TypeVar("_Result")


class NoTurnError(Exception):
    """No turn came in time."""


class Turns:
    """Run blocking work in threads, ``count`` at a time."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._turns = asyncio.Semaphore(count)
        self._threads: CapacityLimiter | None = None

    async def run(self, work: Callable[[float], _Result], seconds: float) -> _Result:
        """Wait for a turn, then call ``work`` in a thread with what is left of the seconds.

        Raises:
            NoTurnError: no turn came in that time.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        try:
            async with asyncio.timeout_at(deadline):
                await self._turns.acquire()
        except TimeoutError:
            raise NoTurnError from None
        try:
            # A thread for each turn: anyio's own limit of 40 knows nothing of ours.
            self._threads = self._threads or CapacityLimiter(self._count)
            left = max(deadline - loop.time(), 0.0)
            return await to_thread.run_sync(work, left, limiter=self._threads)
        finally:
            self._turns.release()
