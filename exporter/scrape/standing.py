"""What is known of an account from scrape to scrape: its filters, its lists, its orders to wait."""

from __future__ import annotations

from typing import Final

from exporter.calltools import FILTERS, Filter
from exporter.errors import ApiError, Failure
from exporter.scrape.directory import Directory
from exporter.scrape.holds import Holds
from exporter.settings import Account, Queue
from exporter.snapshot import QueueResult

__all__ = ["Standing"]

#: A proof that a filter is honoured holds for so many seconds, and then is renewed.
PROOF_SECONDS: Final = 600.0


class Standing:
    """What one account's answers rest on. All times are Unix times of the scraper's clock."""

    def __init__(self, account: Account, before: Standing | None = None) -> None:
        """Begin without proof; orders to wait outlive a reload, so ``before`` hands them on."""
        self.directory = Directory(account)
        self.holds: Holds = before.holds if before else Holds()
        self._account = account
        self._verdicts: dict[Filter, tuple[float, Failure | None]] = {}
        self._unreadable: dict[Filter, Failure] = {}
        self._last_read: dict[int, QueueResult] = {}

    def due_filters(self, now: float) -> list[Filter]:
        """Return the filters of which there is no proof, neither way, that still holds."""
        return [name for name in FILTERS if not self._holds(name, now)]

    def note_filter(self, name: Filter, verdict: Failure | ApiError | None, now: float) -> None:
        """Take in that a filter is honoured (None), ignored, or cannot be told (an error)."""
        if verdict is None or isinstance(verdict, Failure):
            self._verdicts[name] = (now, verdict)
            self._unreadable.pop(name, None)
        else:
            self._unreadable[name] = verdict.failure

    def ignored_filter(self) -> Failure | None:
        """Return how a filter showed to be ignored, until it shows to be honoured again."""
        return next((failure for _, failure in self._verdicts.values() if failure), None)

    def distrust(self, now: float) -> Failure | None:
        """Say why no number of this account can be believed, if so: a filter without a proof."""
        ignored = self.ignored_filter()
        if ignored is not None:
            return ignored
        for name in FILTERS:
            if not self._holds(name, now):
                why = self._unreadable.get(name) or Failure("timeout", "no answer in time")
                words = f"whether the API honours the filter `{name}` cannot be told: {why.message}"
                return Failure(why.code, words)
        return None

    def note_result(self, queue: Queue, result: QueueResult) -> None:
        """Keep a number for those who ask for it again within the account's `max_age`."""
        if self._account.max_age and result.failure is None:
            self._last_read[queue.id] = result

    def recent_result(self, queue: Queue, now: float) -> QueueResult | None:
        """Return a number that was read less than `max_age` ago, if there is one."""
        result = self._last_read.get(queue.id)
        if result is None or abs(now - result.finished_at) >= self._account.max_age:
            return None
        return result

    def _holds(self, name: Filter, now: float) -> bool:
        noted = self._verdicts.get(name)
        return noted is not None and abs(now - noted[0]) < PROOF_SECONDS
