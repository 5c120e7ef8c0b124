"""Say once when a queue can no longer be read, and once when it can again."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from exporter.model import QueueSnapshot, Snapshot
    from exporter.settings import Configuration

__all__ = ["FailureLog"]

log = structlog.get_logger(__name__)


class FailureLog:
    """Log where failures begin and end; what goes on in between is for debugging."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failing_since: dict[tuple[str, int], float] = {}

    def observe(self, snapshot: Snapshot) -> None:
        """Compare a page with those before it."""
        with self._lock:
            for queue in snapshot.queues:
                self._observe(queue)

    def keep(self, configuration: Configuration) -> None:
        """Forget the accounts that are gone."""
        names = {account.name for account in configuration.accounts}
        with self._lock:
            for key in [key for key in self._failing_since if key[0] not in names]:
                del self._failing_since[key]

    def _observe(self, snapshot: QueueSnapshot) -> None:
        account, queue, result = snapshot.account, snapshot.queue, snapshot.result
        key = (account.name, queue.id)
        place = {"account": account.name, "queue": queue.name}
        if result.failure is None:
            since = self._failing_since.pop(key, None)
            if since is None:
                log.debug("queue read", available=result.available, **place)
            else:
                seconds = round(time.monotonic() - since, 3)
                log.info("queue can be read again", failing_seconds=seconds, **place)
            return
        begins = key not in self._failing_since
        self._failing_since.setdefault(key, time.monotonic())
        say = log.warning if begins else log.debug
        event = "queue cannot be read" if begins else "queue still cannot be read"
        say(event, code=result.failure.code, reason=result.failure.message, **place)
