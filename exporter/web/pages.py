"""What the web asks of the rest of the program."""

from __future__ import annotations

from typing import Protocol

from prometheus_client.registry import Collector

from exporter.errors import ExporterError
from exporter.history import AccountView

__all__ = ["NotNowError", "Pages", "UnknownAccountError", "UnknownQueueError"]


class UnknownAccountError(ExporterError):
    """A page was asked for an account that is not configured.

    ``suggestion`` is the nearest name that is.
    """

    def __init__(self, name: str, suggestion: str | None = None) -> None:
        # The name comes from anybody: it is cut, and its control characters are made visible.
        hint = f"; did you mean {suggestion!r}?" if suggestion else ""
        super().__init__(f"account {name[:100]!r} is not configured{hint}")


class UnknownQueueError(ExporterError):
    """A page was asked for a queue that its account does not have."""

    def __init__(self, account: str, name: str, suggestion: str | None = None) -> None:
        hint = f"; did you mean {suggestion!r}?" if suggestion else ""
        super().__init__(f"account {account!r} has no queue {name[:100]!r}{hint}")


class NotNowError(ExporterError):
    """What was asked for cannot be told now, and may be later."""


class Pages(Protocol):
    """Who fetches what the pages show."""

    def metrics(
        self, *, account: str | None, exporter_only: bool, budget_seconds: float
    ) -> Collector:
        """Scrape, and return what is to be rendered; called in a thread of its own.

        Everything is fetched when this returns, within the budget: ``collect()`` only writes it
        down. ``account`` narrows the page to one account; ``exporter_only`` asks the API nothing.

        Raises:
            UnknownAccountError: there is no account of that name.
        """

    def probe(self, *, account: str, queue: str | None, budget_seconds: float) -> Collector:
        """Scrape one account, or one of its queues, and keep nothing of it; in a thread too.

        Raises:
            UnknownAccountError: there is no account of that name.
            UnknownQueueError: the account has no queue of that name.
            NotNowError: which queues the account has could not be read.
        """

    def targets(self, *, by_account: bool) -> list[dict[str, object]]:
        """Return what there is to probe, as Prometheus' HTTP service discovery reads it.

        Raises:
            NotNowError: which queues an account has is not known yet.
        """

    def overview(self, account: str | None) -> list[AccountView]:
        """Return what the last scrapes brought, of all accounts or of one; ask the API nothing.

        Raises:
            UnknownAccountError: there is no account of that name.
        """

    def reload(self) -> None:
        """Read the configuration again and put it in force; in a thread.

        Raises:
            ConfigurationError: with all mistakes; what was in force stays so.
        """

    def configuration_text(self) -> str:
        """Return the configuration in force as YAML, without a secret."""

    def is_ready(self) -> bool:
        """Say whether a configuration is in force; called on the event loop, so never waits."""
