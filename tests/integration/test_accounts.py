"""An account that cannot be read: one value, rendered by every output of the runtime."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from exporter.errors import UnknownQueueError
from exporter.runtime import Runtime
from exporter.settings import Account, Queue, QueueException, TokenEnvironment, TokenFile
from exporter.simulator import AVAILABLE, SimulatedAccount
from tests.integration.conftest import MakeAccount
from tests.simulator import Dialect, FixedWorld, Simulator
from tests.simulator_fixtures import StartSimulator

EVERY = Queue(0, "", (AVAILABLE,))

#: How the queues are configured, and by which names they are known if the lists are read.
CONFIGURED: dict[str, dict[str, Any]] = {
    "listed": {
        "queues": (Queue(5457, "sales", (AVAILABLE,)), Queue(5460, "support", (AVAILABLE,)))
    },
    "all": {"queues": (), "every_queue": EVERY},
    "all with exceptions": {
        "queues": (),
        "every_queue": EVERY,
        "exceptions": (
            QueueException(5457, None, Queue(0, "", (AVAILABLE,), required_agents=3)),
            QueueException(None, "spare", None),
        ),
    },
}

#: What is wrong with the account, and the code that says so; None for what is right.
FAILURES: dict[str, str | None] = {
    "key missing at start": "token",
    "key missing later": "token",
    "key refused": "401",
    "host dead": "connection",
    "lists forbidden": "403",
    "lists slow": "timeout",
    "told to wait": "429",
    "filters ignored": "filter_ignored",
    "all well": None,
}


@dataclass
class Setting:
    """An account in trouble beside a healthy one."""

    runtime: Runtime
    troubled: Account
    healthy: Account
    code: str | None
    queues_are_known: bool
    budget: float


@pytest.fixture
def setting(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Callable[[str, str], Setting]:
    def make(trouble: str, configured: str) -> Setting:
        world = FixedWorld({5457: "sales", 5460: "support", 5466: "spare"})
        world.set_available(5457, 2)
        simulator = start_simulator(SimulatedAccount(world))
        settings: dict[str, Any] = dict(CONFIGURED[configured])
        key = tmp_path / "key"
        if trouble.startswith("key missing"):
            settings["token"] = TokenFile(key)
        if trouble == "key refused":
            monkeypatch.setenv("WRONG_KEY", "nonsense")
            settings["token"] = TokenEnvironment("WRONG_KEY")
        healthy = make_account(simulator, name="healthy", **CONFIGURED["listed"])
        beside = start_simulator(SimulatedAccount(world))
        troubled = make_account(beside, name="troubled", **settings)
        runtime = make_runtime(troubled, healthy)
        if trouble == "key missing later":
            key.write_text(healthy.token.read().reveal())
            assert runtime.snapshot([troubled], 10).accounts[0].up
            key.unlink()
        make_trouble(beside, trouble)
        known = configured == "listed" or trouble in {
            "key missing later",
            "filters ignored",
            "all well",
        }
        code = FAILURES[trouble]
        if trouble.startswith("lists") and configured == "listed":
            code = None
        # Enough for a busy machine, but where all of it is spent.
        budget = 2.0 if trouble == "lists slow" else 20.0
        return Setting(runtime, troubled, healthy, code, known, budget)

    return make


def make_trouble(simulator: Simulator, trouble: str) -> None:
    match trouble:
        case "host dead":
            simulator.faults.set("close")
        case "lists forbidden":
            simulator.dialect = Dialect(forbidden=frozenset({"queues"}))
        case "lists slow":
            simulator.faults.set("hang", path="/api/queues/")
        case "told to wait":
            simulator.faults.set("status", code=429, retry_after="60")
        case "filters ignored":
            simulator.dialect = Dialect(ignored_filters=frozenset({"queue"}))
        case _:
            pass


def lines(families: Any, account: str) -> dict[str, dict[str, float]]:
    """Return an account's samples by name: the values by their labels but the account's."""
    found: dict[str, dict[str, float]] = {}
    for family in families.collect():
        for sample in family.samples:
            if sample.labels.get("account") == account and family.name.startswith(
                ("calltools_up", "calltools_account_", "calltools_queue_", "calltools_api_hold")
            ):
                more = {k: v for k, v in sample.labels.items() if k != "account"}
                found.setdefault(sample.name, {})[json.dumps(more)] = sample.value
    return found


def failure_codes(found: dict[str, dict[str, float]]) -> set[str]:
    return {json.loads(key)["code"] for key in found.get("calltools_account_failure", {})}


@pytest.mark.parametrize("configured", CONFIGURED)
@pytest.mark.parametrize("trouble", FAILURES)
def test_every_output_says_why_an_account_cannot_be_read(
    setting: Callable[[str, str], Setting], trouble: str, configured: str
) -> None:
    made = setting(trouble, configured)
    runtime, code = made.runtime, made.code

    with capture_logs() as logs:
        page = runtime.metrics(account=None, exporter_only=False, budget_seconds=made.budget)
    healthy = lines(page, "healthy")
    assert healthy["calltools_up"] == {"{}": 1}
    assert set(healthy["calltools_queue_available_agents"].values()) == {2, 0}
    found = lines(page, "troubled")
    assert found["calltools_up"] == {"{}": float(code is None)}
    assert failure_codes(found) == ({code} if code else set())
    numbers = found.get("calltools_queue_available_agents", {})
    assert bool(numbers) is (code is None), "nobody is never said of what was not read"
    assert ("calltools_api_hold_until_timestamp_seconds" in found) is (code == "429")
    began = [line for line in logs if line["event"] == "Cannot read account"]
    assert [(line["account"], line["code"]) for line in began] == (
        [("troubled", code)] if code else []
    )

    probe = lines(
        runtime.probe(account="troubled", queue=None, budget_seconds=made.budget), "troubled"
    )
    assert probe["calltools_account_info"]
    assert probe["calltools_up"] == found["calltools_up"]
    assert failure_codes(probe) == failure_codes(found)
    # A queue that cannot be known yet is no mistake of the one who asks.
    probe = lines(
        runtime.probe(account="troubled", queue="sales", budget_seconds=made.budget), "troubled"
    )
    assert probe["calltools_account_info"]
    assert probe["calltools_up"] == {"{}": float(code is None)}
    assert bool(probe.get("calltools_queue_up")) is made.queues_are_known

    (status, _) = runtime.status(None)
    assert (status.queues is None) is not made.queues_are_known
    assert (status.outage.failure.code if status.outage else None) == code

    read = runtime.read("troubled", budget_seconds=made.budget)
    failure = read.accounts[0].failure
    assert (failure.code if failure else None) == code
    assert read.accounts[0].queues_known is made.queues_are_known
    assert all((one.result.failure is None) is (code is None) for one in read.queues)


@pytest.mark.parametrize("configured", CONFIGURED)
@pytest.mark.parametrize("trouble", FAILURES)
def test_service_discovery_has_every_account_from_a_cold_start(
    setting: Callable[[str, str], Setting], trouble: str, configured: str
) -> None:
    made = setting(trouble, configured)
    with capture_logs() as logs:
        found = made.runtime.targets(by_account=False, budget_seconds=made.budget)
    targets = [target["targets"] for target in found]
    assert targets[-2:] == [["healthy/sales"], ["healthy/support"]]
    expected = {
        "listed": [["troubled/sales"], ["troubled/support"]],
        "all": [["troubled/sales"], ["troubled/support"], ["troubled/spare"]],
        "all with exceptions": [["troubled/sales"], ["troubled/support"]],
    }
    if made.queues_are_known:
        assert targets[:-2] == expected[configured]
    else:
        assert found[0] == {"targets": ["troubled"], "labels": {"__param_account": "troubled"}}
        assert len(targets) == 3
        (line,) = [line for line in logs if line["event"] == "Cannot read account"]
        assert (line["account"], line["code"]) == ("troubled", made.code)
    assert [target["targets"] for target in made.runtime.targets(by_account=True)] == [
        ["troubled"],
        ["healthy"],
    ]


def test_what_one_scrape_learns_by_joining_another_is_its_account_s_failure_too(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kind: a failure that only the scrape which began a fetch hears of."""
    monkeypatch.setenv("WRONG_KEY", "nonsense")
    simulator = start_simulator()
    account = make_account(simulator, 5457, 5460, token=TokenEnvironment("WRONG_KEY"))
    runtime = make_runtime(account)
    asked, answer = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        asked.set()
        assert answer.wait(20)

    simulator.before_answer = hold
    found = []
    scrapes = [
        threading.Thread(target=lambda: found.append(runtime.snapshot([account], 20)))
        for _ in range(2)
    ]
    scrapes[0].start()
    assert asked.wait(20)
    scrapes[1].start()
    threading.Event().wait(0.2)
    answer.set()
    for scrape in scrapes:
        scrape.join()
    failures = [snapshot.accounts[0].failure for snapshot in found]
    assert [failure and failure.code for failure in failures] == ["401", "401"]


def test_queues_are_found_by_name_or_id(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
) -> None:
    world = FixedWorld({5457: "sales", 5460: "5457"})
    simulator = start_simulator(SimulatedAccount(world))
    account = make_account(simulator, queues=(), every_queue=EVERY)
    runtime = make_runtime(account)

    def read(*queues: str) -> list[int]:
        return [one.queue.id for one in runtime.read("acme", queues, budget_seconds=10).queues]

    assert read("sales") == [5457]
    assert read("5457") == [5460], "a name counts before an id"
    assert read("5460", "sales", "5460") == [5460, 5457]
    for wanted in ("sale", "5458"):
        with pytest.raises(UnknownQueueError):
            read(wanted)
    simulator.forget_requests()
    read("sales")
    assert [request.query["queue"] for request in simulator.requests] == ["5457"]


def test_a_number_may_be_as_old_as_who_asks_accepts(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
) -> None:
    now = [1_800_000_000.0]
    simulator = start_simulator()
    account = make_account(simulator)
    runtime = make_runtime(account, clock=lambda: now[0])
    first = runtime.read("acme", budget_seconds=10)
    simulator.forget_requests()
    now[0] += 5
    again = runtime.read("acme", ["queue-5457"], budget_seconds=10, max_age=6)
    assert [one.result for one in again.queues] == [one.result for one in first.queues]
    assert simulator.requests == []
    runtime.read("acme", budget_seconds=10, max_age=5)
    assert len(simulator.requests) == 1
    runtime.read("acme", budget_seconds=10)
    assert len(simulator.requests) == 2


def test_exceptions_among_all_queues(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    capsys: pytest.CaptureFixture[str],
) -> None:
    world = FixedWorld({5457: "sales", 5460: "support", 5466: "test", 5470: "night"})
    simulator = start_simulator(SimulatedAccount(world))
    exceptions = (
        QueueException(5457, "night", Queue(0, "", (AVAILABLE,), required_agents=3)),
        QueueException(None, "support", Queue(0, "", ("Available",), team="care")),
        QueueException(None, "test", None),
        QueueException(9999, None, EVERY),
        QueueException(None, "gone", EVERY),
    )
    account = make_account(simulator, queues=(), every_queue=EVERY, exceptions=exceptions)
    runtime = make_runtime(account)
    snapshot = runtime.snapshot([account], 10)
    found = {
        one.queue.id: (one.queue.name, one.queue.required_agents, one.queue.team)
        for one in snapshot.queues
    }
    assert found == {
        5457: ("night", 3, ""),
        5460: ("support", 1, "care"),
        5470: ("night (5470)", 1, ""),
        9999: ("9999", 1, ""),
    }
    codes = {one.queue.id: one.result.failure for one in snapshot.queues}
    assert [codes[id_] for id_ in (5457, 5460, 5470)] == [None] * 3
    missing = codes[9999]
    assert missing is not None
    assert missing.code == "unknown_id"
    # The account was read, and what is wrong with it is said nevertheless.
    assert snapshot.accounts[0].failure is None
    (concern,) = snapshot.accounts[0].failures
    assert concern.code == "unknown_id"
    assert "'gone'" in concern.message
    runtime.snapshot([account], 10)
    assert capsys.readouterr().out.count("Unknown queue names") == 1, "the log says it once"


def test_an_account_without_queues_is_read(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
) -> None:
    simulator = start_simulator(SimulatedAccount(FixedWorld({})))
    account = make_account(simulator, queues=(), every_queue=EVERY)
    summary = make_runtime(account).snapshot([account], 10).accounts[0]
    assert summary.up
    assert summary.failures == ()
    assert summary.queues_known
