"""The results of past scrapes, for the landing page and the log."""

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import structlog

from exporter.clock import boot_seconds
from exporter.errors import Failure
from exporter.settings import Account, Queue
from exporter.snapshot import QueueSnapshot, Snapshot

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
    """The history of one account; the outage of the account itself has the key None.

    ``begun`` is when the latest scrape of the account began, by the steady clock, and ``url`` the
    account's in it.
    """

    asked_at: float = 0.0
    begun: float = float("-inf")
    url: str = ""
    scraped: dict[int, QueueSnapshot] = field(default_factory=dict)
    outages: dict[int | None, Outage] = field(default_factory=dict)
    empty_since: dict[int, float] = field(default_factory=dict)

    def record_failure(self, key: int | None, failure: Failure | None, at: float) -> float | None:
        """Record the result of a scrape; return since when the ones before it had failed."""
        before = self.outages.get(key)
        since = before.since if before is not None and before.until is None else None
        if failure is not None:
            self.outages[key] = Outage(failure, at if since is None else since)
        elif before is not None and since is not None:
            self.outages[key] = replace(before, until=at)
        return since

    def record_emptiness(self, queue: QueueSnapshot) -> None:
        available = queue.result.available
        if not queue.open or available:
            self.empty_since.pop(queue.queue.id, None)
        elif available == 0:
            self.empty_since.setdefault(queue.queue.id, queue.result.finished_at.unix)

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
        begun = boot_seconds() - snapshot.duration_seconds
        with self._lock:
            for summary in snapshot.accounts:
                account = self._accounts.setdefault(summary.account.name, _AccountHistory())
                account.asked_at = at
                account.url = summary.account.url
                failure = summary.failure
                is_latest = begun >= account.begun  # else one that began later has ended earlier
                if is_latest and (summary.up or failure is not None):
                    account.begun = begun
                    since = account.record_failure(None, failure, at)
                    if failure is not None or since is not None:
                        _log("account", {"account": summary.account.name}, failure, since, at)
            for queue in snapshot.queues:
                account = self._accounts.setdefault(queue.account.name, _AccountHistory())
                before = account.scraped.get(queue.queue.id)
                if before is not None and queue.result.asked_at < before.result.asked_at:
                    continue  # what was asked for later has come earlier
                account.scraped[queue.queue.id] = queue
                account.record_emptiness(queue)
                failure = queue.result.failure
                since = account.record_failure(queue.queue.id, failure, at)
                place = {"account": queue.account.name, "queue": queue.queue.name}
                if failure is not None or since is not None:
                    _log("queue", place, failure, since, at)
                else:
                    bound.debug("Queue read", available=queue.result.available, **place)

    def status(self, account: Account, queues: Sequence[Queue] | None) -> AccountStatus:
        """Return the history of an account and of its queues as they are configured now.

        Readings from another URL, or of a queue that was configured differently, are left out.
        """
        with self._lock:
            known = self._accounts.get(account.name)
            if known is not None and known.url != account.url:
                known = None
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


def _log(
    what: str, place: dict[str, str], failure: Failure | None, since: float | None, at: float
) -> None:
    """Log once that something cannot be read, and once that it can again; otherwise at debug.

    ``since`` is when it began to fail, None if it did not fail before.
    """
    if failure is None:
        event = f"{what.capitalize()} readable again"
        log.info(event, failing_seconds=max(0.0, round(at - (since or at), 3)), **place)
        return
    say = log.warning if since is None else log.debug
    event = f"Cannot read {what}" if since is None else f"Still cannot read {what}"
    say(event, code=failure.code, reason=failure.message, **place)
