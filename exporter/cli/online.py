"""`check --online`: ask every account's API whether the configuration is right for it."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from exporter.calltools import FILTERS
from exporter.cli import exits
from exporter.cli.terminal import progress, write
from exporter.runtime import Runtime
from exporter.scrape import AccountState
from exporter.settings import Account, Configuration
from exporter.snapshot import Snapshot
from exporter.text import counted

#: Failures that do not show whether the host is right, and those of the key.
_NO_ANSWER = frozenset({"dns", "connection", "tls", "timeout", "token"})
_REFUSALS = frozenset({"401", "403", "token"})


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
    seconds: float

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
    """Check host, key, filters, statuses and queues of every account, all at the same time.

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
    reports: dict[str, _Report] = {}

    def check(account: Account) -> _Report:
        begun = time.monotonic()
        snapshot = runtime.snapshot([account], timeout_seconds)
        findings = _findings(account, snapshot, runtime.account_state(account))
        return _Report(account, tuple(findings), time.monotonic() - begun)

    with (
        progress(lambda: f"checked {len(reports)} of {len(accounts)} accounts"),
        ThreadPoolExecutor(len(accounts)) as pool,
    ):
        for done in as_completed([pool.submit(check, account) for account in accounts]):
            reports[done.result().account.name] = done.result()
    in_order = [reports[account.name] for account in accounts]
    if as_json:
        write(json.dumps([_row(report) for report in in_order], indent=2))
    else:
        for report in in_order:
            write(_lines(report))
        wrong = [report.account.name for report in in_order if report.problems]
        number = f"{len(accounts) - len(wrong)} of " if wrong else ""
        ending = f"; failed: {', '.join(wrong)}" if wrong else ""
        write(f"{number}{counted(len(accounts), 'account')} OK{ending}")
    return exits.WRONG if any(report.problems for report in in_order) else exits.OK


def _findings(account: Account, snapshot: Snapshot, state: AccountState) -> Iterator[_Finding]:
    summary = snapshot.accounts[0]
    failed = {one.queue.id: one.result.failure for one in snapshot.queues if one.result.failure}
    failures = [*summary.failures, *failed.values()]
    refusal = next((one for one in failures if one.code in _REFUSALS), None)
    answered = summary.up or any(one.code not in _NO_ANSWER for one in failures)
    if answered:
        yield _Finding("host", ok=True, message=account.host)
    elif refusal is None:
        yield _Finding("host", ok=False, message=str(failures[0]))
        return
    if refusal is not None and not summary.up:
        yield _Finding("key", ok=False, message=str(refusal))
        return
    yield _Finding("key", ok=True, message="accepted")

    distrust = next((one for one in summary.failures if one.code == "filter_ignored"), None)
    if distrust is None and summary.up:
        yield _Finding("filters", ok=True, message="honoured: " + ", ".join(FILTERS))
    else:
        yield _Finding("filters", ok=False, message=str(distrust or failures[0]))
    catalog = state.catalog
    chosen = {id_: None for one in snapshot.queues for id_ in one.queue.status_ids}
    yield _named("statuses", chosen, catalog.status_names)
    yield _named("queues", [one.queue.id for one in snapshot.queues], catalog.queue_names)
    for one in snapshot.queues:
        failure = failed.get(one.queue.id)
        if failure is not None and failure not in summary.failures:
            yield _Finding("queue", ok=False, message=f"{one.queue.name}: {failure}")


def _named(check: str, ids: Iterable[int], names: Mapping[int, str]) -> _Finding:
    """Return the names of ids, so that a person sees whether they are the right ones."""
    if not names:
        words = "the list cannot be read with this key; ids not verified"
        return _Finding(check, ok=None, message=words)
    known = ", ".join(f"{id_} {names[id_]}" for id_ in ids if id_ in names)
    return _Finding(check, ok=True, message=known or "none")


def _row(report: _Report) -> dict[str, object]:
    return {
        "account": report.account.name,
        "host": report.account.host,
        "ok": not report.problems,
        "seconds": round(report.seconds, 3),
        "findings": [dataclasses.asdict(finding) for finding in report.findings],
    }


def _lines(report: _Report) -> str:
    number = report.problems
    verdict = counted(number, "problem") if number else "OK"
    lines = [f"{report.account.name}: {verdict}, {report.seconds:.2f} s"]
    for finding in report.findings:
        mark = {True: "ok", False: "WRONG", None: "?"}[finding.ok]
        lines.append(f"  {mark:5}  {finding.check:8}  {finding.message}")
    return "\n".join(lines)
