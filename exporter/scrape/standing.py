"""What is known of an account from scrape to scrape: its filters, its lists, its orders to wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from exporter.calltools import FILTERS
from exporter.model import Failure
from exporter.scrape.directory import Directory

if TYPE_CHECKING:
    from exporter.calltools import Filter
    from exporter.errors import ApiError
    from exporter.model import QueueResult
    from exporter.settings import Account, Queue

__all__ = ["Standing"]

#: A proof that a filter is honoured holds for so many seconds, and then is renewed.
PROOF_SECONDS: Final = 600.0
#: The longest that ``Retry-After`` is obeyed, in seconds: for an account (429), a queue (503).
LONGEST_HOLD_SECONDS: Final = 300.0
LONGEST_QUEUE_HOLD_SECONDS: Final = 60.0


class Standing:
    """What one account's answers rest on. All times are Unix times of the scraper's clock."""

    def __init__(self, account: Account) -> None:
        self.directory = Directory(account)
        self._account = account
        self._verdicts: dict[Filter, tuple[float, Failure | None]] = {}
        self._unreadable: dict[Filter, Failure] = {}
        self._hold: tuple[float, Failure] | None = None
        self._queue_holds: dict[int, tuple[float, Failure]] = {}
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

    def told_to_wait(self, error: ApiError, now: float, queue: Queue | None = None) -> None:
        """Obey a ``Retry-After``: of a 429 for the account, of a 503 for the queue."""
        if not error.retry_after:
            return
        if error.failure.code == "429":
            until = now + min(error.retry_after, LONGEST_HOLD_SECONDS)
            self._hold = (until, error.failure)
        elif error.failure.code == "503" and queue is not None:
            until = now + min(error.retry_after, LONGEST_QUEUE_HOLD_SECONDS)
            self._queue_holds[queue.id] = (until, error.failure)

    def hold_until(self, now: float) -> float | None:
        """Return until when the account is to be left alone, None if it is not."""
        return self._hold[0] if self._hold and self.hold(now) else None

    def hold(self, now: float, queue: Queue | None = None) -> Failure | None:
        """Say why the account, or one of its queues, is not to be asked now."""
        hold = self._hold if queue is None else self._queue_holds.get(queue.id)
        seconds = hold[0] - now if hold else 0
        # Longer than ever ordered: the clock has been set back.
        if hold is None or not 0 < seconds <= LONGEST_HOLD_SECONDS:
            return None
        return Failure(hold[1].code, f"told to wait for another {seconds:.0f} s: {hold[1].message}")

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
