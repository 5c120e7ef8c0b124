"""Scrape: ask for every queue, wait within the budget, and tell what is known then."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence

from exporter.calltools import Client
from exporter.errors import ApiError, Failure, TokenError
from exporter.scrape.fetch import FORBIDDEN_QUEUES, Fetch, Round
from exporter.scrape.page import Memory, Page, Part
from exporter.scrape.standing import Standing
from exporter.scrape.tally import ScrapeObserver
from exporter.scrape.upkeep import Upkeep
from exporter.scrape.workers import Workers
from exporter.settings import Account, Configuration, Queue
from exporter.snapshot import QueueResult, Snapshot
from exporter.transport import Deadline, Transports

__all__ = ["Scraper"]


class Scraper:
    """Scrape the accounts of one configuration; pages at the same time share their jobs."""

    def __init__(  # noqa: PLR0913 - the parts are wired in one place, by name
        self,
        configuration: Configuration,
        *,
        workers: Workers,
        transports: Transports,
        observer: ScrapeObserver,
        memory: Memory,
        clock: Callable[[], float] = time.time,
        before: Scraper | None = None,
    ) -> None:
        self.configuration = configuration
        self._workers = workers
        self._transports = transports
        self._observer = observer
        self._memory = memory
        self._clock = clock
        self._clients = {account.name: Client(account) for account in configuration.accounts}
        self.standings: dict[str, Standing] = {
            account.name: Standing(account, before.standings.get(account.name) if before else None)
            for account in configuration.accounts
        }
        self._host_limits: dict[str, int] = {}
        for account in configuration.accounts:
            limit = max(account.max_parallel_requests, self._host_limits.get(account.host, 0))
            self._host_limits[account.host] = limit
        self._lock = threading.Lock()
        self._fetches: dict[tuple[str, int], tuple[Fetch, list[Page]]] = {}
        self._upkeeps: dict[str, Upkeep] = {}

    def scrape(
        self, accounts: Iterable[Account], budget_seconds: float, *, only: str | None = None
    ) -> Snapshot:
        """Return what is known of these accounts' queues at the end of the budget, or before.

        Args:
            accounts: of the configuration.
            budget_seconds: after which the page has to go; what is outstanding is a `timeout`.
            only: the name of the one queue to ask for.
        """
        page = Page(budget_seconds, only)
        parts = [self._start(account, page) for account in accounts]
        self._release(page)
        page.complete.wait(page.remaining())
        finished = [part.finish(self._memory, self._clock()) for part in parts]
        return Snapshot(
            tuple(summary for summary, _ in finished),
            tuple(queue for _, queues in finished for queue in queues),
            time.monotonic() - page.begun,
            budget_seconds,
        )

    def known_queues(self, account: Account) -> Sequence[Queue] | None:
        """Return an account's queues, None where its list has not been read yet."""
        directory = self.standings[account.name].directory
        if account.every_queue is not None and not directory.queue_names:
            return None
        return directory.queues

    def _start(self, account: Account, page: Page) -> Part:
        """Start or join what is to be asked of an account, or say why nothing is."""
        standing = self.standings[account.name]
        part = Part(account, standing, self._clock(), page.only)
        part.failure = standing.holds.failure(part.now)
        if part.failure is not None:
            return part
        try:
            transport = self._transports.get(account, self._host_limits[account.host])
            key = account.token.read()
        except TokenError as error:
            part.failure = Failure("token", str(error))
            return part
        except ApiError as error:
            part.failure = error.failure
            return part
        around = Round(account, self._clients[account.name], transport, key, standing)
        part.round = around
        part.upkeep = self._keep_up(around, part.now, page)
        if part.upkeep is None or not standing.directory.must_be_read_first:
            self._ask(part, around, page)
        else:
            self._hold_back(page)

            def go_on() -> None:
                if page.remaining() > 0:
                    self._ask(part, around, page)
                self._release(page)

            part.upkeep.then(go_on)
            self._submit(account, part.upkeep.claim())
        return part

    def _keep_up(self, around: Round, now: float, page: Page) -> Upkeep | None:
        """Join the account's upkeep in flight, else start it if anything is due."""
        account = around.account
        with self._lock:
            upkeep = self._upkeeps.get(account.name)
            if upkeep is None:
                deadline = Deadline(page.begun + page.budget_seconds)
                upkeep = Upkeep(around, now, deadline, self._observer, self._clock)
                if not upkeep.is_due:
                    return None
                self._upkeeps[account.name] = upkeep
                started = True
            else:
                upkeep.deadline.extend(upkeep.begun + page.budget_seconds)
                started = False
        if started:
            upkeep.then(lambda: self._forget(account))
        self._hold_back(page)
        upkeep.then(lambda: self._release(page))
        return upkeep

    def _submit(self, account: Account, jobs: Iterable[Callable[[], None]]) -> None:
        for job in jobs:
            self._workers.submit(account.host, self._host_limits[account.host], job)

    def _forget(self, account: Account) -> None:
        with self._lock:
            del self._upkeeps[account.name]

    def _ask(self, part: Part, around: Round, page: Page) -> None:
        """Start or join the fetches of an account's queues, but of those that are pointless."""
        standing = part.standing
        ignored = standing.ignored_filter()
        asked: list[tuple[Queue, Fetch | QueueResult]] = []
        # Not first, as a key that is refused is to be counted as an error of the queues; nor last,
        # as lists have pages, one after the other, for which everything else would have to wait.
        upkeep_after = max(self._host_limits[part.account.host], FORBIDDEN_QUEUES)
        for queue in part.queues:
            why_not = (
                ignored
                or standing.directory.unknown(queue)
                or standing.holds.failure(part.now, queue)
            )
            if why_not is not None:
                asked.append((queue, QueueResult(None, why_not, None, part.now)))
            elif recent := standing.recent_result(queue, part.now):
                self._observer.coalesced(part.account.name)
                asked.append((queue, recent))
            else:
                asked.append((queue, self._fetch(queue, around, page)))
            if part.upkeep is not None and len(asked) == upkeep_after:
                self._submit(part.account, part.upkeep.claim())
        part.asked = asked
        if part.upkeep is not None:
            self._submit(part.account, part.upkeep.claim())

    def _fetch(self, queue: Queue, around: Round, page: Page) -> Fetch:
        """Wait for the queue's fetch in flight, else start one.

        A fetch that is joined may last as long as the longest budget of its pages, counted from its
        own beginning: were it counted from theirs, a silent connection could be kept for ever by
        pages that overlap.
        """
        account = around.account
        key = (account.name, queue.id)
        with self._lock:
            page.outstanding += 1
            if key in self._fetches:
                fetch, pages = self._fetches[key]
                pages.append(page)
                fetch.deadline.extend(fetch.begun + page.budget_seconds)
                self._observer.coalesced(account.name)
                return fetch
            deadline = Deadline(page.begun + page.budget_seconds)
            fetch = Fetch(queue, around, deadline, self._observer, self._clock)
            self._fetches[key] = (fetch, [page])

        def run() -> None:
            fetch.run()
            if fetch.result is not None:
                around.standing.note_result(queue, fetch.result)
            with self._lock:
                _, pages = self._fetches.pop(key)
            for waiting in pages:
                self._release(waiting)

        self._submit(account, [run])
        return fetch

    def _hold_back(self, page: Page) -> None:
        """Note that a page waits for one thing more."""
        with self._lock:
            page.outstanding += 1

    def _release(self, page: Page) -> None:
        """Note that a page waits for one thing less."""
        with self._lock:
            page.outstanding -= 1
            if not page.outstanding:
                page.complete.set()
