"""A pool of threads, bounded in all and for each host."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)


class HostBoundedPool:
    """Run jobs in daemon threads, first come first served, bounded per host and in all.

    A job that hangs keeps its thread and its place among its host's jobs: no thread is started in
    its stead, and the jobs of other hosts have their own places. Daemon threads, since an executor
    would make the process wait for a hanging job at its end.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._changed = threading.Condition()
        self._ready: deque[tuple[str, Callable[[], None]]] = deque()
        self._waiting: defaultdict[str, deque[Callable[[], None]]] = defaultdict(deque)
        self._busy: defaultdict[str, int] = defaultdict(int)
        self._threads = 0
        self._idle = 0

    def submit(self, host: str, host_limit: int, job: Callable[[], None]) -> None:
        """Run a job as soon as its host and the whole have a place for it.

        Args:
            host: whose places count.
            host_limit: how many jobs of this host may run at a time.
            job: reports its own failures; what it raises is only logged.
        """
        with self._changed:
            if self._busy[host] >= host_limit:
                self._waiting[host].append(job)
                return
            self._busy[host] += 1
            self._ready.append((host, job))
            if self._idle >= len(self._ready):
                self._changed.notify()
            elif self._threads < self._limit:
                self._threads += 1
                self._idle += 1
                threading.Thread(
                    target=self._work, name=f"fetch-{self._threads}", daemon=True
                ).start()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._ready:
                    self._changed.wait()
                self._idle -= 1
                host, job = self._ready.popleft()
            try:
                job()
            except Exception as error:  # noqa: BLE001 - the edge of a thread: it must go on
                log.error("a job failed", host=host, error=type(error).__name__)  # noqa: TRY400
            with self._changed:
                # The place is free and the thread is idle in one step, else one more is started.
                self._idle += 1
                if self._waiting[host]:
                    # The next job of this host takes over the place that has become free.
                    self._ready.append((host, self._waiting[host].popleft()))
                else:
                    self._busy[host] -= 1
