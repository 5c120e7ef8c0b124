"""One answer for a crowd that asks for the same."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable
from typing import Final

from starlette.responses import Response

__all__ = ["Gathering"]

#: Two Prometheus servers that scrape at the same time never wait for each other.
_AT_ONCE: Final = 2


class Gathering:
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
