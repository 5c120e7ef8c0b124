"""Reloads of the configuration, shared by concurrent requests."""

from __future__ import annotations

from collections.abc import Callable

from exporter.web.shared_work import Batch, RequestCoalescer, WorkerThreads


class Reloader:
    """Reload the configuration in a thread of its own, one reload at a time.

    Requests during a reload share the next one, which reads the files after they arrived.
    """

    def __init__(self, reload: Callable[[], None]) -> None:
        self._reload = reload
        self._threads = WorkerThreads(1)
        self._coalescer: RequestCoalescer[None] = RequestCoalescer(at_once=1)

    async def reload(self) -> None:
        """Reload, or wait for the next reload to end.

        Raises:
            ConfigurationError: with all mistakes; the previous configuration stays in use.
        """
        await self._coalescer.get("reload", self._run)

    async def _run(self, _: Batch) -> None:
        await self._threads.run(self._reload)
