"""What happens to a queue in simulated time, and what Prometheus gets to see of it."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from random import Random

from exporter.schedule import Schedule, Span

HOUR, DAY = 3600, 86400

Interval = tuple[float, float]

WORKDAY = (Span(540, 1080),)
HOLIDAYS = ((date(2026, 11, 26), date(2026, 11, 26)), (date(2026, 12, 24), date(2027, 1, 1)))
SCHEDULES = (
    None,
    Schedule("America/New_York", (WORKDAY,) * 5 + ((), ()), HOLIDAYS),
    Schedule("Europe/Berlin", ((Span(1200, 1560),),) * 7),
    Schedule("Asia/Kolkata", ((Span(480, 780), Span(810, 1320)),) * 6 + ((),), HOLIDAYS),
    Schedule("Australia/Lord_Howe", ((Span(0, 240), Span(600, 1440)),) * 7),
)


@dataclass(frozen=True)
class Setup:
    """How a queue is watched: the scrape interval in seconds, and how many exporters."""

    interval: int
    replicas: int


@dataclass(frozen=True)
class Scrape:
    """One scrape of one exporter; `lost` is one that Prometheus did not even note as failed."""

    at: int
    reached: bool
    lost: bool
    available: int | None


@dataclass(frozen=True)
class QueueWeek:
    """The truth of one queue over `length` seconds, and the scrapes of its exporters.

    At `removed` it is taken out of the configuration, with the whole account if `account_removed`;
    its openings end there.
    """

    name: str
    interval: int
    required: int
    length: int
    openings: tuple[Interval, ...]
    staffing: tuple[tuple[float, int], ...]
    scrapes: tuple[tuple[Scrape, ...], ...]
    removed: float
    account_removed: bool

    def is_open(self, at: float) -> bool:
        """Return whether the queue is open at a time."""
        return any(start <= at < end for start, end in self.openings)


def make_week(name: str, setup: Setup, begins: float, length: int, seed: str) -> QueueWeek:
    """Return a queue's week, from a Unix time on, made by chance but the same for the same seed."""
    chance = Random(seed)
    schedule = chance.choice(SCHEDULES)
    openings: tuple[Interval, ...] = ((0, length),)
    if schedule is not None:
        found = _openings(schedule, begins - DAY, begins + length + DAY)
        openings = tuple((start - begins, end - begins) for start, end in found)
    faults = _Faults.by(chance, length)
    times = [_times(chance, setup.interval, length) for _ in range(setup.replicas)]
    staffing = _staffing(chance, openings if schedule else (), length, times[0])
    removed = _removed(chance, staffing, openings, length)
    return QueueWeek(
        name,
        setup.interval,
        0 if chance.random() < 0.1 else 1,
        length,
        tuple((start, min(end, removed)) for start, end in openings if start < removed),
        staffing,
        tuple(tuple(_scrapes(chance, each, length, staffing, faults)) for each in times),
        removed,
        chance.random() < 0.5,
    )


def _times(chance: Random, interval: int, length: int) -> list[tuple[int, float]]:
    """Return when an exporter is scraped, and when it then reads the queue."""
    first = chance.randrange(0, interval, 5)
    return [(at, at + chance.uniform(0.1, 3)) for at in range(first, length, interval)]


def _removed(
    chance: Random,
    staffing: Sequence[tuple[float, int]],
    openings: Sequence[Interval],
    length: int,
) -> float:
    """Return when the queue is removed: mostly while its alert is out, in the last quarter."""
    times = [at for at, _ in staffing] + [float(length)]
    moments = [
        start + chance.uniform(400, end - start)
        for (start, agents), end in zip(staffing, times[1:], strict=True)
        if agents == 0 and end - start > 420 and start > 0.75 * length
    ]
    while moments and chance.random() < 0.9:
        moment = moments.pop(chance.randrange(len(moments)))
        if any(opens < moment - 400 and moment < closes for opens, closes in openings):
            return moment
    return length


def _staffing(
    chance: Random,
    openings: Iterable[Interval],
    length: int,
    times: Sequence[tuple[int, float]],
) -> tuple[tuple[float, int], ...]:
    """Return from when on how many agents are available."""
    reads = [read_at for _, read_at in times]
    empty: list[Interval] = []
    at = 0.0
    while at < length:
        at += chance.expovariate(1 / 2400)
        lasts = chance.choices(
            (
                chance.uniform(3, 120),
                chance.uniform(120, 240),
                chance.uniform(240, 400),
                chance.uniform(400, 5400),
            ),
            (45, 20, 15, 20),
        )[0]
        empty += _blinking(chance, at, at + lasts, reads)
        at += lasts
    for (_, closes), (opens, _) in itertools.pairwise(openings):
        if chance.random() < 0.8:  # shifts end and begin around closing and opening time
            empty.append((closes + chance.uniform(-700, 900), opens + chance.uniform(-900, 700)))
    steps: list[tuple[float, int]] = []
    end = 0.0
    for start, until in sorted(empty):
        if start > end:
            steps.append((end, chance.randint(1, 4)))
        if start < until and until > end:
            steps.append((max(start, end), 0))
        end = max(end, until)
    steps.append((end, 1))
    return tuple(steps)


def _blinking(
    chance: Random, start: float, end: float, reads: Sequence[float]
) -> Iterator[Interval]:
    """Yield an empty spell, in some cases with an agent who appears for some seconds.

    Some appear just when a scrape reads the queue, in the first minutes or later.
    """
    blinks = chance.random() < 0.4
    soonest = chance.choice((60, 280))
    while blinks and end - start > 600:
        blink = start + chance.uniform(soonest, 600)
        lasts = chance.uniform(2, 8)
        if chance.random() < 0.5 and (seen := bisect_right(reads, blink)) < len(reads):
            blink = reads[seen] - chance.uniform(0, 1)
        yield start, blink
        start = blink + lasts
        soonest = 280
    yield start, end


@dataclass(frozen=True)
class _Faults:
    """When the API fails, is throttling, and when Prometheus loses scrapes; for all replicas."""

    failing: float
    outages: tuple[Interval, ...]
    throttled: tuple[Interval, ...]
    lost: tuple[Interval, ...]

    @classmethod
    def by(cls, chance: Random, length: int) -> _Faults:
        return cls(
            chance.choice((0, 0.01, 0.05, 0.1)),
            tuple(_spells(chance, length, 0.8, 20, 2700)),
            tuple(_spells(chance, length, 0.4, 300, 1800)),
            tuple(_spells(chance, length, 0.7, 20, 90)),
        )


def _spells(
    chance: Random, length: int, a_day: float, shortest: float, longest: float
) -> Iterator[Interval]:
    at = chance.expovariate(a_day / DAY)
    while at < length:
        lasts = chance.uniform(shortest, longest)
        yield at, at + lasts
        at += lasts + chance.expovariate(a_day / DAY)


def _scrapes(
    chance: Random,
    scrape_times: Iterable[tuple[int, float]],
    length: int,
    staffing: tuple[tuple[float, int], ...],
    faults: _Faults,
) -> Iterator[Scrape]:
    times = [at for at, _ in staffing]
    restarts = tuple(_spells(chance, length, 1.0, 15, 75))
    held_until = 0.0
    for at, read_at in scrape_times:
        reached = not _during(restarts, at) and chance.random() > 0.003
        failed = (
            read_at < held_until
            or _during(faults.outages, read_at)
            or chance.random() < faults.failing
        )
        if _during(faults.throttled, read_at) and not failed and chance.random() < 0.3:
            failed, held_until = True, read_at + chance.choice((0, 30, 60))
        step = bisect_right(times, read_at) - 1
        yield Scrape(
            at,
            reached,
            _during(faults.lost, at),
            None if failed else staffing[max(step, 0)][1],
        )


def _openings(schedule: Schedule, start: float, end: float) -> list[Interval]:
    """Return when a schedule is open between two Unix times; spans that touch are one."""
    first, last = (datetime.fromtimestamp(at, UTC).toordinal() for at in (start, end))
    days = (date.fromordinal(day) for day in range(first - 2, last + 3))
    merged: list[Interval] = []
    for span in sorted(span for day in days for span in schedule.on(day)):
        opens, closes = max(span[0], start), min(span[1], end)
        if merged and opens <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(closes, merged[-1][1])
        elif opens < closes:
            merged.append((opens, closes))
    return merged


def _during(intervals: Iterable[Interval], at: float) -> bool:
    return any(start <= at < end for start, end in intervals)
