"""What is known of an account from one scrape to the next, beside its numbers."""

from __future__ import annotations

from exporter.calltools import FILTERS, Filter
from exporter.errors import ApiError, Failure
from exporter.scrape.catalog import Catalog
from exporter.settings import Account, Queue
from exporter.snapshot import QueueResult

#: The longest ``Retry-After`` that is obeyed, in seconds: for an account, for a queue.
LONGEST_SECONDS = 300.0
LONGEST_QUEUE_SECONDS = 60.0
#: How long a filter counts as verified, in seconds.
VERIFIED_SECONDS = 600.0


class Backoff:
    """Until when to leave an account and its queues alone: after a 429, or a queue's 503."""

    def __init__(self) -> None:
        self._until: dict[int | None, tuple[float, Failure]] = {}

    def record(self, error: ApiError, now: float, queue: Queue | None = None) -> None:
        """Record a failure that may have come with a ``Retry-After``."""
        if not error.retry_after:
            return
        if error.failure.code == "429":
            until = now + min(error.retry_after, LONGEST_SECONDS)
            self._until[None] = (until, error.failure)
        elif error.failure.code == "503" and queue is not None:
            until = now + min(error.retry_after, LONGEST_QUEUE_SECONDS)
            self._until[queue.id] = (until, error.failure)

    def until(self, now: float) -> float | None:
        """Return until when to leave the account alone, None if it may be asked."""
        return self._until[None][0] if self.failure(now) else None

    def failure(self, now: float, queue: Queue | None = None) -> Failure | None:
        """Return why not to ask the account, or one of its queues, now."""
        found = self._until.get(queue.id if queue else None)
        # Longer than was ever ordered: the clock has been set back.
        if found is None or not 0 < found[0] - now <= LONGEST_SECONDS:
            return None
        words = f"told to wait for another {found[0] - now:.0f} s: {found[1].message}"
        return Failure(found[1].code, words)


class AccountState:
    """What one account's answers rest on. All times are Unix times of the scraper's clock."""

    def __init__(self, account: Account, previous: AccountState | None = None) -> None:
        """Begin with nothing verified; what outlives a reload comes from the ``previous`` state."""
        self.catalog = Catalog(account)
        self.backoff: Backoff = previous.backoff if previous else Backoff()
        self.read_at: dict[int, float] = previous.read_at if previous else {}
        self._verdicts: dict[Filter, tuple[float, Failure | None]] = {}
        self._unverifiable: dict[Filter, Failure] = {}
        self._results: dict[int, QueueResult] = {}

    def filters_to_verify(self, now: float) -> list[Filter]:
        """Return the filters that are neither verified nor known to be ignored any more."""
        return [name for name in FILTERS if not self._has_verdict(name, now)]

    def record_filter(self, name: Filter, verdict: Failure | ApiError | None, now: float) -> None:
        """Record that a filter is honoured (None), ignored, or could not be verified (an error)."""
        if verdict is None or isinstance(verdict, Failure):
            self._verdicts[name] = (now, verdict)
            self._unverifiable.pop(name, None)
        else:
            self._unverifiable[name] = verdict.failure

    def ignored_filter(self) -> Failure | None:
        """Return how the API showed that it ignores a filter, until the filter is verified."""
        return next((failure for _, failure in self._verdicts.values() if failure), None)

    def untrusted(self, now: float) -> Failure | None:
        """Return why this account's numbers cannot be trusted, or None."""
        ignored = self.ignored_filter()
        if ignored is not None:
            return ignored
        for name in FILTERS:
            if not self._has_verdict(name, now):
                why = self._unverifiable.get(name) or Failure("timeout", "no answer in time")
                words = f"whether the API honours the filter `{name}` cannot be told: {why.message}"
                return Failure(why.code, words)
        return None

    def record_result(self, queue: Queue, result: QueueResult) -> None:
        """Keep a number for those who accept one that is not new."""
        if result.failure is None:
            self._results[queue.id] = result

    def recent_result(self, queue: Queue, now: float, max_age: float) -> QueueResult | None:
        """Return a number that was read less than ``max_age`` seconds ago, if there is one."""
        result = self._results.get(queue.id)
        if result is None or abs(now - result.finished_at) >= max_age:
            return None
        return result

    def record_success(self, queue: Queue, result: QueueResult) -> float | None:
        """Record a result that a scrape shows; return when the queue was last read."""
        if result.failure is None:
            self.read_at[queue.id] = max(result.finished_at, self.read_at.get(queue.id, 0))
        return self.read_at.get(queue.id)

    def _has_verdict(self, name: Filter, now: float) -> bool:
        recorded = self._verdicts.get(name)
        return recorded is not None and abs(now - recorded[0]) < VERIFIED_SECONDS
