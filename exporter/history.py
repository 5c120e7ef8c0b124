"""What past scrapes brought: for the landing page and for the log."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

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
    """A configured queue, with what the last scrape of it brought: None before there was one.

    ``empty_since`` is the Unix time since when the open queue was never read with an agent; None
    if it was at the last reading, or was closed then.
    """

    queue: Queue
    scraped: QueueSnapshot | None = None
    outage: Outage | None = None
    empty_since: float | None = None


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """An account with its queues, None as long as the API has not named them.

    ``asked_at`` is when a scrape of it, or of a queue of it, last ended: a Unix time, None for
    never. ``outage`` is what concerned the whole account.
    """

    account: Account
    queues: tuple[QueueStatus, ...] | None
    asked_at: float | None = None
    outage: Outage | None = None


class ScrapeHistory:
    """Remember the last scrape of each queue, and log where failures begin and end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scraped: dict[tuple[str, int], QueueSnapshot] = {}
        self._outages: dict[tuple[str, int | None], Outage] = {}
        self._asked_at: dict[str, float] = {}
        self._empty_since: dict[tuple[str, int], float] = {}

    def record(self, snapshot: Snapshot, at: float) -> None:
        """Record a scrape that ended at a Unix time."""
        with self._lock:
            for summary in snapshot.accounts:
                name = summary.account.name
                self._asked_at[name] = at
                before = self._outages.get((name, None))
                if summary.up or summary.failure is not None:
                    self._record_failure((name, None), summary.failure, at)
                _log_account(summary, before, at)
            for queue in snapshot.queues:
                key = (queue.account.name, queue.queue.id)
                before = self._outages.get(key)
                self._scraped[key] = queue
                self._record_emptiness(key, queue)
                self._record_failure(key, queue.result.failure, at)
                _log_queue(queue, before, at)

    def status(self, account: Account, queues: Sequence[Queue] | None) -> AccountStatus:
        """Return what is remembered of an account and its queues as they are configured now.

        What was read by another address, or for a queue that meant something else, is left out.
        """
        with self._lock:
            return AccountStatus(
                account,
                None if queues is None else tuple(self._status(account, queue) for queue in queues),
                self._asked_at.get(account.name),
                self._outages.get((account.name, None)),
            )

    def retain(self, accounts: Iterable[str]) -> None:
        """Forget all accounts but these."""
        names = set(accounts)
        with self._lock:
            self._scraped = {key: one for key, one in self._scraped.items() if key[0] in names}
            self._outages = {key: one for key, one in self._outages.items() if key[0] in names}
            self._asked_at = {name: at for name, at in self._asked_at.items() if name in names}
            self._empty_since = {
                key: at for key, at in self._empty_since.items() if key[0] in names
            }

    def _record_failure(
        self, key: tuple[str, int | None], failure: Failure | None, at: float
    ) -> None:
        before = self._outages.get(key)
        lasts = before is not None and before.until is None
        if failure is not None:
            self._outages[key] = Outage(failure, before.since if before and lasts else at)
        elif before is not None and lasts:
            self._outages[key] = replace(before, until=at)

    def _record_emptiness(self, key: tuple[str, int], queue: QueueSnapshot) -> None:
        available = queue.result.available
        if not queue.open or available:
            self._empty_since.pop(key, None)
        elif available == 0:
            self._empty_since.setdefault(key, queue.result.finished_at)

    def _status(self, account: Account, queue: Queue) -> QueueStatus:
        scraped = self._scraped.get((account.name, queue.id))
        if scraped is None or (scraped.account.url, scraped.queue) != (account.url, queue):
            return QueueStatus(queue)
        key = account.name, queue.id
        return QueueStatus(queue, scraped, self._outages.get(key), self._empty_since.get(key))


def _log_account(summary: AccountSnapshot, before: Outage | None, at: float) -> None:
    """Log once that an account cannot be read, and once that it can again."""
    if summary.failure is not None or (summary.up and _failing_since(before) is not None):
        _log("account", {"account": summary.account.name}, summary.failure, before, at)


def _log_queue(snapshot: QueueSnapshot, before: Outage | None, at: float) -> None:
    """Log once that a queue cannot be read, and once that it can again; else only at debug."""
    place = {"account": snapshot.account.name, "queue": snapshot.queue.name}
    result = snapshot.result
    if result.failure is not None or _failing_since(before) is not None:
        _log("queue", place, result.failure, before, at)
    else:
        log.debug("queue read", available=result.available, **place)


def _log(
    what: str, place: dict[str, str], failure: Failure | None, before: Outage | None, at: float
) -> None:
    failing_since = _failing_since(before)
    if failure is None:
        event = f"{what} can be read again"
        log.info(event, failing_seconds=max(0.0, round(at - (failing_since or at), 3)), **place)
        return
    begins = failing_since is None
    say = log.warning if begins else log.debug
    event = f"{what} cannot be read" if begins else f"{what} still cannot be read"
    say(event, code=failure.code, reason=failure.message, **place)


def _failing_since(outage: Outage | None) -> float | None:
    return outage.since if outage is not None and outage.until is None else None
