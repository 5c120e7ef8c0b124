"""The state of an account between scrapes, besides its numbers."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Collection
from typing import TypeVar

from exporter.calltools.client import FILTERS, Filter, Ready, Rows, check_ready
from exporter.clock import Moment
from exporter.errors import ApiError, Failure
from exporter.scrape.catalog import Catalog
from exporter.settings import Account, Queue, Secret
from exporter.snapshot import QueueResult

K = TypeVar("K")
V = TypeVar("V")

#: The longest ``Retry-After`` that is respected, in seconds: for an account, for a queue.
LONGEST_SECONDS = 300.0
LONGEST_QUEUE_SECONDS = 60.0
#: How long a filter counts as verified, in seconds, and after how long it is verified again: early
#: enough that several scrapes can try, so that one failure costs no number.
VERIFIED_SECONDS = 600.0
RENEW_SECONDS = 420.0
#: How old a verification is, in seconds, before a row that contradicts its request renews it.
_DOUBT_SECONDS = 10.0
#: By how much, in seconds, the two answers that verify the filter `ready` may be apart.
_BY_READY_SECONDS = 90.0


class Backoff:
    """Until when to back off from an account or a queue, after a 429 or a queue's 503."""

    def __init__(self) -> None:
        self._until: dict[int | None, tuple[Moment, Failure]] = {}

    def record(self, error: ApiError, now: Moment, queue: Queue | None = None) -> None:
        """Record a failure that may have come with a ``Retry-After``."""
        if not error.retry_after:
            return
        if error.failure.code == "429":
            until = now.after(min(error.retry_after, LONGEST_SECONDS))
            self._until[None] = (until, error.failure)
        elif error.failure.code == "503" and queue is not None:
            until = now.after(min(error.retry_after, LONGEST_QUEUE_SECONDS))
            self._until[queue.id] = (until, error.failure)

    def until(self, now: Moment) -> float | None:
        """Return the Unix time until which to back off, None if the account may be asked."""
        return self._until[None][0].unix_at(now) if self.failure(now) else None

    def failure(self, now: Moment, queue: Queue | None = None) -> Failure | None:
        """Return why not to ask the account, or one of its queues, now."""
        found = self._until.get(queue.id if queue else None)
        if found is None or found[0].steady <= now.steady:
            return None
        seconds = found[0].steady - now.steady
        words = f"backing off for another {seconds:.0f} s: {found[1].message}"
        return Failure(found[1].code, words)

    def retain(self, queue_ids: Collection[int]) -> None:
        """Forget all queues but these."""
        _retain(self._until, {None, *queue_ids})


class AccountState:
    """What an account's answers depend on."""

    def __init__(self, account: Account, previous: AccountState | None = None) -> None:
        """Begin with nothing verified; what survives a reload comes from the ``previous`` state.

        An account that has moved to another host starts afresh.
        """
        if previous is not None and previous.url != account.url:
            previous = None
        self.url: str = account.url
        self.key: Secret | None = None
        self.catalog: Catalog = Catalog(account, previous.catalog if previous else None)
        self.backoff: Backoff = previous.backoff if previous else Backoff()
        self.read_at: dict[int, Moment] = previous.read_at if previous else {}
        self.asked_at: dict[int, float] = previous.asked_at if previous else {}
        self._verdicts: dict[Filter, tuple[float, Failure | None]] = {}
        self._unverifiable: dict[Filter, Failure] = {}
        self._contradicted_at = float("-inf")
        self._results: dict[int, tuple[Queue, QueueResult]] = {}
        self._retained: object = None
        self._by_ready_lock = threading.Lock()
        self._by_ready: dict[Ready, tuple[Moment, Rows]] = {}

    def filters_to_verify(self, now: Moment) -> list[Filter]:
        """Return the filters that are not verified, or whose verification expires soon.

        Where a row has contradicted its request since, the API may ignore filters by now.
        """
        wanted = []
        for name in FILTERS:
            verified_at, _ = self._verdicts.get(name, (float("-inf"), None))
            in_doubt = verified_at < self._contradicted_at
            if not self._has_verdict(name, now, _DOUBT_SECONDS if in_doubt else RENEW_SECONDS):
                wanted.append(name)
        return wanted

    def record_contradiction(self, now: Moment) -> None:
        """Record that a row contradicted the filters of its request."""
        self._contradicted_at = now.steady

    def record_filter(
        self, name: Filter, verdict: Failure | ApiError | None, asked_at: Moment
    ) -> None:
        """Record that a filter is honoured (None), ignored, or could not be verified (an error)."""
        recorded = self._verdicts.get(name)
        if recorded is not None and asked_at.steady < recorded[0]:
            return  # a check that began later has ended earlier
        if verdict is None or isinstance(verdict, Failure):
            if self.ignored_filter():
                self._results.clear()  # they are from before, and may count everybody
            self._verdicts[name] = (asked_at.steady, verdict)
            self._unverifiable.pop(name, None)
        else:
            self._unverifiable[name] = verdict.failure

    def record_by_ready(self, value: Ready, agents: Rows, asked_at: Moment) -> None:
        """Record the agents under the filter ``ready``, and the verdict once the answers give it.

        They are kept here, as simultaneous scrapes may each have sent one of the two requests.
        """
        with self._by_ready_lock:
            if self._has_verdict("ready", asked_at, _DOUBT_SECONDS):
                return
            self._by_ready[value] = (asked_at, _without_names(agents))
            recent = self._recent_by_ready(asked_at)
            with contextlib.suppress(KeyError):  # it takes the other answer as well
                self.record_filter("ready", check_ready(recent), asked_at)
                self._by_ready.clear()

    def missing_by_ready(self, now: Moment) -> list[Ready]:
        """Return which of the two answers that verify the filter ``ready`` are missing."""
        values: tuple[Ready, ...] = ("true", "false")
        with self._by_ready_lock:
            recent = self._recent_by_ready(now)
        return [value for value in values if value not in recent]

    def _recent_by_ready(self, now: Moment) -> dict[Ready, Rows]:
        return {
            value: agents
            for value, (at, agents) in self._by_ready.items()
            if now.steady - at.steady < _BY_READY_SECONDS
        }

    def ignored_filter(self) -> Failure | None:
        """Return how the API showed that it ignores a filter, until the filter is verified."""
        # Copied, as checks that end in other threads add to it.
        verdicts = tuple(self._verdicts.values())
        return next((failure for _, failure in verdicts if failure), None)

    def untrusted(self, now: Moment) -> Failure | None:
        """Return why this account's numbers cannot be trusted, or None."""
        ignored = self.ignored_filter()
        if ignored is not None:
            return ignored
        for name in FILTERS:
            if not self._has_verdict(name, now, VERIFIED_SECONDS):
                why = self._unverifiable.get(name) or Failure("timeout", "no answer in time")
                words = f"cannot verify that the API honours the filter `{name}`: {why.message}"
                return Failure(why.code, words)
        return None

    def record_result(self, queue: Queue, result: QueueResult) -> None:
        """Record the result of a fetch; the number is kept for scrapes that accept an older one."""
        _, kept = self._results.get(queue.id, (None, None))
        # A fetch that began later may have ended earlier.
        if result.failure is None and (kept is None or kept.asked_at <= result.asked_at):
            self._results[queue.id] = queue, result
        if result.failure is None or result.failure.code not in {"401", "429"}:
            self.asked_at[queue.id] = result.finished_at.steady

    def recent_result(self, queue: Queue, now: Moment, max_age: float) -> QueueResult | None:
        """Return a number that was asked for less than ``max_age`` seconds ago, if there is one.

        One that was asked for with other statuses, before a list changed, means something else.
        """
        asked, result = self._results.get(queue.id, (None, None))
        if asked is None or result is None or asked.available_status != queue.available_status:
            return None
        return result if now.steady - result.asked_at < max_age else None

    def record_success(self, queue: Queue, result: QueueResult, now: Moment) -> float | None:
        """Record the result of a scrape; return the Unix time when the queue was last read."""
        last = self.read_at.get(queue.id)
        if result.failure is None and (last is None or last < result.finished_at):
            last = self.read_at[queue.id] = result.finished_at
        return None if last is None else last.unix_at(now)

    def forget_queues_that_left(self) -> None:
        """Forget the queues that the account no longer has, where the API lists them."""
        listed = self.catalog.listed_queues.rows
        if not listed or listed is self._retained:
            return
        self._retained = listed
        queue_ids = {queue.id for queue in self.catalog.queues}
        self.backoff.retain(queue_ids)
        _retain(self.read_at, queue_ids)
        _retain(self.asked_at, queue_ids)
        _retain(self._results, queue_ids)

    def in_order(self, queues: Collection[Queue]) -> list[Queue]:
        """Return queues in the order to ask for them: the one asked for longest ago first.

        So no queue is left out for ever if time or the API's rate limit does not allow for all.
        """
        return sorted(queues, key=lambda queue: self.asked_at.get(queue.id, float("-inf")))

    def last_asked_at(self) -> float:
        """Return when a queue of the account was last asked for, by the steady clock."""
        return max(tuple(self.asked_at.values()), default=float("-inf"))

    def _has_verdict(self, name: Filter, now: Moment, seconds: float) -> bool:
        recorded = self._verdicts.get(name)
        return recorded is not None and now.steady - recorded[0] < seconds


def _without_names(agents: Rows) -> Rows:
    """Return what the check compares, so that nobody's name is kept while half of it is missing."""
    return tuple(
        {"ready": row.get("ready"), "app_user": hash(str(row.get("app_user")))} for row in agents
    )


def _retain(kept: dict[K, V], keys: Collection[K]) -> None:
    for key in [key for key in tuple(kept) if key not in keys]:
        kept.pop(key, None)
