"""What is in force: a configuration, its scraper, and what outlives both."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from exporter.failure_log import FailureLog
from exporter.metrics import Counters, ExporterCollector, PageCollector, SnapshotCollector
from exporter.names import nearest
from exporter.scrape import Memory, Scraper, Workers
from exporter.transport import Transports
from exporter.web.pages import UnknownAccountError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prometheus_client.registry import Collector

    from exporter.model import Snapshot
    from exporter.scrape import Standing
    from exporter.settings import Account, Configuration

__all__ = ["Runtime"]


class Runtime:
    """Answer for one process: scrape what the configuration in force names, and count."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        max_parallel_requests: int = 256,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.configuration = configuration
        self.counters = Counters([account.name for account in configuration.accounts])
        self.counters.reloaded(clock())
        self._failures = FailureLog()
        self._scraper = Scraper(
            configuration,
            workers=Workers(max_parallel_requests),
            transports=Transports(),
            observer=self.counters,
            memory=Memory(),
            clock=clock,
        )

    def metrics(
        self, *, account: str | None, exporter_only: bool, budget_seconds: float
    ) -> Collector:
        """Scrape, then return what is to be rendered; see `exporter.web.pages.Pages`."""
        accounts = self.configuration.accounts
        if account is not None:
            accounts = tuple(one for one in accounts if one.name == account)
            if not accounts:
                names = [one.name for one in self.configuration.accounts]
                raise UnknownAccountError(account, nearest(account, names))
        counters = ExporterCollector(self.counters, account)
        if exporter_only:
            return counters
        snapshot = self.snapshot(accounts, budget_seconds)
        self._failures.observe(snapshot)
        return PageCollector(SnapshotCollector(snapshot), counters)

    def snapshot(self, accounts: Sequence[Account], budget_seconds: float) -> Snapshot:
        """Ask for the queues of these accounts, of the configuration in force."""
        return self._scraper.scrape(accounts, budget_seconds)

    def standing(self, account: Account) -> Standing:
        """Return what is known of an account beside its numbers."""
        return self._scraper.standing(account)

    def is_ready(self) -> bool:
        """Say that a configuration is in force: without one there is no runtime."""
        return True
