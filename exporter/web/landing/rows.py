"""What the page shows of each queue, worst first."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from exporter.availability import Availability, availability
from exporter.clock import Moment
from exporter.history import AccountStatus, QueueStatus
from exporter.settings import Account, Queue
from exporter.snapshot import QueueResult

#: An older number is no longer shown; Prometheus drops it after this time, too.
FRESH_SECONDS = 300.0


class State(Enum):
    """The state of a queue, worst first, in a word; all but the last are open."""

    EMPTY = "empty"
    UNREADABLE = "unreadable"
    UNASKED = "not asked"
    LOW = "low"
    STAFFED = "staffed"
    NOT_REQUIRED = "not required"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Row:
    """One queue on the page.

    ``result`` is that of its last scrape, which ended at ``read_at``; None if there was none
    recently.
    """

    account: Account
    status: QueueStatus
    state: State
    result: QueueResult | None = None
    read_at: float | None = None

    @property
    def queue(self) -> Queue:
        """The queue as it is configured."""
        return self.status.queue

    @property
    def is_failing(self) -> bool:
        """Whether the last scrape could not read it."""
        return self.status.outage is not None and self.status.outage.until is None


def rows(accounts: Iterable[AccountStatus], now: Moment) -> list[Row]:
    """Return a row for each queue, worst first, else in the order of the configuration."""
    order = list(State)
    found = (row for account in accounts for row in _account(account, now))
    return sorted(found, key=lambda row: order.index(row.state))


def _account(status: AccountStatus, now: Moment) -> Iterator[Row]:
    for queue in status.queues or ():
        yield _queue(status.account, queue, now)
    if status.queues is None and status.account.every_queue is not None:
        # Until the API has named them, one row stands for all.
        all_queues = replace(status.account.every_queue, name="all queues")
        failing = status.outage is not None and status.outage.until is None
        state = State.UNREADABLE if failing else State.UNASKED
        yield Row(status.account, QueueStatus(all_queues, outage=status.outage), state)


def _queue(account: Account, status: QueueStatus, now: Moment) -> Row:
    schedule = status.queue.schedule
    is_open = schedule is None or schedule.is_open(now.unix)
    result = status.scraped.result if status.scraped else None
    oldest = now.steady - max(FRESH_SECONDS, account.max_age)
    if result is not None and result.finished_at.steady < oldest:
        result = None
    if not is_open:
        state = State.CLOSED
    elif status.scraped is None or result is None:
        state = State.UNASKED
    else:
        state = _state(availability(replace(status.scraped, open=True), now))
    read_at = None if result is None else result.finished_at.unix_at(now)
    return Row(account, status, state, result, read_at)


def _state(queue: Availability) -> State:
    """Return the state of an open queue."""
    if queue.can_take_call is None or queue.available is None:
        return State.UNREADABLE
    required = queue.required or 0
    if not queue.can_take_call:
        return State.EMPTY if required else State.NOT_REQUIRED
    return State.LOW if queue.available < required else State.STAFFED
