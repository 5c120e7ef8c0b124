"""The alerts that there must be in a queue's week, and those that there must not be."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.paging.world import Interval, QueueWeek

#: An agent who is available for less than this ends no spell: the alert is due anyway ...
BLINK = 10
#: ... and may be sent if this number of scrapes in a row see the agent, by the interval in seconds:
#: what one scrape of 30 s sees may have lasted five seconds or nearly a minute.
BLINK_SCRAPES = {15: 2, 30: 1}
#: A scrape reads the queue up to this long after its time.
READ_WITHIN = 3
#: The aim: no spell of this length is missed ...
LENGTH = 360
#: ... and this long after it began the alert fires.
PAGED_WITHIN = 300
#: Before this there is no alert, whatever the window still holds of the time before.
EARLIEST = 180
#: A scrape, its recording and the alert's evaluation: for so long, an alert may not know of a
#: change.
LAG = 75


@dataclass(frozen=True)
class Spell:
    """A time in open hours without an agent, but for blinks.

    `earliest` and `latest` are when an alert for it may begin, `due_from` from when on six minutes
    of it could be read, None if never. At `known` it must be over for the rules too.
    """

    start: float
    end: float
    earliest: float
    latest: float
    due_from: float | None
    known: float


def spells(week: QueueWeek) -> list[Spell]:
    """Return all empty spells in open hours, in order."""
    if not week.required:
        return []
    reading = _Reading(week)
    tolerated = (BLINK_SCRAPES[week.interval] + 1) * week.interval + READ_WITHIN
    tolerant = _merged(_empty(week), tolerated)
    found = []
    for start, end in _merged(_empty(week), BLINK):
        since = next(first for first, last in tolerant if first <= start < last)
        due = next((at for at in _steps(start, end - LENGTH) if reading.is_good(at)), None)
        latest = min(end + LAG, week.length)
        found.append(
            Spell(start, end, since + EARLIEST, latest, due, reading.known_to_be_over(end))
        )
    return found


def forbidden(week: QueueWeek, found: list[Spell]) -> list[Interval]:
    """Return the times in which an alert, new or old, would be false."""
    quiet: list[Interval] = []
    at = 0.0
    for spell in found:
        if spell.earliest < spell.latest:
            quiet.append((at, spell.earliest))
            at = max(at, spell.known)
    quiet.append((at, week.length))
    return [(start, end) for start, end in quiet if start + 30 < end]


def over(found: list[Spell]) -> list[Interval]:
    """Return the times in which an old alert may still be held, but none may begin."""
    ends = [spell.earliest for spell in found[1:]] + [float("inf")]
    return [
        (spell.latest, min(spell.known, end))
        for spell, end in zip(found, ends, strict=False)
        if spell.latest + 30 < min(spell.known, end)
    ]


def _empty(week: QueueWeek) -> Iterator[Interval]:
    ends = [at for at, _ in week.staffing[1:]] + [float(week.length)]
    for (start, agents), end in zip(week.staffing, ends, strict=True):
        for opens, closes in week.openings:
            first, last = max(start, opens, 0), min(end, closes, week.length)
            if agents == 0 and first < last:
                yield first, last


def _merged(intervals: Iterator[Interval], gap: float) -> list[Interval]:
    """Return intervals as one where they are less than a number of seconds apart."""
    merged: list[Interval] = []
    for start, end in intervals:
        if merged and start - merged[-1][1] < gap:
            merged[-1] = (merged[-1][0], end)
        else:
            merged.append((start, end))
    return merged


def _steps(start: float, end: float) -> Iterator[float]:
    at = start
    while at <= end:
        yield at
        at += 15


class _Reading:
    """When a queue could be read, and what was seen of its end."""

    def __init__(self, week: QueueWeek) -> None:
        self._week = week
        scrapes = sorted(
            (scrape for replica in week.scrapes for scrape in replica), key=lambda scrape: scrape.at
        )
        self._tried = [scrape.at for scrape in scrapes]
        self._read = [
            scrape.at
            for scrape in scrapes
            if scrape.reached and not scrape.lost and scrape.available is not None
        ]
        self._reached = [scrape.at for scrape in scrapes if scrape.reached and not scrape.lost]

    def is_good(self, start: float) -> bool:
        """Return whether a queue was read well enough in the six minutes from a time on.

        That is: never not at all for more than a minute, and in seven of ten scrapes.
        """
        end = start + LENGTH
        read = _within(self._read, start - 30, end)
        around = [start - 30, *read, end]
        gaps = (later - earlier for earlier, later in itertools.pairwise(around))
        return max(gaps) <= 60 and len(read) >= 0.7 * len(_within(self._tried, start - 30, end))

    def known_to_be_over(self, end: float) -> float:
        """Return when the rules must know that a spell is over: closed, or staffed for long."""
        if not self._week.is_open(end):
            after = next((at for at in self._reached if at >= end), self._week.length)
            return min(after + LAG, self._week.length)
        for at in _steps(end, self._week.length):
            if not self._week.is_open(at):
                return self.known_to_be_over(at)
            if self._staffed(at, at + 150) and self._steady(at, at + 150):
                return min(at + 150 + LAG, self._week.length)
        return self._week.length

    def _staffed(self, start: float, end: float) -> bool:
        times = self._week.staffing
        held = [agents for at, agents in times if at <= start][-1:]
        return all(held + [agents for at, agents in times if start < at < end])

    def _steady(self, start: float, end: float) -> bool:
        around = [start, *_within(self._read, start, end), end]
        return max(later - earlier for earlier, later in itertools.pairwise(around)) < 36


def _within(times: list[int], start: float, end: float) -> list[float]:
    return [float(at) for at in times[bisect_left(times, start) : bisect_left(times, end)]]
