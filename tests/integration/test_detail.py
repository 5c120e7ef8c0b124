"""`detail: agents`: every row read, each agent once, and unknown never taken for no."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from exporter.runtime import Runtime
from exporter.simulator import AVAILABLE, SimulatedAccount
from exporter.simulator.world import LUNCH, ON_A_CALL, Status
from exporter.snapshot import QueueResult
from tests.integration.conftest import MakeAccount
from tests.simulator import Dialect, FixedWorld, ReceivedRequest, Simulator
from tests.simulator_fixtures import StartSimulator

SINCE = 1_785_170_000.0


@pytest.fixture
def world() -> FixedWorld:
    made = FixedWorld()
    made.set_agent("Free", 5457, since=SINCE + 60)
    made.set_agent("Freer", 5457, since=SINCE)
    made.set_agent("Free elsewhere too", 5457, 5460, since=SINCE + 120)
    made.set_agent("Away", 5457, logged_in=False, ready=True, since=SINCE - 9999)
    made.set_agent("Hungry", 5457, status=LUNCH)
    made.set_agent("Talking", 5457, status=ON_A_CALL)
    return made


@pytest.fixture
def read(
    make_account: MakeAccount, make_runtime: Callable[..., Runtime]
) -> Callable[[Simulator], QueueResult]:
    def read(simulator: Simulator) -> QueueResult:
        account = make_account(simulator, detail="agents")
        return make_runtime(account).snapshot([account], 20).queues[0].result

    return read


DIALECTS = {
    "stock": Dialect(),
    "digits": Dialect(agent_status="digits"),
    "objects": Dialect(agent_status="object"),
    "URLs": Dialect(agent_status="url"),
    "names": Dialect(agent_status="name"),
    "times without a zone": Dialect(datetimes="naive"),
    "times with a space": Dialect(datetimes="space"),
    "fractions": Dialect(datetimes="fraction", next_scheme="none"),
    "bare list": Dialect(envelope="list"),
    "without many fields": Dialect(
        missing_fields=frozenset({"full_name", "calls", "active_time", "campaign"})
    ),
}


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_rows_are_read_in_every_dialect(
    start_simulator: StartSimulator,
    read: Callable[[Simulator], QueueResult],
    world: FixedWorld,
    dialect: Dialect,
) -> None:
    result = read(start_simulator(SimulatedAccount(world), dialect=dialect))
    assert result.available == 3
    assert result.detail is not None
    assert dict(result.detail.by_status) == {"Available": 4, "Lunch": 1, "On a Call": 1}
    assert result.detail.logged_in == 5
    assert result.detail.ready == 4
    assert result.detail.available_since == SINCE


def test_statuses_have_their_names_and_equal_names_are_added_up(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    world: FixedWorld,
) -> None:
    world.set_statuses(
        [Status(AVAILABLE, "Available", "Set Ready"), Status(LUNCH, "Away"), Status(9, "Away")]
    )
    world.set_agent("Away as well", 5457, status=9)
    account = make_account(
        start_simulator(SimulatedAccount(world)), detail="agents", max_parallel_requests=1
    )
    runtime = make_runtime(account)
    detail = runtime.snapshot([account], 20).queues[0].result.detail
    assert detail is not None
    assert dict(detail.by_status) == {"Available": 4, "Away": 2, str(ON_A_CALL): 1}


def test_a_status_that_is_new_is_looked_up_after_ten_minutes(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    world: FixedWorld,
) -> None:
    now = [1_800_000_000.0]
    account = make_account(start_simulator(SimulatedAccount(world)), detail="agents")
    runtime = make_runtime(account, clock=lambda: now[0])
    runtime.snapshot([account], 20)
    world.set_statuses([Status(AVAILABLE, "Available", "Set Ready"), Status(77, "Training")])
    world.set_agent("New", 5457, status=77)
    for _ in range(3):
        detail = runtime.snapshot([account], 20).queues[0].result.detail
        now[0] += 300.5
    assert detail is not None
    detail = runtime.snapshot([account], 20).queues[0].result.detail
    assert detail is not None
    assert dict(detail.by_status)["Training"] == 1


@pytest.mark.parametrize("number", [249, 250, 251, 500, 612])
def test_pages_are_counted_up_to_the_last_agent(
    start_simulator: StartSimulator, read: Callable[[Simulator], QueueResult], number: int
) -> None:
    world = FixedWorld()
    world.set_available(5457, number)
    simulator = start_simulator(SimulatedAccount(world))
    assert read(simulator).available == number
    pages = [request for request in simulator.requests if request.query.get("queue") == "5457"]
    once = [None, *(str(page) for page in range(2, -(-number // 250) + 1))]
    # Several pages are read until two readings agree.
    expected = once if number <= 250 else once * 2
    assert [request.query.get("page") for request in pages] == expected


def test_a_change_between_pages_is_read_once_more(
    start_simulator: StartSimulator, read: Callable[[Simulator], QueueResult]
) -> None:
    world = FixedWorld()
    world.set_available(5457, 300)
    simulator = start_simulator(SimulatedAccount(world))
    changes = iter([299])

    def change(request: ReceivedRequest) -> None:
        if request.query.get("page") == "2":
            for number in changes:
                world.set_available(5457, number)

    simulator.before_answer = change
    assert read(simulator).available in {299, 300}


def test_rows_that_never_add_up_to_the_count_are_no_number(
    start_simulator: StartSimulator, read: Callable[[Simulator], QueueResult]
) -> None:
    world = FixedWorld()
    world.set_available(5457, 300)
    simulator = start_simulator(SimulatedAccount(world))
    simulator.faults.set("page-loop", queue=5457)
    result = read(simulator)
    assert result.available is None
    assert result.failure is not None
    assert result.failure.code == "unexpected_answer"


def test_a_missing_field_is_unknown_and_not_false(
    start_simulator: StartSimulator, read: Callable[[Simulator], QueueResult], world: FixedWorld
) -> None:
    dialect = Dialect(missing_fields=frozenset({"logged_in"}))
    result = read(start_simulator(SimulatedAccount(world), dialect=dialect))
    assert result.available == 4, "who is not known to be logged out counts"
    assert result.detail is not None
    assert result.detail.logged_in is None
    assert result.detail.ready == 4


def test_without_times_nobody_is_said_to_wait(
    start_simulator: StartSimulator, read: Callable[[Simulator], QueueResult], world: FixedWorld
) -> None:
    world.set_agent("Timeless", 5457, hidden=["ready_since", "agent_status_modified_on"])
    result = read(start_simulator(SimulatedAccount(world)))
    assert result.available == 4
    assert result.detail is not None
    assert result.detail.available_since is None


UNTELLABLE = {
    "ready": ["ready"],
    "status": ["agent_status"],
    "who": ["app_user"],
}


@pytest.mark.parametrize("hidden", UNTELLABLE.values(), ids=UNTELLABLE)
def test_a_row_that_does_not_tell_who_is_available_makes_no_number(
    start_simulator: StartSimulator,
    read: Callable[[Simulator], QueueResult],
    world: FixedWorld,
    hidden: list[str],
) -> None:
    world.set_agent("Free", 5457, hidden=hidden)
    result = read(start_simulator(SimulatedAccount(world)))
    assert result.available is None
    assert result.failure is not None
    assert result.failure.code == "unexpected_answer"
    assert "Free" not in result.failure.message


def test_a_row_that_plainly_is_not_available_may_lack_the_rest(
    start_simulator: StartSimulator, read: Callable[[Simulator], QueueResult], world: FixedWorld
) -> None:
    world.set_agent("Gone", 5457, logged_in=False, hidden=["ready", "agent_status"])
    result = read(start_simulator(SimulatedAccount(world)))
    assert result.available == 3
    assert result.detail is not None
    assert result.detail.ready is None
    assert dict(result.detail.by_status)["unknown"] == 1


def test_names_of_statuses_without_their_list_tell_nothing(
    start_simulator: StartSimulator, read: Callable[[Simulator], QueueResult], world: FixedWorld
) -> None:
    dialect = Dialect(agent_status="name", forbidden=frozenset({"statuses"}))
    result = read(start_simulator(SimulatedAccount(world), dialect=dialect))
    assert result.available is None, "nobody would be a guess"
