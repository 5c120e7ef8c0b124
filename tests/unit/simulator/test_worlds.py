"""The worlds behind the simulated API."""

from __future__ import annotations

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.simulator import AVAILABLE
from exporter.simulator.world import (
    LUNCH,
    ON_A_CALL,
    POST_CALL,
    STATUSES,
    Agent,
    Status,
    World,
)
from tests.simulator import Clock, FixedWorld
from tests.simulator.days import DayWorld, ShiftPattern, Team

SALES, SUPPORT = 5457, 5460
DAY = datetime(2026, 7, 27, tzinfo=UTC).timestamp()  # a Monday
#: Moments of two weeks, in seconds from there.
MOMENTS = st.floats(min_value=DAY, max_value=DAY + 14 * 86400)


def make_world(seed: str = "test", pattern: ShiftPattern | None = None) -> DayWorld:
    pattern = pattern or ShiftPattern()
    teams = [Team(4, (SALES,), pattern), Team(2, (SALES, SUPPORT), pattern)]
    return DayWorld({SALES: "sales", SUPPORT: "support"}, teams, seed=seed)


WORLD = make_world()
#: Shifts that begin about midnight, and those that go over into the next.
NIGHT = make_world(pattern=ShiftPattern(start=time(0), weekdays=frozenset(range(7))))
ALWAYS = make_world(
    pattern=ShiftPattern(hours=24, lateness=0, absence=0, weekdays=frozenset(range(7)))
)


def agents(world: World, at: float, queue: int | None = None) -> list[Agent]:
    return list(world.at(at).agents(queue))


@given(st.lists(MOMENTS, min_size=1, max_size=5), st.sampled_from([None, SALES, SUPPORT]))
def test_a_day_depends_on_seed_and_time_alone(moments: list[float], queue: int | None) -> None:
    fresh = make_world()
    forth = [agents(fresh, at, queue) for at in moments]
    back = [agents(WORLD, at, queue) for at in reversed(moments)]
    assert forth == back[::-1]


def test_another_seed_is_another_day() -> None:
    noon = DAY + 12 * 3600
    assert agents(make_world("one"), noon) != agents(make_world("two"), noon)


@given(MOMENTS)
def test_what_an_agent_does_is_sane(at: float) -> None:
    pattern = ShiftPattern()
    longest = {
        AVAILABLE: pattern.waiting,
        ON_A_CALL: pattern.call,
        POST_CALL: pattern.wrap_up,
        LUNCH: pattern.lunch,
    }
    for agent in agents(WORLD, at):
        assert agent.logged_in_since <= agent.status_since <= at
        assert agent.ready == (agent.status == AVAILABLE)
        assert agent.logged_in or not agent.ready
        if agent.status in longest:
            assert at - agent.status_since <= 5 * longest[agent.status] + 1
        if agent.logged_in:
            assert at - agent.logged_in_since < pattern.hours * 3600 + 1


@given(MOMENTS, st.sampled_from([WORLD, NIGHT, ALWAYS]))
def test_a_status_lasts_from_when_it_says(at: float, world: DayWorld) -> None:
    """The status of a moment began when it says, and another one was there before."""
    for index, now in enumerate(agents(world, at)):
        begun = agents(world, min(at, now.status_since + 1))[index]
        assert (begun.status, begun.status_since) == (now.status, now.status_since)
        before = agents(world, now.status_since - 1)[index]
        assert before.status_since < now.status_since


@given(st.integers(min_value=0, max_value=13), st.floats(min_value=0, max_value=8))
def test_at_night_everybody_has_left(day: int, hour: float) -> None:
    night = agents(WORLD, DAY + day * 86400 + hour * 3600)
    assert len(night) == 6
    assert not any(agent.logged_in for agent in night)


@pytest.mark.parametrize(("day", "works"), [(0, True), (4, True), (5, False), (6, False)])
def test_the_week_has_its_days(day: int, works: bool) -> None:
    noon = DAY + day * 86400 + 12 * 3600
    assert any(agent.logged_in for agent in agents(WORLD, noon)) is works


def test_a_day_is_a_day_of_its_zone() -> None:
    west = make_world(pattern=ShiftPattern(zone=ZoneInfo("America/Los_Angeles"), absence=0))
    assert not any(agent.logged_in for agent in agents(west, DAY + 14 * 3600))
    assert all(agent.logged_in for agent in agents(west, DAY + 20 * 3600))


def test_who_works_around_the_clock_never_leaves() -> None:
    assert all(a.logged_in for hour in range(100) for a in agents(ALWAYS, DAY + hour * 3600))


def test_a_day_is_filled_with_calls() -> None:
    late = agents(make_world(pattern=ShiftPattern(absence=0)), DAY + 16.5 * 3600)
    assert all(40 <= agent.calls <= 120 for agent in late)


def test_who_never_came_is_logged_out() -> None:
    nobody = make_world(pattern=ShiftPattern(absence=1))
    assert not any(agent.logged_in for agent in agents(nobody, DAY + 12 * 3600))


def test_members_of_queues() -> None:
    assert len(agents(WORLD, DAY, SUPPORT)) == 2
    assert len({agent.app_user for agent in agents(WORLD, DAY)}) == 6
    assert agents(WORLD, DAY, 1) == []


def test_a_second_has_one_answer() -> None:
    assert WORLD.at(DAY + 0.1) is WORLD.at(DAY + 0.9)
    assert WORLD.at(DAY) is not WORLD.at(DAY + 1)


def test_a_fixed_world_is_what_it_was_set_to() -> None:
    world = FixedWorld({1: "one", 2: "two"})
    world.set_available(1, 3)
    world.set_available(2, 1)
    ada = world.set_agent("Ada Quillmarrow", 1, 2, status=LUNCH)
    assert [len(agents(world, 0, queue)) for queue in (None, 1, 2)] == [5, 4, 2]
    assert ada in agents(world, 0, 2)
    assert not ada.ready
    assert world.set_agent("Ada Quillmarrow", 2).app_user == ada.app_user
    assert len(agents(world, 0, 1)) == 3
    world.remove_agent("Ada Quillmarrow")
    world.set_available(1, 0)
    assert [len(agents(world, 0, queue)) for queue in (None, 1, 2)] == [1, 0, 1]


def test_lists_of_a_fixed_world_can_be_replaced() -> None:
    world = FixedWorld()
    world.set_available(SALES, 2)
    before = world.at(0)
    world.set_queues({SALES: "inbound"})
    world.set_statuses([Status(1815, "Ready", "set ready"), *STATUSES[1:]])
    now = world.at(0)
    assert now is not before
    assert [queue.name for queue in now.queues] == ["inbound"]
    assert [status.id for status in now.statuses][:1] == [1815]
    assert len(now.agents(SALES)) == 2


def test_a_clock_is_set_stopped_and_hurried() -> None:
    clock = Clock()
    assert abs(clock() - datetime.now(UTC).timestamp()) < 60
    clock.set(1000.0, speed=0)
    assert clock() == clock() == 1000.0
    clock.set(1000.0, speed=1e9)
    assert clock() > 1000.0
