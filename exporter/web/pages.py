"""What the web asks of the rest of the program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from exporter.errors import ExporterError

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

__all__ = ["Pages", "UnknownAccountError"]


class UnknownAccountError(ExporterError):
    """A page was asked for an account that is not configured.

    ``suggestion`` is the nearest name that is.
    """

    def __init__(self, name: str, suggestion: str | None = None) -> None:
        # The name comes from anybody: it is cut, and its control characters are made visible.
        hint = f"; did you mean {suggestion!r}?" if suggestion else ""
        super().__init__(f"account {name[:100]!r} is not configured{hint}")


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

    def is_ready(self) -> bool:
        """Say whether a configuration is in force; called on the event loop, so never waits."""
