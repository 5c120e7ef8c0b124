"""The running exporter: current configuration and scraper, and what survives a reload."""

import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import structlog
from prometheus_client.registry import Collector

from exporter.clock import Clock, Moment
from exporter.config.redacted import redacted_yaml
from exporter.counters import Counters
from exporter.errors import (
    ConfigurationError,
    UnknownAccountError,
    UnknownQueueError,
)
from exporter.history import AccountStatus, ScrapeHistory
from exporter.metrics import Families, probe_families, snapshot_families
from exporter.scrape.catalog import Catalog
from exporter.scrape.scraper import Scraper
from exporter.scrape.state import AccountState
from exporter.scrape.workers import HostBoundedPool
from exporter.settings import Account, Configuration, Queue
from exporter.snapshot import Snapshot
from exporter.transport.transports import Transports

log = structlog.get_logger(__name__)

#: How long service discovery waits for lists that have never been read, in seconds.
LIST_SECONDS = 5.0


class Runtime:
    """Scrape the accounts of the current configuration, and count.

    A reload replaces the configuration as a whole; a scrape in progress keeps the previous one.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        max_parallel_requests: int = 256,
        clock: Clock | None = None,
        load: Callable[[], Configuration] | None = None,
    ) -> None:
        self.counters = Counters([account.name for account in configuration.accounts])
        self._clock = clock or Clock()
        self._load = load
        self._max_parallel_requests = max_parallel_requests
        self._reloading = threading.Lock()
        self._history = ScrapeHistory()
        self._pool = HostBoundedPool(max_parallel_requests)
        self._transports = Transports()
        self._scraper = self._make_scraper(configuration, None)
        self.counters.reloaded(self._clock.unix())

    @property
    def configuration(self) -> Configuration:
        """The current configuration."""
        return self._scraper.configuration

    def reload(self) -> None:
        """Load the configuration again and use it from now on.

        Raises:
            ConfigurationError: with all mistakes; the previous configuration stays in use.
        """
        if self._load is None:
            return
        with self._reloading:
            try:
                configuration = self._load()
            except ConfigurationError as error:
                self.counters.reloaded(None)
                log.error(  # noqa: TRY400
                    "Cannot load configuration, keeping the previous one", mistakes=str(error)
                )
                raise
            scraper = self._make_scraper(configuration, self._scraper)
            # The series first: the new scraper needs the counters of its accounts.
            names = [account.name for account in configuration.accounts]
            self.counters.retain(names)
            self._scraper = scraper
            self._history.retain(names)
            self._transports.retain(configuration.accounts)
            self.counters.reloaded(self._clock.unix())
        log.info("Configuration loaded", accounts=len(configuration.accounts))

    def open_connections(self, most: int) -> None:
        """Have the connections opened that the first scrape will need, and wait for none."""
        self._scraper.open_connections(min(self._max_parallel_requests, most))

    def metrics(
        self, *, account: str | None, exporter_only: bool, budget_seconds: float
    ) -> Collector:
        """Scrape, then return what to render; call it in a thread.

        Everything is fetched within the budget: ``collect()`` fetches nothing. ``account``
        narrows the scrape to one account; ``exporter_only`` asks the API nothing.

        Raises:
            UnknownAccountError: there is no account of that name.
        """
        scraper = self._scraper
        accounts = _accounts(scraper, account)
        counters = partial(self.counters.families, account)
        if exporter_only:
            return Families(counters)
        snapshot = scraper.scrape(accounts, budget_seconds)
        self._record(snapshot)
        # The counters last, so that they include this scrape.
        return Families(partial(snapshot_families, snapshot), counters)

    def probe(self, *, account: str, queue: str | None, budget_seconds: float) -> Collector:
        """Scrape one account, or one of its queues; call it in a thread.

        Raises:
            UnknownAccountError: there is no account of that name.
            UnknownQueueError: the account has no queue of that name or id.
        """
        only = None if queue is None else [queue]
        snapshot = self._scrape_one(account, only, budget_seconds)
        self._record(snapshot)
        return Families(partial(probe_families, snapshot))

    def read(
        self,
        account: str | None = None,
        queues: Sequence[str] = (),
        *,
        only: Callable[[Account], bool] = lambda _: True,
        budget_seconds: float,
        max_age: float = 0.0,
    ) -> Snapshot:
        """Read some queues now, or all, without recording it in the history or the log.

        Fetches in progress are shared. An account whose queues could not be listed is in the
        snapshot with its failure and without queues, also when one of them was asked for.

        Args:
            account: the one account to read, None for all.
            queues: names or ids of the account's queues, none for all.
            only: where no account is given, whether to read one of them.
            budget_seconds: after which the snapshot is returned, complete or not.
            max_age: how old a number may be, in seconds; 0 asks the API now.

        Raises:
            UnknownAccountError: there is no account of that name.
            UnknownQueueError: the account has no queue of that name or id.
        """
        if account is not None:
            return self._scrape_one(account, queues or None, budget_seconds, max_age=max_age)
        scraper = self._scraper
        chosen = [found for found in scraper.configuration.accounts if only(found)]
        return scraper.scrape(chosen, budget_seconds, max_age=max_age)

    def targets(
        self, *, by_account: bool, budget_seconds: float = LIST_SECONDS
    ) -> list[dict[str, object]]:
        """Return what there is to probe, as Prometheus' HTTP service discovery reads it.

        Lists that have never been read are read within the budget. An account that cannot be listed
        by then is one target, by account, so that it is watched anyway.
        """
        scraper = self._scraper
        accounts = scraper.configuration.accounts
        unlisted = [one for one in accounts if _known_queues(scraper.catalog(one)) is None]
        if unlisted and not by_account:
            self._record(scraper.read_lists(unlisted, budget_seconds))
        found: list[dict[str, object]] = []
        for account in accounts:
            labels = {"__param_account": account.name}
            queues = _known_queues(scraper.catalog(account))
            if by_account or queues is None:
                found.append({"targets": [account.name], "labels": labels})
                continue
            found += [
                {
                    "targets": [f"{account.name}/{queue.name}"],
                    "labels": {**labels, "__param_queue": queue.name},
                }
                for queue in queues
            ]
        return found

    def status(self, account: str | None) -> list[AccountStatus]:
        """Return the results of the last scrapes, of all accounts or of one; ask the API nothing.

        Raises:
            UnknownAccountError: there is no account of that name.
        """
        scraper = self._scraper
        return [
            self._history.status(one, _known_queues(scraper.catalog(one)))
            for one in _accounts(scraper, account)
        ]

    def known_queues(self, account: str) -> Sequence[Queue] | None:
        """Return an account's queues, None until the API has listed them.

        None also for an account that a reload has removed since its name was looked up.
        """
        state = self._scraper.states.get(account)
        return _known_queues(state.catalog) if state is not None else None

    def now(self) -> Moment:
        """Return the moment, from which the ages of results are counted."""
        return self._clock.now()

    def configuration_text(self) -> str:
        """Return the current configuration as YAML, without secrets."""
        return redacted_yaml(self.configuration)

    def snapshot(self, accounts: Sequence[Account], budget_seconds: float) -> Snapshot:
        """Scrape these accounts of the current configuration."""
        return self._scraper.scrape(accounts, budget_seconds)

    def account_state(self, account: Account) -> AccountState:
        """Return the state of an account: what is known of it besides its numbers."""
        return self._scraper.states[account.name]

    def _record(self, snapshot: Snapshot) -> None:
        """Record a scrape in the history, and remove queues that their account no longer has."""
        self._history.record(snapshot, self._clock.unix())
        for summary in snapshot.accounts:
            name = summary.account.name
            if summary.account.every_queue is None or (queues := self.known_queues(name)) is None:
                continue  # not known again yet, if it was reloaded meanwhile
            self._history.retain_queues(name, {queue.id for queue in queues})

    def _scrape_one(
        self,
        name: str,
        only: Sequence[str] | None,
        budget_seconds: float,
        *,
        max_age: float | None = None,
    ) -> Snapshot:
        """Scrape an account or some of its queues, looked up by name or id."""
        scraper = self._scraper
        (account,) = _accounts(scraper, name)
        _check_known(scraper, account, only or ())
        snapshot = scraper.scrape([account], budget_seconds, only=only, max_age=max_age)
        # Again: the scrape may have been the first to list the account's queues.
        _check_known(scraper, account, only or ())
        return snapshot

    def _make_scraper(self, configuration: Configuration, previous: Scraper | None) -> Scraper:
        self._pool.retain(configuration.accounts)
        return Scraper(
            configuration,
            pool=self._pool,
            transports=self._transports,
            observer=self.counters,
            clock=self._clock,
            previous=previous,
        )


def _accounts(scraper: Scraper, name: str | None) -> Sequence[Account]:
    """Return the account of this name, or with None all accounts.

    Raises:
        UnknownAccountError: there is no account of that name.
    """
    accounts = scraper.configuration.accounts
    if name is None:
        return accounts
    for account in accounts:
        if account.name == name:
            return [account]
    raise UnknownAccountError(name, [account.name for account in accounts])


def _known_queues(catalog: Catalog) -> Sequence[Queue] | None:
    """Return an account's queues, None until the API has listed them."""
    return catalog.queues if catalog.queues_known else None


def _check_known(scraper: Scraper, account: Account, wanted: Iterable[str]) -> None:
    """Check that an account has these queues, as far as its queues are known.

    Raises:
        UnknownQueueError: it does not have one.
    """
    catalog = scraper.catalog(account)
    if not catalog.queues_known:
        return
    for name in wanted:
        if catalog.find(name) is None:
            raise UnknownQueueError(account.name, name, [queue.name for queue in catalog.queues])
