"""Snapshots as a scrape makes them, for what is done with them."""

from __future__ import annotations

from typing import Any

from exporter.clock import Moment
from exporter.errors import Failure
from exporter.settings import Account, Queue, TokenEnvironment
from exporter.snapshot import AccountSnapshot, QueueResult, QueueSnapshot, Snapshot


def at(seconds: float) -> Moment:
    """Return the moment that both clocks show as this."""
    return Moment(seconds, seconds)


def account(name: str = "acme", *queues: Queue) -> Account:
    made = queues or (Queue(5457, "sales", (20561,)),)
    return Account(name, "https://east-2.calltools.io", TokenEnvironment("TOKEN"), made)


def queue_snapshot(
    found: int | Failure,
    *,
    queue: Queue | None = None,
    of: Account | None = None,
    last_success_at: float | None = None,
    is_open: bool = True,
    utc_offset: float = 0.0,
    **result: Any,
) -> QueueSnapshot:
    """Return a queue that was read, or failed to be."""
    of = of or account()
    available, failure = (None, found) if isinstance(found, Failure) else (found, None)
    values = {"duration_seconds": 0.25, "finished_at": at(1000.0), **result}
    return QueueSnapshot(
        of,
        queue or of.queues[0],
        QueueResult(available, failure, **values),
        open=is_open,
        utc_offset=utc_offset,
        last_success_at=last_success_at,
    )


def snapshot(*queues: QueueSnapshot, **summary: Any) -> Snapshot:
    """Return a page of these queues."""
    accounts = {one.account.name: one.account for one in queues}
    return Snapshot(
        tuple(
            AccountSnapshot(
                one,
                up=any(q.result.failure is None for q in queues if q.account.name == one.name),
                **{"failures": (), **summary},
            )
            for one in accounts.values()
        ),
        queues,
        0.5,
        9.5,
    )
