"""Scrape: ask for every queue, wait within the budget, and tell what is known then."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from exporter.calltools import Client
from exporter.errors import ApiError, TokenError
from exporter.model import AccountSnapshot, Failure, QueueResult, QueueSnapshot, Snapshot
from exporter.scrape.fetch import Fetch, Round
from exporter.transport import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from exporter.scrape.fetch import ScrapeObserver
    from exporter.scrape.workers import Workers
    from exporter.settings import Account, Configuration, Queue
    from exporter.transport import Transports

__all__ = ["Memory", "Scraper"]


class Memory:
    """When each queue was last read, in Unix time; it outlives scrapes and reloads."""

    def __init__(self) -> None:
        self._read_at: dict[tuple[str, int], float] = {}

    def note(self, account: Account, queue: Queue, result: QueueResult) -> float | None:
        """Take a result in and return when the queue was last read."""
        key = (account.name, queue.id)
        if result.failure is None:
            self._read_at[key] = max(result.finished_at, self._read_at.get(key, 0))
        return self._read_at.get(key)


class _Page:
    """What one page waits for: its fetches, and its own start of them all."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.outstanding = 1
        self.complete = threading.Event()


class Scraper:
    """Scrape the accounts of one configuration; pages at the same time share their fetches."""

    def __init__(  # noqa: PLR0913 - the parts are wired in one place, by name
        self,
        configuration: Configuration,
        *,
        workers: Workers,
        transports: Transports,
        observer: ScrapeObserver,
        memory: Memory,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._workers = workers
        self._transports = transports
        self._observer = observer
        self._memory = memory
        self._clock = clock
        self._clients = {account.name: Client(account) for account in configuration.accounts}
        self._host_limits: dict[str, int] = {}
        for account in configuration.accounts:
            limit = max(account.max_parallel_requests, self._host_limits.get(account.host, 0))
            self._host_limits[account.host] = limit
        self._lock = threading.Lock()
        self._in_flight: dict[tuple[str, int], tuple[Fetch, list[_Page]]] = {}

    def scrape(self, accounts: Iterable[Account], budget_seconds: float) -> Snapshot:
        """Return what is known of these accounts' queues at the end of the budget, or before.

        Args:
            accounts: of the configuration.
            budget_seconds: after which the page has to go; what is outstanding is a `timeout`.
        """
        page = _Page()
        started = [(account, self._start(account, page, budget_seconds)) for account in accounts]
        self._release(page)
        page.complete.wait(max(0.0, page.begun + budget_seconds - time.monotonic()))
        finished = [(account, self._finish(account, fetches)) for account, fetches in started]
        return Snapshot(
            tuple(summary for _, (summary, _) in finished),
            tuple(queue for _, (_, queues) in finished for queue in queues),
            time.monotonic() - page.begun,
            budget_seconds,
        )

    def _start(
        self, account: Account, page: _Page, budget_seconds: float
    ) -> tuple[Fetch, ...] | Failure:
        """Start or join the fetches of all queues of an account, or say why none can be started."""
        limit = self._host_limits[account.host]
        try:
            transport = self._transports.get(account, limit)
            around = Round(account, self._clients[account.name], transport, account.token.read())
        except TokenError as error:
            return Failure("token", str(error))
        except ApiError as error:
            return error.failure
        return tuple(self._join(queue, around, page, budget_seconds) for queue in account.queues)

    def _finish(
        self, account: Account, fetches: tuple[Fetch, ...] | Failure
    ) -> tuple[AccountSnapshot, list[QueueSnapshot]]:
        """Take what the fetches have found by now."""
        failures: dict[str, Failure] = {}
        if isinstance(fetches, Failure):
            failures[fetches.code] = fetches
            results = [QueueResult(None, fetches, None, self._clock())] * len(account.queues)
        else:
            results = [self._result(fetch) for fetch in fetches]
            refusals = (fetch.round.refusal for fetch in fetches)
            failures.update({r.code: r for r in refusals if r and r.code != "429"})
        queues = [
            QueueSnapshot(
                account,
                queue,
                result,
                open=True,
                last_success_at=self._memory.note(account, queue, result),
            )
            for queue, result in zip(account.queues, results, strict=True)
        ]
        up = any(result.failure is None for result in results)
        return AccountSnapshot(account, up, tuple(failures.values())), queues

    def _join(self, queue: Queue, around: Round, page: _Page, budget_seconds: float) -> Fetch:
        """Wait for the queue's fetch in flight, else start one.

        A fetch that is joined may last as long as the longest budget of its pages, counted from its
        own beginning: were it counted from theirs, a silent connection could be kept for ever by
        pages that overlap.
        """
        account = around.account
        key = (account.name, queue.id)
        with self._lock:
            page.outstanding += 1
            if key in self._in_flight:
                fetch, pages = self._in_flight[key]
                pages.append(page)
                fetch.deadline.extend(fetch.begun + budget_seconds)
                self._observer.coalesced(account.name)
                return fetch
            deadline = Deadline(page.begun + budget_seconds)
            fetch = Fetch(queue, around, deadline, self._observer, self._clock)
            self._in_flight[key] = (fetch, [page])

        def run() -> None:
            fetch.result = fetch.run()
            with self._lock:
                _, pages = self._in_flight.pop(key)
            for waiting in pages:
                self._release(waiting)

        self._workers.submit(account.host, self._host_limits[account.host], run)
        return fetch

    def _release(self, page: _Page) -> None:
        """Note that a page waits for one thing less."""
        with self._lock:
            page.outstanding -= 1
            if not page.outstanding:
                page.complete.set()

    def _result(self, fetch: Fetch) -> QueueResult:
        if fetch.result is not None:
            return fetch.result
        failure = fetch.abandon()
        return QueueResult(None, failure, time.monotonic() - fetch.begun, self._clock())
