"""Scrape accounts: ask for every queue, wait within the budget, return what is known then."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, as_completed, wait

from exporter.calltools import Client
from exporter.scrape.account import AccountScrape, Budget, Tools
from exporter.scrape.jobs import JobsInFlight, ScrapeObserver
from exporter.scrape.state import AccountState
from exporter.scrape.workers import HostBoundedPool
from exporter.settings import Account, Configuration, Queue
from exporter.snapshot import Snapshot
from exporter.transport import Transports


class Scraper:
    """Scrape the accounts of one configuration; scrapes at the same time share their jobs."""

    def __init__(  # noqa: PLR0913 - the parts are wired in one place, by name
        self,
        configuration: Configuration,
        *,
        pool: HostBoundedPool,
        transports: Transports,
        observer: ScrapeObserver,
        clock: Callable[[], float] = time.time,
        previous: Scraper | None = None,
    ) -> None:
        self.configuration = configuration
        known = previous.states if previous else {}
        self.states: dict[str, AccountState] = {
            account.name: AccountState(account, known.get(account.name))
            for account in configuration.accounts
        }
        self._clients = {account.name: Client(account) for account in configuration.accounts}
        self._tools = Tools(JobsInFlight(pool), transports, observer, clock)
        self._host_limits: dict[str, int] = {}
        for account in configuration.accounts:
            limit = max(account.max_parallel_requests, self._host_limits.get(account.host, 0))
            self._host_limits[account.host] = limit

    def scrape(
        self, accounts: Iterable[Account], budget_seconds: float, *, only: str | None = None
    ) -> Snapshot:
        """Return what is known of these accounts' queues at the end of the budget, or before.

        Args:
            accounts: of the configuration.
            budget_seconds: after which the scrape ends; what is outstanding is a `timeout`.
            only: the name of the one queue to ask for.
        """
        budget = Budget(time.monotonic(), budget_seconds)
        scrapes = [self._account_scrape(account, budget, only) for account in accounts]
        for scrape in scrapes:
            scrape.start()
        waiting: dict[Future[None], AccountScrape] = {
            job: scrape for scrape in scrapes for job in scrape.lists_to_await
        }
        with contextlib.suppress(TimeoutError):
            for job in as_completed(waiting, budget.remaining()):
                waiting[job].go_on()
        wait([job for scrape in scrapes for job in scrape.jobs], budget.remaining())
        finished = [scrape.finish() for scrape in scrapes]
        return Snapshot(
            tuple(summary for summary, _ in finished),
            tuple(queue for _, queues in finished for queue in queues),
            time.monotonic() - budget.begun,
            budget_seconds,
        )

    def known_queues(self, account: Account) -> Sequence[Queue] | None:
        """Return an account's queues, None where its list has not been read yet."""
        catalog = self.states[account.name].catalog
        return catalog.queues if catalog.queues_known else None

    def _account_scrape(self, account: Account, budget: Budget, only: str | None) -> AccountScrape:
        return AccountScrape(
            account,
            client=self._clients[account.name],
            state=self.states[account.name],
            host_limit=self._host_limits[account.host],
            budget=budget,
            tools=self._tools,
            only=only,
        )
