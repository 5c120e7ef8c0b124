"""The running exporter: current configuration and scraper, and what survives a reload."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

import structlog
from prometheus_client.registry import Collector

from exporter.config.redacted import redacted_yaml
from exporter.counters import Counters
from exporter.errors import (
    ConfigurationError,
    NotNowError,
    UnknownAccountError,
    UnknownQueueError,
)
from exporter.history import AccountStatus, ScrapeHistory
from exporter.metrics import Families, probe_families, snapshot_families
from exporter.scrape import AccountState, HostBoundedPool, Scraper
from exporter.settings import Account, Configuration
from exporter.snapshot import Snapshot
from exporter.text import nearest
from exporter.transport import Transports

log = structlog.get_logger(__name__)


class Runtime:
    """Scrape what the current configuration names, and count.

    A reload replaces the configuration as a whole; a scrape under way keeps the one it began with.
    """

    def __init__(
        self,
        configuration: Configuration,
        *,
        max_parallel_requests: int = 256,
        clock: Callable[[], float] = time.time,
        load: Callable[[], Configuration] | None = None,
    ) -> None:
        self.counters = Counters([account.name for account in configuration.accounts])
        self._clock = clock
        self._load = load
        self._reloading = threading.Lock()
        self._history = ScrapeHistory()
        self._pool = HostBoundedPool(max_parallel_requests)
        self._transports = Transports()
        self._scraper = self._make_scraper(configuration, None)
        self.counters.reloaded(clock())

    @property
    def configuration(self) -> Configuration:
        """The configuration in force."""
        return self._scraper.configuration

    def reload(self) -> None:
        """Read the configuration again and put it in force.

        Raises:
            ConfigurationError: with all mistakes; what was in force stays so.
        """
        if self._load is None:
            return
        with self._reloading:
            try:
                configuration = self._load()
            except ConfigurationError as error:
                self.counters.reloaded(None)
                log.error("configuration refused", mistakes=str(error))  # noqa: TRY400
                raise
            scraper = self._make_scraper(configuration, self._scraper)
            # The series first: whoever sees the new scraper has its accounts' counters.
            names = [account.name for account in configuration.accounts]
            self.counters.retain(names)
            self._scraper = scraper
            self._history.retain(names)
            self._transports.keep(configuration)
            self.counters.reloaded(self._clock())
        log.info("Configuration loaded", accounts=len(configuration.accounts))

    def metrics(
        self, *, account: str | None, exporter_only: bool, budget_seconds: float
    ) -> Collector:
        """Scrape, then return what is to be rendered; call it in a thread.

        Everything is fetched within the budget: ``collect()`` only writes it down. ``account``
        narrows the scrape to one account; ``exporter_only`` asks the API nothing.

        Raises:
            UnknownAccountError: there is no account of that name.
        """
        scraper = self._scraper
        accounts: Sequence[Account] = scraper.configuration.accounts
        if account is not None:
            accounts = [self._account(scraper, account)]
        counters = partial(self.counters.families, account)
        if exporter_only:
            return Families(counters)
        snapshot = scraper.scrape(accounts, budget_seconds)
        self._history.record(snapshot, self._clock())
        # The counters last, so that they include this scrape.
        return Families(partial(snapshot_families, snapshot), counters)

    def probe(self, *, account: str, queue: str | None, budget_seconds: float) -> Collector:
        """Scrape one account, or one of its queues; call it in a thread.

        Raises:
            UnknownAccountError: there is no account of that name.
            UnknownQueueError: the account has no queue of that name.
            NotNowError: which queues the account has could not be read.
        """
        scraper = self._scraper
        chosen = self._account(scraper, account)
        known = self._names(scraper, chosen)
        if queue is not None and known is not None and queue not in known:
            raise UnknownQueueError(account, queue, nearest(queue, known))
        snapshot = scraper.scrape([chosen], budget_seconds, only=queue)
        self._history.record(snapshot, self._clock())
        if queue is not None and not snapshot.queues:
            known = self._names(scraper, chosen)
            if known is not None:
                raise UnknownQueueError(account, queue, nearest(queue, known))
            raise NotNowError(f"the queues of {account!r} could not be read in time")
        return Families(partial(probe_families, snapshot, with_account=queue is None))

    def targets(self, *, by_account: bool) -> list[dict[str, object]]:
        """Return what there is to probe, as Prometheus' HTTP service discovery reads it.

        Raises:
            NotNowError: which queues an account has is not known yet.
        """
        scraper = self._scraper
        found: list[dict[str, object]] = []
        for account in scraper.configuration.accounts:
            labels = {"__param_account": account.name}
            if by_account:
                found.append({"targets": [account.name], "labels": labels})
                continue
            known = self._names(scraper, account)
            if known is None:
                raise NotNowError(f"the queues of {account.name!r} have not been read yet")
            found += [
                {"targets": [f"{account.name}/{name}"], "labels": {**labels, "__param_queue": name}}
                for name in known
            ]
        return found

    def status(self, account: str | None) -> list[AccountStatus]:
        """Return what the last scrapes brought, of all accounts or of one; ask the API nothing.

        Raises:
            UnknownAccountError: there is no account of that name.
        """
        scraper = self._scraper
        accounts = scraper.configuration.accounts
        chosen = accounts if account is None else [self._account(scraper, account)]
        return [self._history.status(one, scraper.known_queues(one)) for one in chosen]

    def configuration_text(self) -> str:
        """Return the configuration in force as YAML, without a secret."""
        return redacted_yaml(self.configuration)

    def snapshot(self, accounts: Sequence[Account], budget_seconds: float) -> Snapshot:
        """Scrape these accounts of the current configuration."""
        return self._scraper.scrape(accounts, budget_seconds)

    def account_state(self, account: Account) -> AccountState:
        """Return what is known of an account beside its numbers."""
        return self._scraper.states[account.name]

    def _account(self, scraper: Scraper, name: str) -> Account:
        for account in scraper.configuration.accounts:
            if account.name == name:
                return account
        names = [account.name for account in scraper.configuration.accounts]
        raise UnknownAccountError(name, nearest(name, names))

    def _names(self, scraper: Scraper, account: Account) -> list[str] | None:
        known = scraper.known_queues(account)
        return None if known is None else [queue.name for queue in known]

    def _make_scraper(self, configuration: Configuration, previous: Scraper | None) -> Scraper:
        return Scraper(
            configuration,
            pool=self._pool,
            transports=self._transports,
            observer=self.counters,
            clock=self._clock,
            previous=previous,
        )
