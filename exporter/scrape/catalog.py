"""An account's statuses and queues, and what the configuration means in terms of them."""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from exporter.calltools.rows import QueueRow, StatusRow, resolve_statuses
from exporter.errors import Failure
from exporter.settings import Account, Queue, QueueException

T = TypeVar("T")

#: How often a list is read, in seconds: after a failure, as while no network is up yet, where a
#: number is in doubt without it, or where it is empty, which may be an outage; where the
#: configuration depends on it or it was incomplete; where it only serves to check ids and to name
#: statuses.
_SOON = 60.0
_OFTEN = 600.0
_SELDOM = 3600.0
#: How old the list of statuses may be, in seconds, where a ready agent has a status that it lacks:
#: time for several scrapes to read it again.
_TRUSTED_SECONDS = 120.0


#: The longest name that a configuration may have.
LONGEST_LABEL = 100
LATE = Failure("timeout", "the account's lists could not be read in time")


@dataclass(slots=True)
class CachedList(Generic[T]):
    """A list as last read, by id; None before that. A failure keeps the previous content."""

    needed: bool
    rows: dict[int, T] | None = None
    tried_at: float | None = None
    read_at: float | None = None
    failure: Failure | None = None
    incomplete: bool = False
    in_doubt: bool = False

    def is_due(self, now: float) -> bool:
        """Return whether to read the list in this scrape."""
        if self.tried_at is None or (self.needed and self.rows is None):
            return True
        wait = _OFTEN if self.needed or self.incomplete else _SELDOM
        wait = _SOON if self.in_doubt or self.rows == {} else wait
        if self.failure is not None and self.failure.code not in {"403", "404"}:
            # Asking again costs the account a scrape if that refuses or throttles the key.
            wait = _OFTEN if self.failure.code in {"401", "429"} else _SOON
        return abs(now - self.tried_at) >= wait

    def record(self, found: dict[int, T] | Failure, asked_at: float) -> bool:
        """Record the list, or why it could not be read; return whether that is a new failure."""
        if self.tried_at is not None and asked_at < self.tried_at:
            return False  # a reading that began later has ended earlier
        before, self.tried_at = self.failure, asked_at
        if isinstance(found, Failure):
            self.failure = found
            return before is None or before.code != found.code
        self.rows, self.failure, self.incomplete, self.in_doubt = found, None, False, False
        self.read_at = asked_at
        return False


class Catalog:
    """The statuses and queues of one account, and the configured queues resolved with them.

    Where the API lacks a list or the key may not read it, the configured ids are not checked.
    Until the account's queues have been listed, those of the ``previous`` catalog are only named.
    """

    def __init__(self, account: Account, previous: Catalog | None = None) -> None:
        self._account = account
        self._previous_rows = previous.queue_rows if previous else None
        by_name = any(
            isinstance(choice, str)
            for queue in account.described_queues
            for choice in queue.available_status
        )
        self.statuses = CachedList[StatusRow](needed=by_name)
        self.listed_queues = CachedList[QueueRow](needed=account.every_queue is not None)
        self._resolved: dict[int, Queue] = {}
        self._by_word: dict[str, Queue] = {}
        self._unknown: dict[int, Failure] = {}
        # Two lists are read at the same time, each in its thread.
        self._changing = threading.Lock()
        self._resolve()

    @property
    def must_be_read_first(self) -> bool:
        """Return whether a list must be read before any queue can be asked for.

        With `detail: agents`, the first scrape also waits for the names of statuses: otherwise a
        series named by an id would exist for one scrape.
        """
        lists: tuple[CachedList[StatusRow] | CachedList[QueueRow], ...]
        lists = (self.statuses, self.listed_queues)
        with self._changing:  # a list that was read but not resolved is still missing
            if self._account.detail == "agents" and self.statuses.tried_at is None:
                return True
            return any(cached.needed and cached.rows is None for cached in lists)

    @property
    def queue_rows(self) -> dict[int, QueueRow] | None:
        """The queues as last listed, by id; None before the first time."""
        rows = self.listed_queues.rows
        return self._previous_rows if rows is None else rows

    @property
    def queues(self) -> Sequence[Queue]:
        """The queues to ask for, with the ids of their statuses as far as they are known."""
        return tuple(self._resolved.values())

    @property
    def queues_known(self) -> bool:
        """Whether `queues` holds every queue of the account."""
        with self._changing:
            return not self.listed_queues.needed or self.listed_queues.rows is not None

    @property
    def status_names(self) -> dict[int, str]:
        """Names of statuses by id, as far as they are known."""
        return {id_: row.name for id_, row in (self.statuses.rows or {}).items()}

    @property
    def queue_names(self) -> dict[int, str]:
        """Names of queues by id, as the account has them, as far as they are known."""
        return {id_: row.name for id_, row in (self.listed_queues.rows or {}).items()}

    def find(self, wanted: str) -> Queue | None:
        """Return the queue with this name, else the one with this id, else None."""
        return self._by_word.get(wanted)

    def unknown(self, queue: Queue) -> Failure | None:
        """Return why a queue cannot be asked for: the account lacks its id or status."""
        known = self._resolved.get(queue.id)
        if known is None:  # the list was read since the queue was asked for
            return _no_queue(queue.id)
        failure = self._unknown.get(queue.id)
        if failure is None and known.available_status != queue.available_status:
            failure = Failure("unknown_id", "`available_status` stands for other ids by now")
        return failure

    def failures(self) -> list[Failure]:
        """Return the failure of the lists that the configuration depends on."""
        unreadable = [
            Failure(failure.code, f"{path} cannot be read: {failure.message}")
            for path, needed, failure in (
                ("/api/statuses/", self.statuses.needed, self.statuses.failure),
                ("/api/queues/", self.listed_queues.needed, self.listed_queues.failure),
            )
            if needed and failure is not None
        ]
        unknown = self.unknown_names
        return unreadable if unknown is None else [*unreadable, unknown]

    @property
    def unknown_names(self) -> Failure | None:
        """The names beside ``all`` in the configuration that no queue of the account has."""
        missing = ", ".join(repr(exception.name) for exception in self.missing)
        if not missing:
            return None
        return Failure(
            "unknown_id", f"`queues` has names that no queue of the account has: {missing}"
        )

    @property
    def missing(self) -> Sequence[QueueException]:
        """What the configuration says of names that no queue of the account has."""
        rows = self.listed_queues.rows
        if rows is None or not self._account.exceptions:
            return ()
        names = {row.name for row in rows.values()}
        return [
            exception
            for exception in self._account.exceptions
            if exception.id is None and exception.name not in names
        ]

    def record_unknown_status(self, now: float, *, is_ready: bool) -> Failure | None:
        """Record that the list lacks the status of an agent; return why no number is certain.

        Where statuses are found by name, an agent who is ready may be in one that was made again
        with another id since the list was read.
        """
        statuses = self.statuses
        if statuses.rows is None:
            return None
        statuses.incomplete = True
        if not (statuses.needed and is_ready):
            return None
        statuses.in_doubt = True
        if statuses.read_at is not None and now - statuses.read_at <= _TRUSTED_SECONDS:
            return None
        words = "an agent who is ready has a status that the account's list, as last read, lacks"
        return Failure("unknown_id", f"{words}; it is read again")

    def record(self, cached: CachedList[T], found: dict[int, T] | Failure, asked_at: float) -> bool:
        """Record one of the two lists, or why not; return whether that is a new failure."""
        with self._changing:
            is_new = cached.record(found, asked_at)
            self._resolve()
        return is_new

    def _resolve(self) -> None:
        """Resolve the configured queues again, after a list has changed."""
        resolved: dict[int, Queue] = {}
        unknown: dict[int, Failure] = {}
        for queue in self._configured():
            ids = self._available_status(queue)
            resolved[queue.id] = queue
            if isinstance(ids, Failure):
                unknown[queue.id] = ids
                self.statuses.incomplete = True
            else:
                resolved[queue.id] = dataclasses.replace(queue, available_status=ids)
            if self.listed_queues.rows is None:
                if self.listed_queues.needed:
                    unknown[queue.id] = next(iter(self.failures()), LATE)
            elif queue.id not in self.listed_queues.rows:
                unknown[queue.id] = _no_queue(queue.id)
                self.listed_queues.incomplete = True
        # Replaced as a whole: scrapes in other threads may read it at any time.
        self._resolved, self._unknown = resolved, unknown
        by_id = {str(id_): queue for id_, queue in resolved.items()}
        self._by_word = by_id | {queue.name: queue for queue in resolved.values()}

    def _available_status(self, queue: Queue) -> tuple[int | str, ...] | Failure:
        if self.statuses.rows is not None:
            return resolve_statuses(queue.available_status, self.statuses.rows)
        if any(isinstance(choice, str) for choice in queue.available_status):
            return next(iter(self.failures()), LATE)
        return queue.available_status

    def _configured(self) -> Iterable[Queue]:
        account, rows = self._account, self.queue_rows
        if account.every_queue is None:
            return account.queues
        if rows is None:
            return ()
        names = {id_: row.name for id_, row in rows.items()}
        # An id that the account does not have is reported, not skipped.
        names |= {
            exception.id: str(exception.id)
            for exception in account.exceptions
            if exception.id is not None and exception.id not in rows
        }
        wanted: dict[int, Queue] = {}
        given: dict[int, str] = {}
        for id_, name in names.items():
            exception = account.exception_for(id_, name)
            queue = account.every_queue if exception is None else exception.queue
            if queue is None:
                continue
            wanted[id_] = queue
            if exception is not None and exception.id is not None and exception.name is not None:
                given[id_] = exception.name
        labels = queue_labels({id_: names[id_] for id_ in wanted}, given)
        return [
            dataclasses.replace(queue, id=id_, name=labels[id_]) for id_, queue in wanted.items()
        ]


def _no_queue(id_: int) -> Failure:
    return Failure("unknown_id", f"the account has no queue with the id {id_}")


def queue_labels(
    names: Mapping[int, str], given: Mapping[int, str] | None = None
) -> dict[int, str]:
    """Return a distinct label for each queue of an account, by its id, from the account's names.

    It is a name that is valid in a configuration: a slash, which separates account and queue
    elsewhere, is replaced, and a long name is cut. Equal names get their id; ``given`` labels are
    kept.
    """
    given = given or {}
    labels = {id_: _label(name) or str(id_) for id_, name in names.items()} | dict(given)
    while len(labels) > len(times := Counter(labels.values())):
        # Repeated, as one may now have the name of another.
        before, labels = (
            labels,
            {
                id_: label if times[label] == 1 or id_ in given else _label(label, f" ({id_})")
                for id_, label in labels.items()
            },
        )
        if labels == before:
            break
    return labels


def _label(name: str, ending: str = "") -> str:
    label = name.replace("/", "-").strip()[: LONGEST_LABEL - len(ending)].rstrip() + ending
    return "" if label in {".", ".."} else label
