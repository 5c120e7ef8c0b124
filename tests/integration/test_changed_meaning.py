"""What a number counts may change between two scrapes, or while one asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from exporter.clock import boot_seconds
from exporter.runtime import Runtime
from exporter.scrape.jobs import Attempts, Job, _is_worth_joining
from exporter.settings import Configuration, Queue, QueueException
from exporter.simulator import AVAILABLE, SimulatedAccount
from exporter.simulator.world import STATUSES
from exporter.snapshot import Attempt, Snapshot
from exporter.transport.deadline import Deadline
from exporter.web.available_reader import Question, read_available
from exporter.web.available_users import AvailableUser
from tests.integration.conftest import MakeAccount
from tests.integration.test_truth import ALL, START, codes, in_background
from tests.simulator import Dialect, FixedWorld
from tests.simulator_fixtures import StartSimulator

ANEW = 777


@pytest.mark.parametrize("detail", ["count", "agents"])
def test_a_status_that_is_made_anew_is_never_counted_under_its_old_id(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    detail: str,
) -> None:
    """The kind: "nobody" under an id that the name no longer stands for."""
    now = [START]
    world = FixedWorld()
    world.set_available(5457, 3)
    simulator = start_simulator(SimulatedAccount(world), dialect=Dialect(unknown_id=200))
    sales = Queue(5457, "sales", ("Available",))
    account = make_account(simulator, queues=(sales,), max_age=300.0, detail=detail)
    runtime = make_runtime(account, clock=lambda: now[0])
    assert codes(runtime.snapshot([account], 5)) == {5457: 3}
    world.set_statuses(replace(s, id=ANEW) if s.id == AVAILABLE else s for s in STATUSES)
    world.set_available(5457, 0)
    for name in ("Ann", "Ben"):
        world.set_agent(name, 5457, status=ANEW)
    now[0] += 601
    assert codes(runtime.snapshot([account], 5)) == {5457: "unknown_id"}
    now[0] += 15
    snapshot = runtime.snapshot([account], 5)
    assert codes(snapshot) == {5457: 2}
    assert snapshot.queues[0].queue.available_status == (ANEW,)


def test_a_status_that_is_made_again_is_noticed_by_an_agent_who_has_it(
    start_simulator: StartSimulator, make_account: MakeAccount, make_runtime: Callable[..., Runtime]
) -> None:
    """Between two readings of the list, ten minutes apart; not again for one that stays unknown."""
    now = [START]
    world = FixedWorld()
    world.set_available(5457, 3)
    simulator = start_simulator(SimulatedAccount(world))
    sales = Queue(5457, "sales", ("Available",))
    account = make_account(simulator, queues=(sales,), detail="agents")
    runtime = make_runtime(account, clock=lambda: now[0])
    assert codes(runtime.snapshot([account], 5)) == {5457: 3}
    made_again = [replace(s, id=ANEW) if s.id == AVAILABLE else s for s in STATUSES]
    world.set_statuses(made_again)
    world.set_available(5457, 0)
    world.set_agent("Ann", 5457, status=ANEW)
    now[0] += 130
    assert codes(runtime.snapshot([account], 5)) == {5457: "unknown_id"}
    now[0] += 15
    assert codes(runtime.snapshot([account], 5)) == {5457: 1}
    world.set_agent("Ben", 5457, status=1, ready=True)
    for _ in range(12):
        now[0] += 15
        assert codes(runtime.snapshot([account], 5)) == {5457: 1}


def test_a_row_that_contradicts_its_request_has_the_account_verified_in_that_scrape(
    start_simulator: StartSimulator, make_account: MakeAccount, make_runtime: Callable[..., Runtime]
) -> None:
    """The kind: evidence against one number that concerns all others as well."""
    now = [START]
    world = FixedWorld()
    other = next(status.id for status in STATUSES if status.id != AVAILABLE)
    world.set_agent("Ann", 5457, status=other, ready=True)
    world.set_agent("Ben", 5460)
    world.set_agent("Cem", 5460, status=other, ready=True)
    simulator = start_simulator(SimulatedAccount(world))
    account = make_account(simulator, 5457, 5460)
    runtime = make_runtime(account, clock=lambda: now[0])
    assert codes(runtime.snapshot([account], 5)) == {5457: 0, 5460: 1}
    simulator.dialect = Dialect(ignored_filters=frozenset({"agent_status_id"}))
    now[0] += 60
    assert set(codes(runtime.snapshot([account], 5)).values()) == {"filter_ignored"}


def test_a_row_that_contradicts_its_request_hides_no_other_queue_where_filters_are_honoured(
    start_simulator: StartSimulator, make_account: MakeAccount, make_runtime: Callable[..., Runtime]
) -> None:
    now = [START]
    world = FixedWorld()
    world.set_available(5460, 1)
    simulator = start_simulator(SimulatedAccount(world))
    account = make_account(simulator, 5457, 5460)
    runtime = make_runtime(account, clock=lambda: now[0])
    assert codes(runtime.snapshot([account], 5)) == {5457: 0, 5460: 1}
    simulator.faults.set("row-not-ready", queue=5457)
    now[0] += 60
    for sent in (2 + 4, 2):
        simulator.forget_requests()
        assert codes(runtime.snapshot([account], 5)) == {5457: "filter_ignored", 5460: 1}
        assert len(simulator.requests) == sent
        now[0] += 5


def test_a_fetch_that_can_send_nothing_more_is_not_joined() -> None:
    """The kind: a fetch that is over but for its report; here it had a timeout of its own."""
    account = SimpleNamespace(timeout=10.0, name="acme")
    observer: Any = SimpleNamespace(attempt=lambda *_: None)
    attempts = Attempts("acme", observer)
    over = SimpleNamespace(
        begun=boot_seconds(),
        deadline=Deadline.after(-0.1),
        access=SimpleNamespace(account=account),
        attempts=attempts,
    )
    job = cast("Job[Any]", over)
    attempts.attempt_started()
    attempts.abandon()
    assert _is_worth_joining(job), "its request may still be answered"
    attempts.attempt_ended(Attempt(None, 0.1))
    assert not _is_worth_joining(job)


def test_a_fetch_under_other_statuses_is_not_joined(
    start_simulator: StartSimulator, make_account: MakeAccount, make_runtime: Callable[..., Runtime]
) -> None:
    """The kind: work that is shared by a name for less than what it depends on."""
    world = FixedWorld()
    world.set_available(5457, 3)
    simulator = start_simulator(SimulatedAccount(world), dialect=Dialect(unknown_id=200))
    account = make_account(simulator, queues=(Queue(5457, "sales", ("Available",)),))
    runtime = make_runtime(account)
    runtime.snapshot([account], 5)
    simulator.faults.set("hang", seconds=0.3, times=1)
    before = simulator.requests_total
    found: list[Snapshot] = []
    first = in_background(lambda: found.append(runtime.snapshot([account], 5)))
    assert simulator.wait_until(lambda: simulator.requests_total > before)
    world.set_statuses(replace(s, id=ANEW) if s.id == AVAILABLE else s for s in STATUSES)
    world.set_available(5457, 0)
    world.set_agent("Ann", 5457, status=ANEW)
    catalog = runtime.account_state(account).catalog
    ready = (catalog.statuses.rows or {})[AVAILABLE]
    catalog.record(catalog.statuses, {ANEW: replace(ready, id=ANEW)}, boot_seconds())
    assert codes(runtime.snapshot([account], 5)) == {5457: 1}
    first.join()
    assert codes(found[0]) == {5457: "unknown_id"}


@pytest.mark.parametrize("asks", ["the team", "its user"])
def test_a_team_whose_queue_has_another_name_by_now_is_not_known_to_have_nobody(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    asks: str,
) -> None:
    """The kind: what is not found where it is looked for reads as "nobody", for good."""
    now = [START]
    world = FixedWorld({5457: "sales", 5460: "support"})
    world.set_available(5457, 2)
    simulator = start_simulator(SimulatedAccount(world))
    every, sales = replace(ALL, team="b"), Queue(0, "", (AVAILABLE,), team="a")
    account = make_account(
        simulator,
        queues=(),
        every_queue=every,
        exceptions=(QueueException(None, "sales", sales),),
    )
    runtime = make_runtime(account, clock=lambda: now[0])
    teams = {"the team": (None, "a", "b"), "its user": ("a", None, None)}
    of_user, team, other = teams[asks]

    def can_take_call(team: str | None, of_user: str | None) -> bool | None:
        user = of_user and AvailableUser("u", "", None, frozenset({of_user}), 10.0)
        question = Question(None, (), team, only_true=False, timeout=5.0, max_age=0.0)
        return read_available(runtime, question, user or None, 5.0).report.can_take_call

    assert can_take_call(team, of_user) is True
    world.set_queues({5457: "sales 2", 5460: "support"})
    world.set_available(5457, 0)
    now[0] += 601
    runtime.snapshot([account], 5)  # which reads the list
    assert can_take_call(team, of_user) is None
    if other:
        assert can_take_call(other, None) is False, "that team's queues are all there"
    assert can_take_call(None, None) is False


def test_accounts_that_a_reload_renames_meanwhile_are_not_left_out(
    start_simulator: StartSimulator, make_account: MakeAccount, make_runtime: Callable[..., Runtime]
) -> None:
    """The kind: names that are looked up in one configuration, and used with the next one."""
    world = FixedWorld()
    world.set_available(5457, 2)
    simulator = start_simulator(SimulatedAccount(world))
    acme = make_account(simulator)
    runtime = make_runtime(acme, load=lambda: Configuration((replace(acme, name="acme-2"),)))
    read = runtime.read

    def read_after_reload(*arguments: Any, **more: Any) -> Snapshot:
        runtime.reload()
        return read(*arguments, **more)

    cast("Any", runtime).read = read_after_reload
    question = Question(None, (), None, only_true=False, timeout=5.0, max_age=0.0)
    assert read_available(runtime, question, None, 5.0).report.can_take_call is True
