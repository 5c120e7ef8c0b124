"""`ping`: ask now, and print who can take a call."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from exporter.cli import exits
from exporter.cli.terminal import progress, write
from exporter.errors import ExporterError
from exporter.runtime import Runtime
from exporter.settings import Account, Configuration
from exporter.snapshot import QueueSnapshot
from exporter.text import did_you_mean

__all__ = ["ping"]


def ping(
    configuration: Configuration,
    target: str | None,
    *,
    as_json: bool,
    timeout_seconds: float,
    max_parallel_requests: int,
) -> int:
    """Ask for the queues of a target and print what came back.

    Args:
        configuration: says what there is to ask.
        target: ``ACCOUNT`` or ``ACCOUNT/QUEUE``, None for everything.
        as_json: print a JSON list instead of a table.
        timeout_seconds: for all of it.
        max_parallel_requests: at a time, over all hosts.

    Returns:
        0 if somebody is available, else 2 if anything could not be read, else 1.

    Raises:
        ExporterError: the target is not configured.
    """
    if target is not None:
        configuration = Configuration((_narrow(configuration.accounts, target),))
    runtime = Runtime(configuration, max_parallel_requests=max_parallel_requests)
    asked = sum(len(account.queues) for account in configuration.accounts)
    with progress(lambda: f"asking for {asked} queue{'s' if asked != 1 else ''}"):
        snapshot = runtime.snapshot(configuration.accounts, timeout_seconds)
    if as_json:
        write(json.dumps([_row(queue) for queue in snapshot.queues], indent=2))
    else:
        write(_table(snapshot.queues))
    if any(queue.result.available for queue in snapshot.queues):
        return exits.OK
    if any(queue.result.failure for queue in snapshot.queues):
        return exits.UNKNOWN
    return exits.NOBODY


def _narrow(accounts: Sequence[Account], target: str) -> Account:
    """Return the account of a target, with only the queue that it names if it names one."""
    account_name, slash, queue_name = target.partition("/")
    account = next((one for one in accounts if one.name == account_name), None)
    if account is None:
        meant = did_you_mean(account_name, [one.name for one in accounts])
        raise ExporterError(f"account {account_name!r} is not configured{meant}")
    if not slash:
        return account
    queues = tuple(queue for queue in account.queues if queue.name == queue_name)
    if not queues:
        meant = did_you_mean(queue_name, [queue.name for queue in account.queues])
        raise ExporterError(f"account {account_name!r} has no queue {queue_name!r}{meant}")
    return account.with_queues(queues)


def _row(snapshot: QueueSnapshot) -> dict[str, object]:
    result = snapshot.result
    failure = result.failure
    return {
        "account": snapshot.account.name,
        "queue": snapshot.queue.name,
        "queue_id": snapshot.queue.id,
        "available": result.available,
        "required": snapshot.queue.required_agents,
        "seconds": result.duration_seconds and round(result.duration_seconds, 3),
        "failure": failure and {"code": failure.code, "message": failure.message},
    }


def _table(snapshots: Iterable[QueueSnapshot]) -> str:
    rows = [("ACCOUNT", "QUEUE", "AVAILABLE", "REQUIRED", "SECONDS", "")]
    for snapshot in snapshots:
        result = snapshot.result
        seconds, failure = result.duration_seconds, result.failure
        rows.append(
            (
                snapshot.account.name,
                snapshot.queue.name,
                "-" if result.available is None else str(result.available),
                str(snapshot.queue.required_agents),
                "-" if seconds is None else f"{seconds:.2f}",
                f"{failure.code}: {failure.message}" if failure else "",
            )
        )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if index in {2, 3, 4} else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
