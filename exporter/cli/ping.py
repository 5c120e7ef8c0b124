"""`ping`: ask now, and print which queues can take a call."""

import json
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from exporter.availability import Availability, AvailabilityReport, report, unlisted_queue
from exporter.cli import exits
from exporter.cli.terminal import progress, write
from exporter.runtime import Runtime
from exporter.settings import Configuration
from exporter.text import counted

_HEAD = ("ACCOUNT", "QUEUE", "OPEN", "AVAILABLE", "REQUIRED", "SECONDS", "")
_RIGHT_ALIGNED = frozenset({3, 4, 5})


def ping(  # noqa: PLR0913 - by name
    configuration: Configuration,
    target: str | None,
    *,
    as_json: bool,
    require_all: bool = False,
    timeout: float,
    scrape_max_parallel_requests: int,
) -> int:
    """Ask for the queues of a target and print the answers.

    Args:
        configuration: whose accounts to ask.
        target: ``ACCOUNT`` or ``ACCOUNT/QUEUE``, None for everything.
        as_json: print JSON instead of a table, as `GET /available` answers.
        require_all: succeed only if every queue can take a call.
        timeout: for the whole command, in seconds.
        scrape_max_parallel_requests: at a time, over all hosts.

    Returns:
        0 if a call can be taken, else 2 if anything is not known, else 1.

    Raises:
        ExporterError: the target is not configured.
    """
    account, slash, queue = (target or "").partition("/")
    runtime = Runtime(configuration, max_parallel_requests=scrape_max_parallel_requests)
    queues = sum(len(account.queues) for account in configuration.accounts)
    asked_for = target or (counted(queues, "queue") if queues else "all queues")
    with progress(f"asking for {asked_for}"):
        snapshot = runtime.read(
            account if target is not None else None,
            [queue] if slash else (),
            budget_seconds=timeout,
        )
    found = report(snapshot, runtime.now())
    if slash:  # without other failures of the account, such as a list that could not be renewed
        found = AvailabilityReport(found.queues or (unlisted_queue(snapshot.accounts[0], queue),))
    if not as_json:
        write(_table(found, [queue.result.duration_seconds for queue in snapshot.queues]))
    else:
        write(json.dumps((found.queues[0] if slash else found).as_json(), indent=2))
    return _exit_code(found, require_all=require_all)


def _exit_code(found: AvailabilityReport, *, require_all: bool) -> int:
    answers = [queue.can_take_call for queue in found.queues]
    if require_all:
        succeeded = found.is_complete and bool(answers) and all(answers)
    else:
        succeeded = found.can_take_call is True
    if succeeded:
        return exits.OK
    return exits.NOBODY if found.is_complete else exits.UNKNOWN


def _table(found: AvailabilityReport, seconds: Sequence[float | None]) -> str:
    """Return the table; ``seconds`` are how long each queue took, if it was asked."""
    rows = [_HEAD, *_rows(found, seconds)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if index in _RIGHT_ALIGNED else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _rows(
    found: AvailabilityReport, durations: Sequence[float | None]
) -> Iterator[tuple[str, ...]]:
    for queue, seconds in zip_longest(found.queues, durations):
        yield (
            queue.account,
            queue.queue,
            _open(queue),
            _or_dash(queue.available),
            _or_dash(queue.required),
            "-" if seconds is None else f"{seconds:.2f}",
            str(queue.failure or ""),
        )
    for account in found.accounts:
        queues = [queue for queue in found.queues if queue.account == account.account]
        codes = {queue.failure.code if queue.failure else "" for queue in queues}
        if codes != {account.failure.code}:  # else every row of the account already says so
            yield account.account, "-", "-", "-", "-", "-", str(account.failure)


def _open(queue: Availability) -> str:
    return {True: "yes", False: "no", None: "-"}[queue.open]


def _or_dash(number: int | None) -> str:
    return "-" if number is None else str(number)
