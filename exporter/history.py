"""The results of past scrapes, for the landing page and the log."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import structlog

from exporter.errors import Failure
from exporter.settings import Account, Queue
from exporter.snapshot import AccountSnapshot, QueueSnapshot, Snapshot

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outage:
    """A time without a reading, in Unix times; ``until`` is None while it lasts.

    ``failure`` is the latest reason.
    """

    failure: Failure
    since: float
    until: float | None = None


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """A configured queue, with the result of its last scrape: None before the first one.

    ``empty_since`` is the Unix time since when no reading of the open queue has found an agent;
    None if the last one did, or if the queue was closed then.
    """

    queue: Queue
    scraped: QueueSnapshot | None = None
    outage: Outage | None = None
    empty_since: float | None = None


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """An account with its queues, None until the API has listed them.

    ``asked_at`` is when a scrape of it, or of a queue of it, last ended: a Unix time, None for
    never. ``outage`` concerns the whole account.
    """

    account: Account
    queues: tuple[QueueStatus, ...] | None
    asked_at: float | None = None
    outage: Outage | None = None


@dataclass(slots=True)
class _AccountHistory:
    """The history of one account; the outage of the account itself has the key None."""

    asked_at: float = 0.0
    scraped: dict[int, QueueSnapshot] = field(default_factory=dict)
    outages: dict[int | None, Outage] = field(default_factory=dict)
    empty_since: dict[int, float] = field(default_factory=dict)

    def record_failure(self, key: int | None, failure: Failure | None, at: float) -> None:
        before = self.outages.get(key)
        lasts = before is not None and before.until is None
        if failure is not None:
            self.outages[key] = Outage(failure, before.since if before and lasts else at)
        elif before is not None and lasts:
            self.outages[key] = replace(before, until=at)

    def record_emptiness(self, queue: QueueSnapshot) -> None:
        available = queue.result.available
        if not queue.open or available:
            self.empty_since.pop(queue.queue.id, None)
        elif available == 0:
            self.empty_since.setdefault(queue.queue.id, queue.result.finished_at)

    def retain(self, queue_ids: Collection[int]) -> None:
        for id_ in self.scraped.keys() - queue_ids:
            del self.scraped[id_]
            self.outages.pop(id_, None)
            self.empty_since.pop(id_, None)

    def status(self, account: Account, queue: Queue) -> QueueStatus:
        scraped = self.scraped.get(queue.id)
        if scraped is None or (scraped.account.url, scraped.queue) != (account.url, queue):
            return QueueStatus(queue)
        outage, empty_since = self.outages.get(queue.id), self.empty_since.get(queue.id)
        return QueueStatus(queue, scraped, outage, empty_since)


class ScrapeHistory:
    """Remember the last scrape of each queue, and log where failures begin and end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._accounts: dict[str, _AccountHistory] = {}

    def record(self, snapshot: Snapshot, at: float) -> None:
        """Record a scrape that ended at a Unix time."""
        # Bound once, not for each line: at most levels of the log nothing is said of most queues.
        bound: structlog.typing.FilteringBoundLogger = log.bind()
        with self._lock:
            for summary in snapshot.accounts:
                account = self._accounts.setdefault(summary.account.name, _AccountHistory())
                account.asked_at = at
                before = account.outages.get(None)
                if summary.up or summary.failure is not None:
                    account.record_failure(None, summary.failure, at)
                _log_account(summary, before, at)
            for queue in snapshot.queues:
                account = self._accounts.setdefault(queue.account.name, _AccountHistory())
                before = account.outages.get(queue.queue.id)
                account.scraped[queue.queue.id] = queue
                account.record_emptiness(queue)
                account.record_failure(queue.queue.id, queue.result.failure, at)
                _log_queue(bound, queue, before, at)

    def status(self, account: Account, queues: Sequence[Queue] | None) -> AccountStatus:
        """Return the history of an account and of its queues as they are configured now.

        Readings from another URL, or of a queue that was configured differently, are left out.
        """
        with self._lock:
            known = self._accounts.get(account.name)
            found = known or _AccountHistory()
            return AccountStatus(
                account,
                None if queues is None else tuple(found.status(account, one) for one in queues),
                None if known is None else known.asked_at,
                found.outages.get(None),
            )

    def retain(self, accounts: Collection[str]) -> None:
        """Forget all accounts but these."""
        with self._lock:
            self._accounts = {
                name: account for name, account in self._accounts.items() if name in accounts
            }

    def retain_queues(self, account: str, queue_ids: Collection[int]) -> None:
        """Forget all queues of an account but these."""
        with self._lock:
            if account in self._accounts:
                self._accounts[account].retain(queue_ids)


def _log_account(summary: AccountSnapshot, before: Outage | None, at: float) -> None:
    """Log once that an account cannot be read, and once that it can again."""
    if summary.failure is not None or (summary.up and _failing_since(before) is not None):
        _log("account", {"account": summary.account.name}, summary.failure, before, at)


def _log_queue(
    bound: structlog.typing.FilteringBoundLogger,
    snapshot: QueueSnapshot,
    before: Outage | None,
    at: float,
) -> None:
    """Log once that a queue cannot be read, and once that it can again; otherwise at debug."""
    place = {"account": snapshot.account.name, "queue": snapshot.queue.name}
    result = snapshot.result
    if result.failure is not None or _failing_since(before) is not None:
        _log("queue", place, result.failure, before, at)
    else:
        bound.debug("Queue read", available=result.available, **place)


def _log(
    what: str, place: dict[str, str], failure: Failure | None, before: Outage | None, at: float
) -> None:
    failing_since = _failing_since(before)
    if failure is None:
        event = f"{what.capitalize()} readable again"
        log.info(event, failing_seconds=max(0.0, round(at - (failing_since or at), 3)), **place)
        return
    begins = failing_since is None
    say = log.warning if begins else log.debug
    event = f"Cannot read {what}" if begins else f"Still cannot read {what}"
    say(event, code=failure.code, reason=failure.message, **place)


def _failing_since(outage: Outage | None) -> float | None:
    return outage.since if outage is not None and outage.until is None else None
