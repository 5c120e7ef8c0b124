"""What the page shows of each queue, worst first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from exporter.history import AccountStatus, QueueStatus
from exporter.settings import Account, Queue
from exporter.snapshot import QueueResult

__all__ = ["FRESH_SECONDS", "Row", "State", "rows"]

#: A number that nobody has asked for since is no longer shown; Prometheus gives up then, too.
FRESH_SECONDS: Final = 300.0


class State(Enum):
    """The state of a queue, worst first, in a word; all but the last are open."""

    EMPTY = "empty"
    UNREADABLE = "unreadable"
    UNASKED = "not asked"
    LOW = "low"
    STAFFED = "staffed"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Row:
    """One queue on the page.

    ``result`` is what its last scrape brought; None if there was none, or none lately.
    """

    account: Account
    status: QueueStatus
    state: State
    result: QueueResult | None

    @property
    def queue(self) -> Queue:
        """The queue as it is configured."""
        return self.status.queue

    @property
    def is_failing(self) -> bool:
        """Whether the last scrape could not read it."""
        return self.status.outage is not None and self.status.outage.until is None


def rows(accounts: Iterable[AccountStatus], now: float) -> list[Row]:
    """Return a row for each queue, worst first, else in the order of the configuration."""
    order = list(State)
    found = (row for account in accounts for row in _account(account, now))
    return sorted(found, key=lambda row: order.index(row.state))


def _account(status: AccountStatus, now: float) -> Iterator[Row]:
    for queue in status.queues or ():
        yield _queue(status.account, queue, now)
    if status.queues is None and status.account.every_queue is not None:
        # As long as the API has not named them, one row stands for all.
        all_queues = replace(status.account.every_queue, name="all queues")
        failing = status.outage is not None and status.outage.until is None
        state = State.UNREADABLE if failing else State.UNASKED
        yield Row(status.account, QueueStatus(all_queues, outage=status.outage), state, None)


def _queue(account: Account, status: QueueStatus, now: float) -> Row:
    schedule = status.queue.schedule
    is_open = schedule is None or schedule.is_open(now)
    result = status.scraped.result if status.scraped else None
    if result is not None and now - result.finished_at > max(FRESH_SECONDS, account.max_age):
        result = None
    state = _state(result, status.queue.required_agents) if is_open else State.CLOSED
    return Row(account, status, state, result)


def _state(result: QueueResult | None, required: int) -> State:
    if result is None:
        return State.UNASKED
    if result.available is None:
        return State.UNREADABLE
    if result.available >= required:
        return State.STAFFED
    return State.LOW if result.available else State.EMPTY
