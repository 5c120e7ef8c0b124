"""`check --online`: ask every account's API whether the configuration is right for it."""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from exporter.calltools.client import FILTERS
from exporter.cli import exits
from exporter.cli.terminal import progress, write
from exporter.clock import Clock
from exporter.errors import Failure
from exporter.runtime import Runtime
from exporter.scrape.catalog import Catalog
from exporter.scrape.state import AccountState
from exporter.settings import Account, Configuration
from exporter.snapshot import AccountSnapshot, QueueSnapshot
from exporter.text import counted

#: Failures that do not show whether the host is right, and those of the key.
_NO_ANSWER = frozenset({"dns", "connection", "tls", "timeout", "token"})
_REFUSALS = frozenset({"401", "403", "token"})
#: How many queues are named beside an id or a name that the account does not have.
_MOST_NAMES = 50


@dataclass(frozen=True, slots=True)
class _Finding:
    """One check; ``ok`` is None where it had no result."""

    check: str
    ok: bool | None
    message: str


@dataclass(frozen=True, slots=True)
class _Report:
    account: Account
    findings: tuple[_Finding, ...]
    seconds: float | None

    @property
    def problems(self) -> int:
        return sum(finding.ok is False for finding in self.findings)


def check_online(
    configuration: Configuration,
    *,
    as_json: bool,
    timeout_seconds: float,
    max_parallel_requests: int,
) -> int:
    """Check host, key, filters, statuses and queues of every account in one scrape.

    Args:
        configuration: whose accounts to check.
        as_json: print a JSON list instead of lines.
        timeout_seconds: for all of them together.
        max_parallel_requests: at a time, over all hosts.

    Returns:
        0 if no check failed, else 1.
    """
    runtime = Runtime(configuration, max_parallel_requests=max_parallel_requests)
    accounts = configuration.accounts
    with progress(f"checking {counted(len(accounts), 'account')}"):
        snapshot = runtime.snapshot(accounts, timeout_seconds)
    queues: dict[str, list[QueueSnapshot]] = {account.name: [] for account in accounts}
    for queue in snapshot.queues:
        queues[queue.account.name].append(queue)
    reports = [
        _report(summary, queues[summary.account.name], runtime.account_state(summary.account))
        for summary in snapshot.accounts
    ]
    if as_json:
        write(json.dumps([_row(report) for report in reports], indent=2))
    else:
        for report in reports:
            write(_lines(report))
        wrong = [report.account.name for report in reports if report.problems]
        number = f"{len(accounts) - len(wrong)} of " if wrong else ""
        ending = f"; failed: {', '.join(wrong)}" if wrong else ""
        write(f"{number}{counted(len(accounts), 'account')} OK{ending}")
    return exits.WRONG if any(report.problems for report in reports) else exits.OK


def _report(
    summary: AccountSnapshot, queues: Sequence[QueueSnapshot], state: AccountState
) -> _Report:
    taken = [one.result.duration_seconds for one in queues]
    longest = max((seconds for seconds in taken if seconds is not None), default=None)
    return _Report(summary.account, tuple(_findings(summary, queues, state)), longest)


def _findings(
    summary: AccountSnapshot, queues: Sequence[QueueSnapshot], state: AccountState
) -> Iterator[_Finding]:
    failed = {one.queue.id: one.result.failure for one in queues if one.result.failure}
    failures = [*summary.failures, *failed.values()]
    refusal = next((one for one in failures if one.code in _REFUSALS), None)
    answered = summary.up or any(one.code not in _NO_ANSWER for one in failures)
    if answered:
        yield _Finding("host", ok=True, message=summary.account.host)
    elif refusal is None:
        yield _Finding("host", ok=False, message=str(failures[0]))
        return
    if refusal is not None and not summary.up:
        yield _Finding("key", ok=False, message=str(refusal))
        return
    yield _Finding("key", ok=True, message="accepted")

    untrusted = state.untrusted(Clock().now())
    if untrusted is None:
        yield _Finding("filters", ok=True, message="verified: " + ", ".join(FILTERS))
    else:
        yield _Finding("filters", ok=False, message=str(untrusted))
    yield from _lists(summary, queues, state.catalog, untrusted)
    yield from _queues(summary, queues, state.catalog)


def _lists(
    summary: AccountSnapshot,
    queues: Sequence[QueueSnapshot],
    catalog: Catalog,
    untrusted: Failure | None,
) -> Iterator[_Finding]:
    """Yield what the lists of statuses and queues say of the configuration."""
    for failure in summary.failures:
        if failure.code == "unknown_id":  # names in `queues` that no queue has
            ending = _those_of(catalog.queue_names)
            yield _Finding("queues", ok=False, message=f"{failure}; {ending}")
        elif untrusted is None or failure.code != untrusted.code:
            check = "statuses" if failure.message.startswith("/api/statuses/") else "queues"
            yield _Finding(check, ok=False, message=str(failure))
    chosen = {id_: None for one in queues for id_ in one.queue.status_ids}
    ids = [one.queue.id for one in queues]
    for check, cached, named in (
        ("statuses", catalog.statuses, _named(chosen, catalog.status_names)),
        ("queues", catalog.listed_queues, _named(ids, catalog.queue_names)),
    ):
        if cached.rows is not None:
            if named or summary.up:
                yield _Finding(check, ok=True, message=named or "none")
        elif not cached.needed:  # else it is reported as wrong
            why = cached.failure or "it was not read in time"
            words = f"ids not verified, the list cannot be read: {why}"
            yield _Finding(check, ok=None, message=words)


def _queues(
    summary: AccountSnapshot, queues: Sequence[QueueSnapshot], catalog: Catalog
) -> Iterator[_Finding]:
    """Yield why queues could not be read, unless that concerns the whole account."""
    listed = catalog.listed_queues.rows
    statuses: dict[Failure, None] = {}
    for one in queues:
        failure = one.result.failure
        if failure is None or failure in summary.failures:
            continue
        hint = ""
        if failure.code == "unknown_id":
            if listed is None or one.queue.id in listed:
                statuses[failure] = None
                continue
            hint = f"; {_those_of(catalog.queue_names)}"
        yield _Finding("queue", ok=False, message=f"{one.queue.name}: {failure}{hint}")
    # Once for all the queues that have it, as most have the status of their account.
    for failure in statuses:
        yield _Finding("statuses", ok=False, message=str(failure))


def _named(ids: Iterable[int], names: Mapping[int, str]) -> str:
    """Return the names of ids, so that a person sees whether they are the right ones."""
    return ", ".join(f"{id_} {names[id_]}" for id_ in ids if id_ in names)


def _those_of(names: Mapping[int, str]) -> str:
    """Return the queues that the account has, for whoever wrote another one."""
    shown = [f"{id_} {name}" for id_, name in names.items()][:_MOST_NAMES]
    more = len(names) - len(shown)
    ending = f" and {more} more" if more > 0 else ""
    return f"it has {', '.join(shown) or 'none'}{ending}"


def _row(report: _Report) -> dict[str, object]:
    return {
        "account": report.account.name,
        "host": report.account.host,
        "ok": not report.problems,
        "seconds": None if report.seconds is None else round(report.seconds, 3),
        "findings": [dataclasses.asdict(finding) for finding in report.findings],
    }


def _lines(report: _Report) -> str:
    number = report.problems
    verdict = counted(number, "problem") if number else "OK"
    taken = "" if report.seconds is None else f", {report.seconds:.2f} s"
    lines = [f"{report.account.name}: {verdict}{taken}"]
    for finding in report.findings:
        mark = {True: "ok", False: "WRONG", None: "?"}[finding.ok]
        lines.append(f"  {mark:5}  {finding.check:8}  {finding.message}")
    return "\n".join(lines)
