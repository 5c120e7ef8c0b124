"""What an account has, and what the configuration means in terms of it."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from exporter.calltools import QueueRow, StatusRow, resolve_statuses
from exporter.errors import Failure
from exporter.settings import Account, Queue

__all__ = ["Directory"]

T = TypeVar("T")

#: How often a list is read, in seconds: where the configuration rests on it or something is
#: missing in it, and where it only serves to check ids and to name statuses.
_OFTEN: Final = 600.0
_SELDOM: Final = 3600.0


@dataclass(slots=True)
class _Listing(Generic[T]):
    """A list as it was last read, by id; None if it never was. A failure keeps what was read."""

    needed: bool
    rows: dict[int, T] | None = None
    tried_at: float | None = None
    failure: Failure | None = None
    misses: bool = False

    def is_due(self, now: float) -> bool:
        if self.tried_at is None or (self.needed and self.rows is None):
            return True
        refused = self.failure is not None and self.failure.code in {"403", "404"}
        often = self.needed or self.misses or (self.failure is not None and not refused)
        return abs(now - self.tried_at) >= (_OFTEN if often else _SELDOM)

    def note(self, found: dict[int, T] | Failure, now: float) -> None:
        self.tried_at = now
        if isinstance(found, Failure):
            self.failure = found
        else:
            self.rows, self.failure, self.misses = found, None, False


class Directory:
    """The statuses and queues of one account, and the configured queues in terms of them.

    Where a list is missing in the API or forbidden to the key, the ids are believed as they are.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        templates = (*account.queues, *([account.every_queue] if account.every_queue else []))
        by_name = any(
            isinstance(choice, str) for queue in templates for choice in queue.available_status
        )
        self._statuses = _Listing["StatusRow"](needed=by_name)
        self._queues = _Listing["QueueRow"](needed=account.every_queue is not None)
        self._resolved: dict[int, Queue] = {}
        self._unknown: dict[int, Failure] = {}
        self._resolve()

    @property
    def must_be_read_first(self) -> bool:
        """Tell whether no queue can be asked for before a list has been read.

        With `detail: agents` the names of statuses are awaited as well, but only the first time:
        else a series named by an id would be there for one page.
        """
        if self._account.detail == "agents" and self._statuses.tried_at is None:
            return True
        return any(one.needed and one.rows is None for one in (self._statuses, self._queues))

    @property
    def queues(self) -> Sequence[Queue]:
        """The queues to ask for, with the ids of their statuses as far as they are known."""
        return tuple(self._resolved.values())

    @property
    def status_names(self) -> dict[int, str]:
        """Names of statuses by id, as far as they are known."""
        return {id_: row.name for id_, row in (self._statuses.rows or {}).items()}

    @property
    def queue_names(self) -> dict[int, str]:
        """Names of queues by id, as the account has them, as far as they are known."""
        return {id_: row.name for id_, row in (self._queues.rows or {}).items()}

    def due(self, now: float) -> tuple[bool, bool]:
        """Tell whether to read the statuses, and whether to read the queues, in this scrape."""
        return self._statuses.is_due(now), self._queues.is_due(now)

    def unknown(self, queue: Queue) -> Failure | None:
        """Say why a queue cannot be asked for: the account does not have what it names."""
        return self._unknown.get(queue.id)

    def failures(self) -> list[Failure]:
        """Return why the lists that the configuration rests on could not be read."""
        return [
            Failure(listing.failure.code, f"{path} cannot be read: {listing.failure.message}")
            for path, listing in (
                ("/api/statuses/", self._statuses),
                ("/api/queues/", self._queues),
            )
            if listing.needed and listing.failure is not None
        ]

    def is_first_failure(self, path: str, failure: Failure) -> bool:
        """Tell whether a list fails in a way in which it did not fail the last time."""
        listing = self._statuses if path == "/api/statuses/" else self._queues
        return listing.failure is None or listing.failure.code != failure.code

    def miss_status(self) -> None:
        """Note that an agent has a status which the list does not have."""
        self._statuses.misses = self._statuses.rows is not None

    def note_statuses(self, found: Iterable[StatusRow] | Failure, now: float) -> None:
        """Take in the account's statuses, or why they could not be read."""
        rows = found if isinstance(found, Failure) else {row.id: row for row in found}
        self._statuses.note(rows, now)
        self._resolve()

    def note_queues(
        self, found: Iterable[QueueRow] | Failure, now: float
    ) -> tuple[set[str], set[str]]:
        """Take in the account's queues; return the names that appeared and those that vanished."""
        first = self._queues.rows is None
        before = {queue.name for queue in self._resolved.values()}
        rows = found if isinstance(found, Failure) else {row.id: row for row in found}
        self._queues.note(rows, now)
        self._resolve()
        after = {queue.name for queue in self._resolved.values()}
        return (set(), set()) if first else (after - before, before - after)

    def _resolve(self) -> None:
        """Work out what the configuration means, now that a list has changed."""
        resolved: dict[int, Queue] = {}
        unknown: dict[int, Failure] = {}
        for queue in self._configured():
            ids = self._available_status(queue)
            resolved[queue.id] = queue
            if isinstance(ids, Failure):
                unknown[queue.id] = ids
                self._statuses.misses = True
            else:
                resolved[queue.id] = dataclasses.replace(queue, available_status=ids)
            if self._queues.rows is not None and queue.id not in self._queues.rows:
                words = f"the account has no queue with the id {queue.id}"
                unknown[queue.id] = Failure("unknown_id", words)
                self._queues.misses = True
        # Swapped whole: pages in other threads read them at any time.
        self._resolved, self._unknown = resolved, unknown

    def _available_status(self, queue: Queue) -> tuple[int | str, ...] | Failure:
        if self._statuses.rows is not None:
            return resolve_statuses(queue.available_status, self._statuses.rows)
        if any(isinstance(choice, str) for choice in queue.available_status):
            waiting = Failure("timeout", "the account's statuses could not be read in time")
            return next(iter(self.failures()), waiting)
        return queue.available_status

    def _configured(self) -> Iterable[Queue]:
        template = self._account.every_queue
        if template is None:
            return self._account.queues
        # "/" stands between account and queue elsewhere, so no name has one.
        names = {row.id: row.name.replace("/", "-") for row in (self._queues.rows or {}).values()}
        while len(names) > len(times := Counter(names.values())):
            # Once more if one is now named as another one was all along.
            names = {
                id_: name if times[name] == 1 else f"{name} ({id_})" for id_, name in names.items()
            }
        return [dataclasses.replace(template, id=id_, name=name) for id_, name in names.items()]
