"""A world of agents who arrive, take calls, wrap up, take breaks and leave."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, tzinfo
from functools import lru_cache
from random import Random
from typing import TypeAlias

from exporter.simulator.world import (
    AVAILABLE,
    LUNCH,
    NOT_AVAILABLE,
    ON_A_CALL,
    POST_CALL,
    STATUSES,
    AccountMoment,
    Agent,
    Queue,
    person,
)

#: How far to look back for the last shift of a logged-out agent, in days.
_LOOK_BACK = 15


@dataclass(frozen=True, slots=True)
class ShiftPattern:
    """How a team works: local times of day, days with Monday as 0, mean seconds.

    ``lateness`` is how much earlier or later an agent arrives, and ``absence`` the chance that an
    agent does not come at all. With 24 ``hours``, shifts follow each other without a gap.
    """

    zone: tzinfo = UTC
    weekdays: frozenset[int] = frozenset(range(5))
    start: time = time(9)
    hours: float = 8.0
    lateness: float = 600.0
    absence: float = 0.05
    waiting: float = 90.0
    call: float = 240.0
    wrap_up: float = 45.0
    until_break: float = 5400.0
    short_break: float = 600.0
    lunch: float = 1800.0


@dataclass(frozen=True, slots=True)
class Team:
    """Agents who are members of the same queues and work by the same shift pattern."""

    agents: int
    queues: tuple[int, ...]
    pattern: ShiftPattern = ShiftPattern()


#: From when one agent had which status; the last entry is the end of the shift.
_Shift: TypeAlias = "tuple[list[float], list[int]]"


class DayWorld:
    """An account whose state is a pure function of seed and time, for any moment."""

    def __init__(
        self, queues: Mapping[int, str], teams: Sequence[Team], *, seed: str = "calltools"
    ) -> None:
        self._queues = tuple(Queue(id_, name) for id_, name in queues.items())
        self._teams = [team for team in teams for _ in range(team.agents)]
        self._people = [person(f"{seed}/{number}") for number in range(len(self._teams))]
        self._seed = seed
        self._shift = lru_cache(maxsize=1000 + _LOOK_BACK * len(self._teams))(self._make_shift)
        self._moment = self._make_moment(0)

    def at(self, time: float) -> AccountMoment:
        """Return the account in this second."""
        second = math.floor(time)
        moment = self._moment
        if second != moment.time:
            moment = self._moment = self._make_moment(second)
        return moment

    def _make_moment(self, second: int) -> AccountMoment:
        def of_queue(queue: int | None) -> Sequence[Agent]:
            return [
                self._agent(number, second)
                for number, team in enumerate(self._teams)
                if queue is None or queue in team.queues
            ]

        return AccountMoment(second, STATUSES, self._queues, of_queue)

    def _agent(self, number: int, now: int) -> Agent:
        team = self._teams[number]
        today = datetime.fromtimestamp(now, team.pattern.zone).toordinal()
        starts, statuses = [0.0], [NOT_AVAILABLE]
        # somebody early may come before the day whose shift it is
        for day in range(today + 1, today - _LOOK_BACK, -1):
            shift = self._shift(number, day)
            if shift is not None and shift[0][0] <= now:
                starts, statuses = shift
                break
        index = bisect_right(starts, now) - 1
        here = index < len(starts) - 1
        return Agent(
            *self._people[number],
            frozenset(team.queues),
            status=statuses[index],
            ready=statuses[index] == AVAILABLE,
            logged_in=here,
            status_since=starts[index],
            logged_in_since=starts[0],
            calls=statuses[: index + 1].count(ON_A_CALL),
        )

    def _make_shift(self, number: int, day: int) -> _Shift | None:
        pattern = self._teams[number].pattern
        dice = Random(f"{self._seed}/{number}/{day}")
        on = date.fromordinal(day)
        if on.weekday() not in pattern.weekdays or dice.random() < pattern.absence:
            return None
        starts, statuses = [], []
        now = datetime.combine(on, pattern.start, pattern.zone).timestamp()
        now += dice.uniform(-pattern.lateness, pattern.lateness)
        end = now + pattern.hours * 3600
        lunch = now + (end - now) * dice.uniform(0.4, 0.6)
        pause = now + _about(pattern.until_break, dice)
        while now < end:
            todo = [
                (AVAILABLE, pattern.waiting),
                (ON_A_CALL, pattern.call),
                (POST_CALL, pattern.wrap_up),
            ]
            if now > lunch:
                todo, lunch = [(LUNCH, pattern.lunch)], math.inf
            elif now > pause:
                todo, pause = (
                    [(NOT_AVAILABLE, pattern.short_break)],
                    now + _about(pattern.until_break, dice),
                )
            for status, seconds in todo:
                if now < end:
                    starts.append(now)
                    statuses.append(status)
                now += _about(seconds, dice)
        starts.append(end)
        statuses.append(NOT_AVAILABLE)
        return starts, statuses


def _about(seconds: float, dice: Random) -> float:
    """Return a time with this mean: seldom very short, never more than five times as long."""
    return min(dice.gammavariate(3, seconds / 3), 5 * seconds)
