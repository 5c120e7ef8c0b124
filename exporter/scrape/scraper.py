"""The scraper: ask for every queue, wait within the budget, return the results."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, as_completed, wait
from functools import partial

from exporter.calltools.client import Client
from exporter.clock import Clock, boot_seconds
from exporter.errors import Failure
from exporter.scrape.account import AccountScrape, ScrapeRequest, Tools
from exporter.scrape.catalog import Catalog
from exporter.scrape.checks import CHECKS
from exporter.scrape.jobs import JobsInFlight, ScrapeObserver
from exporter.scrape.state import AccountState
from exporter.scrape.workers import HostBoundedPool
from exporter.settings import Account, Configuration, Secret
from exporter.snapshot import Snapshot
from exporter.transport.deadline import Deadline
from exporter.transport.transports import Access, Transports

#: How long the start waits for keys and certificates, to open connections, in seconds.
_OPEN_SECONDS = 1.0
#: The share of the budget after which keys and certificates that hang are not waited for.
_FILES_SHARE = 0.3


class Scraper:
    """Scrape the accounts of one configuration; concurrent scrapes share their jobs."""

    def __init__(  # noqa: PLR0913 - the parts are wired in one place, by name
        self,
        configuration: Configuration,
        *,
        pool: HostBoundedPool,
        transports: Transports,
        observer: ScrapeObserver,
        clock: Clock,
        previous: Scraper | None = None,
    ) -> None:
        self.configuration = configuration
        known = previous.states if previous else {}
        self.states: dict[str, AccountState] = {
            account.name: AccountState(account, known.get(account.name))
            for account in configuration.accounts
        }
        self._changing = threading.Lock()
        self._clients = {account.name: Client(account) for account in configuration.accounts}
        self._pool = pool
        self._tools = Tools(JobsInFlight(pool), transports, observer, clock)

    def scrape(
        self,
        accounts: Iterable[Account],
        budget_seconds: float,
        *,
        only: Sequence[str] | None = None,
        max_age: float | None = None,
    ) -> Snapshot:
        """Return the results of these accounts' queues, at the end of the budget or before.

        Args:
            accounts: of the configuration.
            budget_seconds: after which the scrape ends; outstanding requests are a `timeout`.
            only: names or ids of the queues to ask for, None for all.
            max_age: how old a number may be, in seconds; None for each account's own.
        """
        request = ScrapeRequest(boot_seconds(), budget_seconds, only, max_age)
        scrapes = [self._account_scrape(account, request) for account in accounts]
        # As with an account's queues, those asked for longest ago come first.
        in_order = sorted(scrapes, key=lambda scrape: scrape.last_asked_at)
        for scrape in self._opened(in_order, request):
            scrape.start()
        waiting: dict[Future[None], AccountScrape] = {
            job: scrape for scrape in scrapes for job in scrape.lists_to_await
        }
        with contextlib.suppress(TimeoutError):
            for job in as_completed(waiting, request.remaining()):
                waiting[job].go_on()
        return _finish(scrapes, request)

    def read_lists(self, accounts: Iterable[Account], budget_seconds: float) -> Snapshot:
        """Read the lists of these accounts; the snapshot has no queues, only failures."""
        request = ScrapeRequest(boot_seconds(), budget_seconds, only=())
        scrapes = [self._account_scrape(account, request) for account in accounts]
        for scrape in self._opened(scrapes, request):
            scrape.start_list()
        return _finish(scrapes, request)

    def open_connections(self, most: int) -> None:
        """Open the connections that a scrape of all accounts needs, up to a number in all.

        No request is sent, and slow files are not waited for; the scrape reports what fails.
        """
        accounts = self.configuration.accounts
        free = {account.host: account.max_parallel_requests for account in accounts}
        deadline = Deadline.after(_OPEN_SECONDS)
        opened_accounts = self._tools.transports.open(accounts, _OPEN_SECONDS, _OPEN_SECONDS)
        for account, found in opened_accounts:
            if most == 0 or deadline.remaining() <= 0:
                break
            if isinstance(found, Failure):
                continue
            number = min(free[account.host], most)
            if account.every_queue is None:
                number = min(number, len(account.queues) + CHECKS)
            free[account.host] -= number
            most -= number
            opened = partial(self._tools.observer.connection, account.name)
            for job in found.transport.connections_to_open(account.url, number, opened):
                self._pool.submit(account, job)

    def catalog(self, account: Account) -> Catalog:
        """Return the catalog of an account."""
        return self.states[account.name].catalog

    def _opened(
        self, scrapes: Sequence[AccountScrape], request: ScrapeRequest
    ) -> Iterator[AccountScrape]:
        """Yield the accounts that may be asked, each as soon as its key has been read."""
        to_open = {scrape.account.name: scrape for scrape in scrapes if scrape.may_ask}
        wanted = [scrape.account for scrape in to_open.values()]
        for account, found in self._tools.transports.open(
            wanted, request.seconds * _FILES_SHARE, request.remaining()
        ):
            scrape = to_open[account.name]
            if isinstance(found, Access):
                scrape.state = self._state_under(account, found.token)
            scrape.open(found)
            yield scrape

    def _state_under(self, account: Account, key: Secret) -> AccountState:
        """Return an account's state, a new one under a new key: it may be another account's."""
        with self._changing:
            state = self.states[account.name]
            if state.key not in {None, key}:
                state = self.states[account.name] = AccountState(account, state)
            state.key = key
        return state

    def _account_scrape(self, account: Account, request: ScrapeRequest) -> AccountScrape:
        client, state = self._clients[account.name], self.states[account.name]
        return AccountScrape(client, state, request=request, tools=self._tools)


def _finish(scrapes: Sequence[AccountScrape], request: ScrapeRequest) -> Snapshot:
    """Wait for all jobs, until the end of the budget at most, and collect their results."""
    wait([job for scrape in scrapes for job in scrape.jobs], request.remaining())
    again = [scrape for scrape in scrapes if scrape.verify_again()]
    wait([job for scrape in again for job in scrape.jobs], request.remaining())
    finished = [scrape.finish() for scrape in scrapes]
    return Snapshot(
        tuple(summary for summary, _ in finished),
        tuple(queue for _, queues in finished for queue in queues),
        boot_seconds() - request.begun,
        request.seconds,
    )
