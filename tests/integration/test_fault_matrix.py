"""Every fault: what the page says, counts and logs, how long it takes, and what comes then."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import io
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from exporter import logs
from exporter.runtime import Runtime
from exporter.simulator import TOKEN, SimulatedAccount
from exporter.web.exposition import choose_format
from tests.integration.conftest import MakeAccount
from tests.simulator import FAULTS, FixedWorld, Simulator
from tests.simulator.fault_rows import (
    NETWORK_ROWS,
    ROWS,
    TRUE_NUMBER,
    Row,
    table,
)
from tests.simulator_fixtures import StartSimulator, TlsAuthority

BEFORE, BAD, AFTER = 5457, 5460, 5461
TRUE = {BEFORE: 1, BAD: TRUE_NUMBER, AFTER: 2}
#: Also over plain HTTP.
MAIN = (
    *("status-502-html", "redirect-elsewhere", "hang", "chunked-cut", "html-page"),
    *("reset", "reset-in-head", "reset-in-body", "early-hints-103"),
)
#: Of faults that keep a page waiting, and of others, which may not take this long by far: on a
#: machine with much other work they take seconds, and what is waited for in vain takes a minute.
LATE_BUDGET, BUDGET, AT_ONCE = 0.7, 60.0, 30.0

#: What only an account with `detail: agents` shows, and only of a queue that was read.
DETAIL = ("agents", "logged_in_agents", "ready_agents", "available_since_timestamp_seconds")
#: What is there of every queue, always.
ALWAYS = {"required_agents", "open", "utc_offset_seconds", "up", "info"}


class Page:
    """A page as Prometheus would read it, and how long it took."""

    def __init__(self, runtime: Runtime, budget: float, account: str | None = None) -> None:
        begun = time.monotonic()
        collector = runtime.metrics(account=account, exporter_only=False, budget_seconds=budget)
        self.seconds = time.monotonic() - begun
        text = choose_format("").render(collector).decode()
        self.samples = [
            sample
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name.startswith("calltools_")
        ]
        assert TOKEN not in text

    def queue(self, account: str, queue: int) -> dict[str, float | str]:
        """Return what is said of a queue by name without prefix; the failure is its code."""
        return {
            sample.name.removeprefix("calltools_queue_"): sample.labels.get("code", sample.value)
            for sample in self.samples
            if sample.labels.get("account") == account
            and sample.labels.get("queue") == f"queue-{queue}"
        }

    def says(self, account: str) -> dict[int, float | str]:
        """Return the number of each queue, or its failure; check what else there is."""
        found: dict[int, float | str] = {}
        for queue in TRUE:
            said = self.queue(account, queue)
            assert set(said) >= ALWAYS
            if said["up"]:
                assert "failure" not in said
                assert {"fetch_duration_seconds", "last_success_timestamp_seconds"} <= set(said)
                found[queue] = said["available_agents"]
            else:
                assert not {"available_agents", *DETAIL} & set(said)
                found[queue] = said["failure"]
        return found

    def value(self, name: str, account: str) -> float:
        """Return the one value of an account's series."""
        (value,) = [
            one.value
            for one in self.samples
            if one.name == name and one.labels == {"account": account}
        ]
        return value

    def counted(self, account: str) -> dict[str, float]:
        """Return the account's requests, and errors by code."""
        errors = {
            one.labels["code"]: one.value
            for one in self.samples
            if one.name == "calltools_api_errors_total" and one.labels["account"] == account
        }
        return {**errors, "requests": self.value("calltools_api_requests_total", account)}


def increase(before: Page, after: Page, account: str) -> dict[str, float]:
    """Return what an account's counters rose by between two pages, without those that did not."""
    was = before.counted(account)
    rose = {name: value - was.get(name, 0) for name, value in after.counted(account).items()}
    return {name: value for name, value in rose.items() if value}


class Log:
    """What is logged from info on, a line at a time."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    def take(self) -> list[dict[str, Any]]:
        """Return what was logged since the last time."""
        text = self._stream.getvalue()
        self._stream.seek(0)
        self._stream.truncate()
        assert TOKEN not in text
        return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def log() -> Iterator[Log]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    yield Log(stream)
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def world(numbers: Mapping[int, int]) -> FixedWorld:
    made = FixedWorld({queue: f"queue-{queue}" for queue in numbers})
    for queue, number in numbers.items():
        made.set_available(queue, number)
    return made


def settle(runtime: Runtime) -> None:
    """Wait until nothing is in flight, so that the next page does not join what was broken."""
    scraper = runtime._scraper
    end = time.monotonic() + 10
    while scraper._tools.jobs._jobs:
        assert time.monotonic() < end, "a fetch outlives its deadline"
        threading.Event().wait(0.005)


def check_seconds(page: Page, row: Row) -> None:
    if row.late:
        assert page.seconds >= LATE_BUDGET - 0.05
        assert page.seconds < LATE_BUDGET + AT_ONCE
    else:
        assert page.seconds < AT_ONCE


def check_logs(lines: list[dict[str, Any]], row: Row, host: str, queues: set[int]) -> None:
    """Check that each queue's failure is logged once, with its code and its reason."""
    begun = [line for line in lines if line["msg"] == "Cannot read queue"]
    assert {line["queue"] for line in begun} == {f"queue-{queue}" for queue in queues}
    assert len(begun) == len(queues)
    for line in begun:
        assert (line["account"], line["level"], line["code"]) == ("acme", "warning", row.says)
        assert line["reason"].startswith(row.words.replace("{host}", host))
        assert len(line["reason"]) < 500
        assert line["reason"].isprintable()


def check_recovery(runtime: Runtime, row: Row, log: Log, failed: set[int]) -> None:
    """Check what the next scrape says, now that the fault is over."""
    settle(runtime)
    held = {"": set[int](), "queue": failed, "account": set(TRUE)}[row.holds]
    page = Page(runtime, BUDGET)
    assert page.says("acme") == {**TRUE, **dict.fromkeys(held, row.says)}
    ended = {line["queue"] for line in log.take() if line["msg"] == "Queue readable again"}
    assert ended == {f"queue-{queue}" for queue in failed - held}


def test_every_fault_has_a_row() -> None:
    assert set(ROWS) == set(FAULTS)


def test_the_page_for_people_has_this_table(check_table: Callable[[str, str, str], None]) -> None:
    check_table("faults.md", "faults", table())


@pytest.mark.parametrize(
    ("name", "tls", "detail"),
    [
        *((name, True, "count") for name in ROWS),
        *((name, True, "agents") for name in ROWS),
        *((name, False, "count") for name in MAIN),
    ],
)
def test_a_fault_of_one_queue_among_good_ones(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    log: Log,
    name: str,
    tls: bool,
    detail: str,
) -> None:
    row = ROWS[name]
    simulator = start_simulator(SimulatedAccount(world(TRUE)), tls=tls)
    # One at a time where the answer to one queue decides whether the next is asked.
    parallel = {"max_parallel_requests": 1} if row.stops else {}
    runtime = make_runtime(make_account(simulator, *TRUE, detail=detail, **parallel))
    good = Page(runtime, BUDGET)
    assert good.says("acme") == TRUE
    log.take()

    simulator.faults.set(name, queue=BAD)
    page = Page(runtime, LATE_BUDGET if row.late else BUDGET)
    simulator.faults.clear()
    if detail == "agents" and row.agents is not None:
        assert page.says("acme") == {**TRUE, BAD: row.agents}
        return
    failed = {BAD, *([AFTER] if row.stops else [])} if row.says else set()
    assert page.says("acme") == {**TRUE, **dict.fromkeys(failed, row.says)}
    assert page.value("calltools_up", "acme") == 1
    check_seconds(page, row)
    asked = (2 if row.stops else 3) + (row.more_pages if detail == "agents" else 0)
    errors = {row.says: 1} if row.says else {}
    assert increase(good, page, "acme") == {"requests": asked - 1 + row.attempts, **errors}
    words = (row.detailed if detail == "agents" else "") or row.words
    host = simulator.url.partition("//")[2]
    check_logs(log.take(), dataclasses.replace(row, words=words), host, failed)
    check_recovery(runtime, row, log, failed)


@pytest.fixture
def good_silo(start_simulator: StartSimulator) -> Simulator:
    return start_simulator(
        SimulatedAccount(world({queue: number + 1 for queue, number in TRUE.items()})), tls=True
    )


def check_account(
    runtime: Runtime, host: str, row: Row, log: Log, mend: Callable[[], object]
) -> None:
    """Check an account that fails from its first scrape on, beside one that does not."""
    Page(runtime, BUDGET, account="good")
    page = Page(runtime, LATE_BUDGET if row.late else BUDGET)
    mend()
    assert page.says("good") == {queue: number + 1 for queue, number in TRUE.items()}
    assert "failure" not in {name for queue in TRUE for name in page.queue("good", queue)}
    assert page.value("calltools_up", "good") == 1
    assert page.value("calltools_up", "acme") == (not row.says)
    failed = set(TRUE) if row.says else set()
    assert page.says("acme") == {**TRUE, **dict.fromkeys(failed, row.says)}
    check_seconds(page, row)
    counted = {code: number for code, number in page.counted("acme").items() if number}
    requests = counted.pop("requests")
    # The account's own checks are requests, but no errors of its queues.
    assert counted == ({row.says: 1 if row.stops else 3} if row.says else {})
    assert requests >= sum(counted.values())
    if row.says == "filter_ignored":
        # What the account's own checks find is said of every queue.
        row = dataclasses.replace(row, words="the API ignores the filter `")
    check_logs(log.take(), row, host, failed)
    if row.says == "filter_ignored":
        page = Page(runtime, BUDGET)
        assert page.says("acme") == dict.fromkeys(TRUE, row.says), "until it shows to be honoured"
    else:
        check_recovery(runtime, row, log, failed)


@pytest.mark.parametrize("name", ROWS)
def test_a_fault_of_one_of_two_accounts_from_its_first_scrape_on(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    good_silo: Simulator,
    log: Log,
    name: str,
) -> None:
    row = ROWS[name]
    simulator = start_simulator(SimulatedAccount(world(TRUE)), tls=True)
    simulator.faults.set(name)
    parallel = {"max_parallel_requests": 1} if row.stops else {}
    account = make_account(simulator, *TRUE, **parallel)
    runtime = make_runtime(account, make_account(good_silo, *TRUE, name="good"))
    check_account(runtime, account.host, row, log, simulator.faults.clear)


class Network:
    """Ways to break what lies before the API, and to mend it again."""

    NAME = "east-2.calltools.test"

    def __init__(self, simulator: Simulator, authority: TlsAuthority, folder: Path) -> None:
        self._simulator = simulator
        self._authority = authority
        self._folder = folder
        self._patch = pytest.MonkeyPatch()
        self._mended = threading.Event()
        self.url = simulator.url

    def mend(self) -> None:
        """Let all be well again."""
        self._mended.set()
        self._simulator.faults.clear()
        self._simulator.tls = self._authority.server_context(self.NAME, "127.0.0.1")
        with contextlib.suppress(OSError):  # it listens
            self._simulator.start()

    def undo(self) -> None:
        self._patch.undo()

    def dns_fails(self) -> None:
        def fail() -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        self._look_up(fail)

    def dns_hangs(self) -> None:
        def wait() -> None:
            self._mended.wait(30)

        self._look_up(wait)

    def _look_up(self, broken: Callable[[], None]) -> None:
        real = socket.getaddrinfo

        def look_up(host: str, *arguments: Any, **more: Any) -> Any:
            if host == self.NAME and not self._mended.is_set():
                broken()
            return real("127.0.0.1" if host == self.NAME else host, *arguments, **more)

        self.url = f"https://{self.NAME}:{self.url.rpartition(':')[2]}"
        self._patch.setattr(socket, "getaddrinfo", look_up)

    def refused(self) -> None:
        self._simulator.stop()

    def silent_host(self) -> None:
        self._simulator.faults.set("silent")

    def certificate_expired(self) -> None:
        year = dt.datetime.now(dt.UTC) - dt.timedelta(days=365)
        day = year + dt.timedelta(days=1)
        self._simulator.tls = self._authority.server_context(
            "127.0.0.1", not_before=year, not_after=day
        )

    def certificate_of_another_host(self) -> None:
        self._simulator.tls = self._authority.server_context("127.0.0.2")

    def certificate_of_unknown_authority(self) -> None:
        self._simulator.tls = TlsAuthority.create(self._folder).server_context()


@pytest.mark.parametrize("name", NETWORK_ROWS)
def test_a_fault_on_the_way_to_one_of_two_accounts(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    tls_authority: TlsAuthority,
    good_silo: Simulator,
    log: Log,
    tmp_path: Path,
    name: str,
) -> None:
    simulator = start_simulator(SimulatedAccount(world(TRUE)), tls=True)
    network = Network(simulator, tls_authority, tmp_path)
    getattr(network, name.replace("-", "_"))()
    try:
        account = make_account(simulator, *TRUE, url=network.url)
        runtime = make_runtime(account, make_account(good_silo, *TRUE, name="good"))
        check_account(runtime, account.host, NETWORK_ROWS[name], log, network.mend)
    finally:
        network.undo()
