"""Pages: within their budget, sharing fetches, each queue failing alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from requests import PreparedRequest

from exporter.calltools.requester import Requester
from exporter.errors import Failure
from exporter.runtime import Runtime
from exporter.settings import Secret, TokenEnvironment, TokenFile
from exporter.simulator import SimulatedAccount
from exporter.snapshot import Snapshot
from tests.integration.conftest import MakeAccount
from tests.simulator import Dialect, FixedWorld
from tests.simulator_fixtures import StartSimulator

QUEUES = (5457, 5460, 5461, 5462, 5463)


def world(**available: int) -> FixedWorld:
    made = FixedWorld({queue: f"queue-{queue}" for queue in QUEUES})
    for name, number in available.items():
        made.set_available(int(name.removeprefix("q")), number)
    return made


def codes(snapshot: Snapshot) -> dict[int, str | int]:
    return {
        one.queue.id: one.result.failure.code if one.result.failure else one.result.available or 0
        for one in snapshot.queues
    }


#: What is asked for on an account's first scrape beside its queues: three filters, two lists.
UPKEEP = 6  # a request for each filter, the opposite of `ready`, and one for each list


def counted(runtime: Runtime) -> dict[str, float]:
    """Return requests and errors by code that are not 0."""
    found: dict[str, float] = {}
    for family in runtime.counters.families():
        for sample in family.samples:
            if sample.name == "calltools_api_requests_total":
                found["requests"] = found.get("requests", 0) + sample.value
            if sample.name == "calltools_api_errors_total" and sample.value:
                code = sample.labels["code"]
                found[code] = found.get(code, 0) + sample.value
    return found


def test_each_queue_is_read_and_counted(
    start_simulator: StartSimulator, make_account: MakeAccount, make_runtime: Callable[..., Runtime]
) -> None:
    simulator = start_simulator(SimulatedAccount(world(q5457=3, q5460=0, q5461=1)), tls=True)
    account = make_account(simulator, *QUEUES[:3])
    runtime = make_runtime(account)
    snapshot = runtime.snapshot([account], 10)
    assert codes(snapshot) == {5457: 3, 5460: 0, 5461: 1}
    assert snapshot.accounts[0].up
    assert snapshot.budget_seconds == 10
    assert counted(runtime) == {"requests": 3 + UPKEEP}
    assert all(one.last_success_at == one.result.finished_at.unix for one in snapshot.queues)


@pytest.mark.parametrize("detail", ["count", "agents"])
def test_a_first_scrape_waits_for_no_answer_before_it_asks_for_the_rest(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    detail: str,
) -> None:
    simulator = start_simulator(SimulatedAccount(world()))
    simulator.faults.set("hang")
    queues = range(1, 11)
    account = make_account(simulator, *queues, max_parallel_requests=16, detail=detail)
    runtime = make_runtime(account)
    scrape = threading.Thread(target=runtime.snapshot, args=([account], 10))
    scrape.start()
    # With details, the names of the statuses are needed first.
    at_once = len(queues) + UPKEEP if detail == "count" else UPKEEP
    assert simulator.wait_until(lambda: simulator.requests_total == at_once)
    simulator.stop()
    scrape.join()


def test_one_bad_queue_never_hides_the_others(
    start_simulator: StartSimulator, make_account: MakeAccount, make_runtime: Callable[..., Runtime]
) -> None:
    simulator = start_simulator(SimulatedAccount(world(q5457=3, q5460=2, q5461=1)))
    simulator.faults.set("status", queue=5460, code=502)
    simulator.faults.set("hang", queue=5461)
    account = make_account(simulator, *QUEUES[:3], timeout=0.3)
    runtime = make_runtime(account)
    snapshot = runtime.snapshot([account], 10)
    assert codes(snapshot) == {5457: 3, 5460: "502", 5461: "timeout"}
    assert snapshot.accounts[0].up
    assert counted(runtime) == {"requests": 3 + UPKEEP, "502": 1, "timeout": 1}


def test_at_the_end_of_the_budget_the_page_goes_with_what_is_there(
    start_simulator: StartSimulator, make_account: MakeAccount, make_runtime: Callable[..., Runtime]
) -> None:
    simulator = start_simulator(SimulatedAccount(world(q5457=3)))
    simulator.faults.set("hang", queue=5460)
    account = make_account(simulator, *QUEUES[:2])
    runtime = make_runtime(account)
    begun = time.monotonic()
    snapshot = runtime.snapshot([account], 1.0)
    assert 0.99 <= time.monotonic() - begun < 20
    assert codes(snapshot) == {5457: 3, 5460: "timeout"}
    assert counted(runtime) == {"requests": 2 + UPKEEP, "timeout": 1}


def test_what_outlasts_its_page_is_counted_once(
    start_simulator: StartSimulator, make_account: MakeAccount, make_runtime: Callable[..., Runtime]
) -> None:
    simulator = start_simulator()
    account = make_account(simulator, timeout=20.0)
    runtime = make_runtime(account)
    runtime.snapshot([account], 10)
    simulator.faults.set("hang", seconds=0.8)
    assert codes(runtime.snapshot([account], 0.2)) == {5457: "timeout"}
    assert counted(runtime) == {"requests": 2 + UPKEEP, "timeout": 1}
    # The fetch goes on; the next page joins it, and shows what it brings.
    assert codes(runtime.snapshot([account], 10)) == {5457: 0}
    assert counted(runtime) == {"requests": 2 + UPKEEP, "timeout": 1}
    assert simulator.requests_total == 2 + UPKEEP


def test_pages_at_the_same_time_share_one_fetch_of_each_queue(
    start_simulator: StartSimulator, make_account: MakeAccount, make_runtime: Callable[..., Runtime]
) -> None:
    simulator = start_simulator(SimulatedAccount(world(q5457=1, q5460=2)))
    account = make_account(simulator, *QUEUES[:2])
    runtime = make_runtime(account)
    runtime.snapshot([account], 10)
    simulator.forget_requests()
    simulator.faults.set("hang", seconds=0.7)
    budgets = [0.2, *range(5, 14)]
    pages: dict[float, Snapshot] = {}

    def page(budget: float) -> None:
        pages[budget] = runtime.snapshot([account], budget)

    threads = [threading.Thread(target=page, args=(budget,)) for budget in budgets]
    for thread in threads:
        thread.start()
        time.sleep(0.01)
    for thread in threads:
        thread.join()
    assert len(simulator.requests) == 2
    # The first page had little time, and its leaving spoilt nothing for the others.
    assert codes(pages[0.2]) == {5457: "timeout", 5460: "timeout"}
    assert all(codes(pages[budget]) == {5457: 1, 5460: 2} for budget in budgets[1:])
    assert counted(runtime) == {"requests": 4 + UPKEEP, "timeout": 2}


def test_a_finished_result_is_not_used_again(
    start_simulator: StartSimulator, make_account: MakeAccount, make_runtime: Callable[..., Runtime]
) -> None:
    made = world(q5457=3)
    simulator = start_simulator(SimulatedAccount(made))
    account = make_account(simulator)
    runtime = make_runtime(account)
    assert codes(runtime.snapshot([account], 10)) == {5457: 3}
    made.set_available(5457, 0)
    assert codes(runtime.snapshot([account], 10)) == {5457: 0}
    simulator.faults.set("status", code=500)
    snapshot = runtime.snapshot([account], 10)
    assert codes(snapshot) == {5457: "500"}
    assert snapshot.queues[0].result.available is None
    # When it was last read stays known.
    assert snapshot.queues[0].last_success_at is not None
    assert snapshot.queues[0].last_success_at < snapshot.queues[0].result.finished_at.unix


def test_a_refused_key_stops_the_account_and_only_it(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    simulator = start_simulator(SimulatedAccount(world(q5457=3)))
    monkeypatch.setenv("WRONG_KEY", "nonsense")
    wrong = make_account(
        simulator,
        *QUEUES,
        name="wrong",
        token=TokenEnvironment("WRONG_KEY"),
        max_parallel_requests=1,
    )
    right = make_account(simulator, max_parallel_requests=1)
    runtime = make_runtime(wrong, right)
    snapshot = runtime.snapshot([wrong, right], 10)
    assert {one.result.failure and one.result.failure.code for one in snapshot.queues[:5]} == {
        "401"
    }
    assert snapshot.queues[5].result.available == 3
    assert [summary.up for summary in snapshot.accounts] == [False, True]
    assert [failure.code for failure in snapshot.accounts[0].failures] == ["401"]
    # One was asked, the other four were not.
    assert counted(runtime) == {"requests": 2 + UPKEEP, "401": 1}
    assert snapshot.queues[4].result.duration_seconds is None


def test_one_forbidden_queue_is_its_own_matter(
    start_simulator: StartSimulator, make_account: MakeAccount, make_runtime: Callable[..., Runtime]
) -> None:
    simulator = start_simulator(SimulatedAccount(world(q5460=1)))
    simulator.faults.set("status", queue=5457, code=403)
    account = make_account(simulator, *QUEUES, max_parallel_requests=1)
    snapshot = make_runtime(account).snapshot([account], 10)
    assert codes(snapshot) == {5457: "403", 5460: 1, 5461: 0, 5462: 0, 5463: 0}
    assert snapshot.accounts[0].failures == ()


def test_a_key_that_is_forbidden_everything_stops_the_account(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WRONG_KEY", "wrong-key")
    simulator = start_simulator(SimulatedAccount(world()), dialect=Dialect(bad_key=403))
    account = make_account(
        simulator, *QUEUES, token=TokenEnvironment("WRONG_KEY"), max_parallel_requests=1
    )
    runtime = make_runtime(account)
    snapshot = runtime.snapshot([account], 10)
    assert set(codes(snapshot).values()) == {"403"}
    assert [failure.code for failure in snapshot.accounts[0].failures] == ["403"]
    assert counted(runtime) == {"requests": 3, "403": 3}
    assert snapshot.queues[4].result.duration_seconds is None


def test_told_to_slow_down_the_rest_of_the_account_is_left_alone(
    start_simulator: StartSimulator, make_account: MakeAccount, make_runtime: Callable[..., Runtime]
) -> None:
    simulator = start_simulator(SimulatedAccount(world()))
    simulator.faults.set("status", code=429)
    account = make_account(simulator, *QUEUES, max_parallel_requests=1)
    runtime = make_runtime(account)
    assert set(codes(runtime.snapshot([account], 10)).values()) == {"429"}
    assert counted(runtime) == {"requests": 1, "429": 1}


def test_a_key_that_cannot_be_read_fails_its_account_until_it_can(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    tmp_path: Path,
) -> None:
    simulator = start_simulator(SimulatedAccount(world(q5457=2)))
    file = tmp_path / "token"
    missing = make_account(simulator, name="missing", token=TokenFile(file))
    right = make_account(simulator)
    runtime = make_runtime(missing, right)
    snapshot = runtime.snapshot([missing, right], 10)
    expected = Failure("token", f"token_file {file} cannot be read: No such file or directory")
    assert snapshot.queues[0].result.failure == expected
    assert snapshot.accounts[0].failures == (expected,)
    assert snapshot.queues[1].result.available == 2
    assert counted(runtime) == {"requests": 1 + UPKEEP}
    file.write_text(f"  token {right.token.read().reveal()}\n")
    assert runtime.snapshot([missing], 10).queues[0].result.available == 2


def test_a_silent_host_leaves_the_others_their_turns(
    start_simulator: StartSimulator, make_account: MakeAccount, make_runtime: Callable[..., Runtime]
) -> None:
    silent, healthy = start_simulator(), start_simulator(SimulatedAccount(world(q5457=4)))
    silent.faults.set("hang")
    first = make_account(silent, *range(1, 50), name="silent", max_parallel_requests=4)
    second = make_account(healthy, name="healthy")
    runtime = make_runtime(first, second, max_parallel_requests=5)
    snapshot = runtime.snapshot([first, second], 3)
    assert snapshot.queues[-1].result.available == 4
    assert set(codes(snapshot).values()) == {"timeout", 4}
    # Only those that were sent are counted.
    assert counted(runtime) == {"requests": 5 + UPKEEP, "timeout": 4}
    assert silent.requests_total == 4


def test_accounts_on_one_host_share_its_places(
    start_simulator: StartSimulator, make_account: MakeAccount, make_runtime: Callable[..., Runtime]
) -> None:
    simulator = start_simulator(latency=0.05)
    open_at_most = 0

    def look(_: object) -> None:
        nonlocal open_at_most
        open_at_most = max(open_at_most, simulator.connections_open)

    simulator.before_answer = look
    accounts = [
        make_account(simulator, *range(1, 20), name=f"account-{number}", max_parallel_requests=3)
        for number in (1, 2)
    ]
    runtime = make_runtime(*accounts)
    runtime.snapshot(accounts, 10)
    assert open_at_most == 3


def test_a_fault_of_the_exporter_itself_fails_one_queue(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    simulator = start_simulator(SimulatedAccount(world(q5460=2)))
    account = make_account(simulator, *QUEUES[:2])
    prepare = Requester._prepare

    def prepare_or_break(requester: Requester, target: str, token: Secret) -> PreparedRequest:
        if "queue=5457" in target:
            raise ZeroDivisionError
        return prepare(requester, target, token)

    monkeypatch.setattr(Requester, "_prepare", prepare_or_break)
    snapshot = make_runtime(account).snapshot([account], 10)
    assert codes(snapshot)[5457] == "unexpected_answer"
    assert codes(snapshot)[5460] == 2
