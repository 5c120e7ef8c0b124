"""Work on files in threads of its own, since storage may hang: a stale network mount, a FIFO."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping
from concurrent.futures import Future, wait
from typing import Any, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

#: After each such time, in seconds, twice as many threads work on what is left.
_STALL = 0.2


class FileAccess:
    """Access files one after the other; one that is slow or hangs does not delay the others.

    Work that hangs keeps its thread, and is neither started nor waited for again until it ends. The
    threads are daemons: the process does not wait for them at its end.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: deque[tuple[Hashable, Callable[[], Any], Future[Any]]] = deque()
        self._in_flight: dict[Hashable, tuple[float, Future[Any]]] = {}
        self._threads = 0

    def results(
        self, work: Mapping[K, Callable[[], T]], seconds: float, in_all: float
    ) -> Iterator[tuple[K, Future[T]]]:
        """Yield each key as its work ends; work that has not ended in time comes last, not done.

        Args:
            work: by a key that is equal for the same work, now and later.
            seconds: how long to wait while nothing ends.
            in_all: how long to wait at most.
        """
        now = time.monotonic()
        awaited: dict[Future[T], K] = {}
        hanging: dict[Future[T], K] = {}
        with self._lock:
            for key, piece in work.items():
                begun, future = self._in_flight.get(key, (now, None))
                if future is None:
                    future = Future()
                    self._in_flight[key] = (now, future)
                    self._queue.append((key, piece, future))
                (awaited if now - begun < seconds else hanging)[future] = key
        self._start_threads(1)
        stalled_at = now + seconds
        while awaited and (left := min(stalled_at, now + in_all) - time.monotonic()) > 0:
            done, _ = wait(awaited, min(_STALL, left))
            for future in done:
                yield awaited.pop(future), future
            if done:
                stalled_at = time.monotonic() + seconds
            self._start_threads(max(1, self._threads))
        for future, key in (awaited | hanging).items():
            yield key, future

    def _start_threads(self, number: int) -> None:
        for _ in range(number):
            with self._lock:
                if not self._queue:
                    return
                self._threads += 1
            try:
                threading.Thread(target=self._work, name="files", daemon=True).start()
            except RuntimeError:  # no more threads are allowed
                self._work()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._threads -= 1
                    return
                key, piece, future = self._queue.popleft()
            try:
                result = piece()
            except Exception as error:  # noqa: BLE001 - raised again where the result is used
                self._forget(key)
                future.set_exception(error)
            else:
                self._forget(key)
                future.set_result(result)

    def _forget(self, key: Hashable) -> None:
        with self._lock:
            del self._in_flight[key]
