"""Numbers rest on proof: filters that are honoured, ids that the account has."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from exporter.runtime import Runtime
from exporter.settings import AUTO, Queue
from exporter.simulator import AVAILABLE, SimulatedAccount
from exporter.simulator.world import LUNCH, Status
from exporter.snapshot import Snapshot
from tests.integration.conftest import MakeAccount
from tests.simulator import Dialect, FixedWorld, Simulator
from tests.simulator_fixtures import StartSimulator

Dialects = pytest.mark.parametrize(
    "dialect",
    [
        Dialect(),
        Dialect(unknown_id=200),
        Dialect(zero_id=400),
        Dialect(envelope="list"),
        Dialect(agent_status="object"),
        Dialect(agent_status="url", next_scheme="none"),
    ],
    ids=["stock", "empty list", "400 for 0", "bare lists", "status objects", "status URLs"],
)


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world() -> FixedWorld:
    """Return two queues; in each somebody is available, at lunch, or gone home."""
    made = FixedWorld()
    for queue in (5457, 5460):
        made.set_agent(f"Free {queue}", queue)
        made.set_agent(f"Hungry {queue}", queue, status=LUNCH)
        made.set_agent(f"Training {queue}", queue, status=LUNCH, ready=True)
        made.set_agent(f"Gone {queue}", queue, logged_in=False, ready=False)
    return made


def codes(snapshot: Snapshot) -> list[str | int | None]:
    return [
        one.result.failure.code if one.result.failure else one.result.available
        for one in snapshot.queues
    ]


def asked(simulator: Simulator, path: str = "/api/agentstatuses/") -> int:
    return sum(request.path == path for request in simulator.requests)


@Dialects
def test_honoured_filters_are_believed(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    world: FixedWorld,
    dialect: Dialect,
) -> None:
    simulator = start_simulator(SimulatedAccount(world), dialect=dialect)
    account = make_account(simulator, 5457, 5460)
    assert codes(make_runtime(account).snapshot([account], 10)) == [1, 1]


@pytest.mark.parametrize("ignored", ["queue", "agent_status_id", "ready"])
@pytest.mark.parametrize("night", [False, True], ids=["by day", "at night"])
def test_an_ignored_filter_never_shows_a_number_from_a_fresh_start(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    world: FixedWorld,
    ignored: str,
    night: bool,
) -> None:
    if night:
        world = FixedWorld()
        world.set_agent("Gone Home", 5457, logged_in=False, ready=False)
    simulator = start_simulator(
        SimulatedAccount(world), dialect=Dialect(ignored_filters=frozenset({ignored}))
    )
    account = make_account(simulator, 5457, 5460)
    runtime = make_runtime(account)
    snapshot = runtime.snapshot([account], 10)
    assert codes(snapshot) == ["filter_ignored", "filter_ignored"]
    assert [failure.code for failure in snapshot.accounts[0].failures] == ["filter_ignored"]
    assert not snapshot.accounts[0].up
    simulator.forget_requests()
    assert codes(runtime.snapshot([account], 10)) == ["filter_ignored", "filter_ignored"]
    assert simulator.requests == [], "a number that means nothing is not even asked for"


def test_a_filter_that_is_ignored_later_shows_no_number_for_longer_than_ten_minutes(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    world: FixedWorld,
    clock: Clock,
) -> None:
    simulator = start_simulator(SimulatedAccount(world))
    account = make_account(simulator, 5457, 5460)
    runtime = make_runtime(account, clock=clock)
    assert codes(runtime.snapshot([account], 10)) == [1, 1]
    simulator.dialect = Dialect(ignored_filters=frozenset({"queue"}))
    clock.now += 419
    simulator.forget_requests()
    runtime.snapshot([account], 10)
    assert asked(simulator) == 2, "a verification is renewed every seven minutes at most"
    clock.now += 1
    assert codes(runtime.snapshot([account], 10)) == ["filter_ignored", "filter_ignored"]
    # And it comes back no sooner than it shows to be honoured again.
    simulator.dialect = Dialect()
    clock.now += 419
    assert codes(runtime.snapshot([account], 10)) == ["filter_ignored", "filter_ignored"]
    clock.now += 1
    runtime.snapshot([account], 10)
    assert codes(runtime.snapshot([account], 10)) == [1, 1]


def test_a_number_read_under_an_ignored_filter_is_not_kept_until_filters_are_honoured_again(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    world: FixedWorld,
    clock: Clock,
) -> None:
    """The kind: a number that was not believed, and is given later as one that may be old."""
    simulator = start_simulator(
        SimulatedAccount(world), dialect=Dialect(ignored_filters=frozenset({"queue"}))
    )
    account = make_account(simulator, max_age=3600.0)
    runtime = make_runtime(account, clock=clock)
    assert codes(runtime.snapshot([account], 10)) == ["filter_ignored"]
    simulator.dialect = Dialect()
    clock.now += 420
    runtime.snapshot([account], 10)
    clock.now += 15
    assert codes(runtime.snapshot([account], 10)) == [1], "not the 2 of both queues"
    simulator.forget_requests()
    assert codes(runtime.snapshot([account], 10)) == [1]
    assert asked(simulator) == 0, "it is kept from then on"


def test_a_check_that_could_not_be_read_proves_nothing_and_is_asked_again(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    world: FixedWorld,
    clock: Clock,
) -> None:
    simulator = start_simulator(SimulatedAccount(world))
    simulator.faults.set("status", queue=0, code=503)
    account = make_account(simulator, 5457, 5460)
    runtime = make_runtime(account, clock=clock)
    snapshot = runtime.snapshot([account], 10)
    assert codes(snapshot) == ["503", "503"]
    failure = snapshot.queues[0].result.failure
    assert failure is not None
    assert "cannot verify that the API honours the filter `queue`" in failure.message
    simulator.forget_requests()
    runtime.snapshot([account], 10)
    assert sum(request.query.get("queue") == "0" for request in simulator.requests) == 1
    assert all(request.query.get("agent_status_id") != "0" for request in simulator.requests)
    simulator.faults.clear()
    assert codes(runtime.snapshot([account], 10)) == [1, 1]
    # Ten minutes later the proof has expired, and numbers without one are not shown.
    clock.now += 600
    simulator.faults.set("status", queue=0, code=503)
    assert codes(runtime.snapshot([account], 10)) == ["503", "503"]


def test_a_verification_that_cannot_be_renewed_at_once_costs_no_number(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    world: FixedWorld,
    clock: Clock,
) -> None:
    """The kind: what expires is renewed before it does, with time for more than one try."""
    simulator = start_simulator(SimulatedAccount(world))
    account = make_account(simulator, 5457, 5460)
    runtime = make_runtime(account, clock=clock)
    begun = clock.now
    assert codes(runtime.snapshot([account], 10)) == [1, 1]
    for failing in (True, False, True, True, False, False) * 5:
        clock.now += 60
        simulator.faults.clear()
        if failing:
            simulator.faults.set("status", queue=0, code=503)
        assert codes(runtime.snapshot([account], 10)) == [1, 1], clock.now - begun
    # Only where none succeeds until the end is the number gone.
    simulator.faults.set("status", queue=0, code=503)
    found = [codes(runtime.snapshot([account], 10))]
    for _ in range(11):
        clock.now += 60
        found.append(codes(runtime.snapshot([account], 10)))
    assert found[0] == [1, 1]
    assert found[-1] == ["503", "503"]


def test_checks_and_lists_are_no_errors_of_the_account(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    world: FixedWorld,
) -> None:
    forbidden = Dialect(
        zero_id=400, forbidden=frozenset({"statuses"}), missing=frozenset({"queues"})
    )
    simulator = start_simulator(SimulatedAccount(world), dialect=forbidden)
    account = make_account(simulator, 5457, 5460)
    runtime = make_runtime(account)
    snapshot = runtime.snapshot([account], 10)
    assert codes(snapshot) == [1, 1]
    assert snapshot.accounts[0].failures == ()
    errors = [
        sample
        for family in runtime.counters.families()
        for sample in family.samples
        if sample.name == "calltools_api_errors_total" and sample.value
    ]
    assert errors == []


def test_a_missing_list_is_said_once(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    clock: Clock,
    capsys: pytest.CaptureFixture[str],
) -> None:
    simulator = start_simulator(dialect=Dialect(missing=frozenset({"queues"})))
    account = make_account(simulator, 5457)
    runtime = make_runtime(account, clock=clock)
    for _ in range(4):
        assert codes(runtime.snapshot([account], 10)) == [0]
        clock.now += 3600
    assert capsys.readouterr().out.count("Cannot read list") == 1
    assert asked(simulator, "/api/queues/") == 4


@pytest.mark.parametrize("unknown", [200, 400], ids=["empty list", "400"])
def test_an_id_that_the_account_does_not_have_is_never_nobody(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    world: FixedWorld,
    unknown: int,
) -> None:
    dialect = Dialect(unknown_id=400 if unknown == 400 else 200)
    simulator = start_simulator(SimulatedAccount(world), dialect=dialect)
    queues = (
        Queue(5457, "sales", (AVAILABLE,)),
        Queue(9999, "no queue", (AVAILABLE,)),
        Queue(5460, "no status", (77777,)),
    )
    account = make_account(simulator, queues=queues)
    runtime = make_runtime(account)
    for _ in range(2):
        snapshot = runtime.snapshot([account], 10)
        assert codes(snapshot) == [1, "unknown_id", "unknown_id"]
    failures = [one.result.failure.message for one in snapshot.queues if one.result.failure]
    assert failures[0] == "the account has no queue with the id 9999"
    assert "no agent status with the id 77777" in failures[1]
    assert f"Available ({AVAILABLE})" in failures[1]


def test_a_queue_that_is_made_later_is_found(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    world: FixedWorld,
    clock: Clock,
) -> None:
    simulator = start_simulator(SimulatedAccount(world))
    account = make_account(simulator, 5457, 5470)
    runtime = make_runtime(account, clock=clock)
    assert codes(runtime.snapshot([account], 10)) == [1, "unknown_id"]
    world.set_queues({5457: "sales", 5470: "new"})
    clock.now += 601
    runtime.snapshot([account], 10)
    assert codes(runtime.snapshot([account], 10)) == [1, 0]


STATUS_CHOICES = {
    "by name": (("available",), None),
    "several names": (("Available", "Lunch"), None),
    "auto": ((AUTO,), None),
    "auto, by name among several": ((AUTO,), Status(7, "Ready for more", "Set Ready")),
    "auto, without actions": ((AUTO,), None),
}


@pytest.mark.parametrize(("choice", "more"), STATUS_CHOICES.values(), ids=STATUS_CHOICES)
def test_a_status_is_found_by_name_or_by_what_it_does(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    world: FixedWorld,
    choice: tuple[str, ...],
    more: Status | None,
) -> None:
    if more is not None:
        world.set_statuses([Status(AVAILABLE, "Available", "Set Ready"), more])
    simulator = start_simulator(SimulatedAccount(world))
    account = make_account(simulator, queues=(Queue(5457, "sales", choice),))
    snapshot = make_runtime(account).snapshot([account], 10)
    assert codes(snapshot) == [2 if "Lunch" in choice else 1]
    assert AVAILABLE in snapshot.queues[0].queue.status_ids


WRONG_CHOICES = {
    "misspelt": (("Availabel",), "did you mean 'Available'"),
    "two of one name": (("Twin",), "Twin (1), Twin (2)"),
    "auto with two": ((AUTO,), "Twin (1), Twin (2)"),
}


@pytest.mark.parametrize(("choice", "words"), WRONG_CHOICES.values(), ids=WRONG_CHOICES)
def test_a_status_that_is_not_clear_lists_the_candidates(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    world: FixedWorld,
    choice: tuple[str, ...],
    words: str,
) -> None:
    if "misspelt" not in words and "did you" not in words:
        world.set_statuses([Status(1, "Twin", "Set Ready"), Status(2, "Twin", "Set Ready")])
    simulator = start_simulator(SimulatedAccount(world))
    account = make_account(simulator, queues=(Queue(5457, "sales", choice),))
    snapshot = make_runtime(account).snapshot([account], 10)
    failure = snapshot.queues[0].result.failure
    assert failure is not None
    assert failure.code == "unknown_id"
    assert words in failure.message


def test_candidates_are_cut(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    world: FixedWorld,
) -> None:
    world.set_statuses([Status(1, "\x1b[2JA"), *(Status(i, "B" * 300) for i in range(2, 200))])
    account = make_account(
        start_simulator(SimulatedAccount(world)), queues=(Queue(5457, "sales", ("Nobody",)),)
    )
    failure = make_runtime(account).snapshot([account], 10).queues[0].result.failure
    assert failure is not None
    assert "give an id of: [2JA (1), BBB" in failure.message
    assert failure.message.isprintable()
    assert len(failure.message) < 1200


def test_all_queues_are_asked_for_and_changes_are_told(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    world: FixedWorld,
    clock: Clock,
    capsys: pytest.CaptureFixture[str],
) -> None:
    world.set_queues({5457: "sales", 5460: "sales", 5461: "in/out"})
    simulator = start_simulator(SimulatedAccount(world))
    account = make_account(simulator, queues=(), every_queue=Queue(0, "", (AUTO,), 2, "team"))
    runtime = make_runtime(account, clock=clock)
    snapshot = runtime.snapshot([account], 10)
    assert [one.queue.name for one in snapshot.queues] == [
        "sales (5457)",
        "sales (5460)",
        "in-out",
    ]
    assert codes(snapshot) == [1, 1, 0]
    assert {(one.queue.required_agents, one.queue.team) for one in snapshot.queues} == {(2, "team")}
    # Lists are kept through failures, and read again after ten minutes.
    world.set_queues({5457: "sales", 5462: "new"})
    clock.now += 600
    simulator.faults.set("status", path="/api/queues/", code=500)
    assert len(runtime.snapshot([account], 10).queues) == 3
    assert [failure.code for failure in runtime.snapshot([account], 10).accounts[0].failures] == [
        "500"
    ]
    simulator.faults.clear()
    clock.now += 600
    runtime.snapshot([account], 10)
    snapshot = runtime.snapshot([account], 10)
    assert [one.queue.name for one in snapshot.queues] == ["sales", "new"]
    assert snapshot.accounts[0].failures == ()
    log = capsys.readouterr().out
    assert "Queue appeared" in log
    assert "Queue vanished" in log
    changes = {
        sample.labels["change"]: sample.value
        for family in runtime.counters.families()
        for sample in family.samples
        if sample.name == "calltools_account_queue_changes_total"
    }
    assert changes == {"appeared": 2, "vanished": 3}


def test_no_two_queues_have_one_name_whatever_the_account_names_them(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    world: FixedWorld,
) -> None:
    world.set_queues({5457: "sales", 5460: "sales", 5461: "sales (5457)", 5462: "", 5463: "5462"})
    simulator = start_simulator(SimulatedAccount(world))
    account = make_account(simulator, queues=(), every_queue=Queue(0, "", (AVAILABLE,)))
    names = [one.queue.name for one in make_runtime(account).snapshot([account], 10).queues]
    assert names == [
        "sales (5457) (5457)",
        "sales (5460)",
        "sales (5457) (5461)",
        "5462 (5462)",
        "5462 (5463)",
    ]


def test_without_the_list_of_all_queues_there_are_none_and_the_account_says_why(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
) -> None:
    simulator = start_simulator(dialect=Dialect(forbidden=frozenset({"queues"})))
    account = make_account(simulator, queues=(), every_queue=Queue(0, "", (AVAILABLE,)))
    snapshot = make_runtime(account).snapshot([account], 10)
    assert snapshot.queues == ()
    assert not snapshot.accounts[0].up
    assert [failure.code for failure in snapshot.accounts[0].failures] == ["403"]
    assert "/api/queues/" in snapshot.accounts[0].failures[0].message


def test_lists_that_do_not_come_in_time_are_said_to_be_late(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
) -> None:
    simulator = start_simulator()
    simulator.faults.set("hang", path="/api/statuses/")
    account = make_account(simulator, queues=(Queue(5457, "sales", ("Available",)),))
    snapshot = make_runtime(account).snapshot([account], 0.4)
    assert codes(snapshot) == ["timeout"]


def test_lists_are_read_beside_the_queues_and_not_after_them(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
) -> None:
    """A list of many pages, one after the other, would else be what a first page waits for."""
    numbers = range(1, 41)
    world = FixedWorld({number: f"queue-{number}" for number in numbers})
    simulator = start_simulator(SimulatedAccount(world))
    account = make_account(simulator, *numbers, max_parallel_requests=4)
    snapshot = make_runtime(account).snapshot([account], 20)
    assert codes(snapshot) == [0] * 40
    paths = [request.path for request in simulator.requests]
    assert paths[0] == "/api/agentstatuses/"
    assert max(paths.index("/api/statuses/"), paths.index("/api/queues/")) < 20
