"""Count each request once, whoever waits for it and however it ends."""

from __future__ import annotations

import threading
import time
from typing import Protocol

from exporter.snapshot import Attempt

__all__ = ["ScrapeObserver", "Tally"]

from typing import Final


class ScrapeObserver(Protocol):
    """Who counts what a scrape does to the API."""

    def attempt(self, account: str, attempt: Attempt) -> None:
        """Count a request that was tried."""

    def connection(self, account: str) -> None:
        """Count a connection that was opened."""

    def coalesced(self, account: str) -> None:
        """Count a fetch that was shared instead of sent."""

    def queues_changed(self, account: str, *, appeared: int, vanished: int) -> None:
        """Count queues that came to the account's list or left it."""


class Tally:
    """Report the requests of one job, one after the other.

    A page whose budget ends counts the request in flight as a `timeout`, so that the page that
    shows the failure also counts it; how that request ends later is then not counted again.
    Requests that check the API itself are no errors of the queues: ``errors`` leaves those out.
    """

    def __init__(self, account: str, observer: ScrapeObserver, *, errors: bool = True) -> None:
        self._account: Final = account
        self._observer: Final = observer
        self._errors: Final = errors
        self._lock = threading.Lock()
        self._sent_at: float | None = None

    def attempt_started(self) -> None:
        """Note that a request is in flight."""
        with self._lock:
            self._sent_at = time.monotonic()

    def connection_opened(self) -> None:
        """Count a connection, also for a request that nobody waits for any more."""
        self._observer.connection(self._account)

    def attempt_ended(self, attempt: Attempt) -> None:
        """Count a request, unless a page has counted it as a `timeout` already."""
        if self._settle() is not None:
            self._report(attempt)

    def abandon(self) -> float | None:
        """Count the request in flight as a `timeout`; return how long it was waited for."""
        sent_at = self._settle()
        if sent_at is None:
            return None
        waited = time.monotonic() - sent_at
        self._report(Attempt("timeout", waited))
        return waited

    def _settle(self) -> float | None:
        with self._lock:
            sent_at, self._sent_at = self._sent_at, None
        return sent_at

    def _report(self, attempt: Attempt) -> None:
        code = attempt.code if self._errors else None
        self._observer.attempt(self._account, Attempt(code, attempt.seconds))
