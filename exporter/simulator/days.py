"""A world of people who come, take calls, wrap up, have breaks and leave."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, tzinfo
from functools import lru_cache
from random import Random
from typing import Final, TypeAlias

from exporter.simulator.world import (
    AVAILABLE,
    LUNCH,
    NOT_AVAILABLE,
    ON_A_CALL,
    POST_CALL,
    STATUSES,
    Agent,
    Moment,
    Queue,
    person,
)

__all__ = ["Crew", "DayWorld", "Rhythm"]

#: How far back the last shift of somebody who is logged out is looked for, in days.
_LOOK_BACK: Final = 15


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How a crew works: times of day on the zone's clock, days from Monday as 0, mean seconds.

    ``lateness`` is how much earlier or later than said somebody comes, and ``absence`` the chance
    that somebody does not come at all. With 24 ``hours`` a shift goes over into the next.
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
class Crew:
    """Agents who are members of the same queues and work in the same rhythm."""

    agents: int
    queues: tuple[int, ...]
    rhythm: Rhythm = Rhythm()
    team: int = 1


#: From when one agent had which status; the last entry is the end of the shift.
_Shift: TypeAlias = "tuple[list[float], list[int]]"


class DayWorld:
    """An account whose state is a pure function of seed and time: any moment may be asked for."""

    def __init__(
        self, queues: Mapping[int, str], crews: Sequence[Crew], *, seed: str = "calltools"
    ) -> None:
        self._queues = tuple(Queue(id_, name) for id_, name in queues.items())
        self._crews = [crew for crew in crews for _ in range(crew.agents)]
        self._people = [person(f"{seed}/{number}") for number in range(len(self._crews))]
        self._seed = seed
        self._shift = lru_cache(maxsize=1000 + _LOOK_BACK * len(self._crews))(self._make_shift)
        self._moment = self._make_moment(0)

    def at(self, time: float) -> Moment:
        """Return the account in this second."""
        second = math.floor(time)
        moment = self._moment
        if second != moment.time:
            moment = self._moment = self._make_moment(second)
        return moment

    def _make_moment(self, second: int) -> Moment:
        def of_queue(queue: int | None) -> Sequence[Agent]:
            return [
                self._agent(number, second)
                for number, crew in enumerate(self._crews)
                if queue is None or queue in crew.queues
            ]

        return Moment(second, STATUSES, self._queues, of_queue)

    def _agent(self, number: int, now: int) -> Agent:
        crew = self._crews[number]
        today = datetime.fromtimestamp(now, crew.rhythm.zone).toordinal()
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
            frozenset(crew.queues),
            status=statuses[index],
            ready=statuses[index] == AVAILABLE,
            logged_in=here,
            status_since=starts[index],
            logged_in_since=starts[0],
            team=crew.team,
            calls=statuses[: index + 1].count(ON_A_CALL),
            post_call_seconds=crew.rhythm.wrap_up,
        )

    def _make_shift(self, number: int, day: int) -> _Shift | None:
        rhythm = self._crews[number].rhythm
        dice = Random(f"{self._seed}/{number}/{day}")
        on = date.fromordinal(day)
        if on.weekday() not in rhythm.weekdays or dice.random() < rhythm.absence:
            return None
        starts, statuses = [], []
        now = datetime.combine(on, rhythm.start, rhythm.zone).timestamp()
        now += dice.uniform(-rhythm.lateness, rhythm.lateness)
        end = now + rhythm.hours * 3600
        lunch = now + (end - now) * dice.uniform(0.4, 0.6)
        pause = now + _about(rhythm.until_break, dice)
        while now < end:
            todo = [
                (AVAILABLE, rhythm.waiting),
                (ON_A_CALL, rhythm.call),
                (POST_CALL, rhythm.wrap_up),
            ]
            if now > lunch:
                todo, lunch = [(LUNCH, rhythm.lunch)], math.inf
            elif now > pause:
                todo, pause = (
                    [(NOT_AVAILABLE, rhythm.short_break)],
                    now + _about(rhythm.until_break, dice),
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
