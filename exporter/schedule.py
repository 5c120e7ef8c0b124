"""Opening hours: when somebody should be available to take a call.

Hours are local times in the schedule's time zone. A span belongs to the day on which it begins: one
that runs past midnight ends on the next day, even if that is a closed date, and none begins on a
closed date. Where the clock changes, a time that comes twice counts the first time, and a skipped
time counts as the moment of the change; so no span opens twice, or stays open for hours that the
clock skips.
"""

import functools
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_DAY = 24 * 60
_WEEK = 7 * _DAY

#: From and to, as Unix times; the end is outside.
Opening: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Hours of one day, in minutes after its midnight; an end beyond 24 h is on the next day."""

    start: int
    end: int

    def __str__(self) -> str:
        end = self.end if self.end <= _DAY else self.end - _DAY
        return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in (self.start, end))


@dataclass(frozen=True, slots=True)
class Schedule:
    """The hours of each day of the week, Monday first, without those on closed dates.

    ``closed`` holds first and last dates, both included. ``timezone`` is a name of the tz database.
    """

    timezone: str
    week: tuple[tuple[Span, ...], ...]
    closed: tuple[tuple[date, date], ...] = ()

    def is_open(self, at: float) -> bool:
        """Return whether a Unix time is inside the hours."""
        today = datetime.fromtimestamp(at, ZoneInfo(self.timezone)).date()
        return any(start <= at < end for start, end in _near(self, today))

    def utc_offset(self, at: float) -> float:
        """Return the zone's UTC offset in seconds at a Unix time."""
        return _offset(ZoneInfo(self.timezone), at)

    def is_closed_on(self, day: date) -> bool:
        """Return whether a date is a closed one."""
        return any(first <= day <= last for first, last in self.closed)

    def on(self, day: date) -> tuple[Opening, ...]:
        """Return the spans that begin on a date, without any that the clock skips completely."""
        if self.is_closed_on(day):
            return ()
        zone = ZoneInfo(self.timezone)
        openings = (
            (_instant(zone, day, span.start), _instant(zone, day, span.end))
            for span in self.week[day.weekday()]
        )
        return tuple((start, end) for start, end in openings if start < end)

    def fortnight(self, at: float) -> list[str]:
        """Return the next two weeks in words, a line for each day, for a person to check."""
        zone = ZoneInfo(self.timezone)
        today = datetime.fromtimestamp(at, zone).date()
        return [self._in_words(zone, today + timedelta(days=days)) for days in range(14)]

    def _in_words(self, zone: ZoneInfo, day: date) -> str:
        def clock(at: float) -> str:
            local = datetime.fromtimestamp(at, zone)
            midnight = datetime.combine(day + timedelta(days=1), time(), zone)
            return "24:00" if local == midnight else f"{local:%H:%M}"

        spans = (f"{clock(start)}-{clock(end)}" for start, end in self.on(day))
        hours = ", ".join(spans) or "closed"
        notes = ["closed date"] if self.is_closed_on(day) else []
        dawn, dusk = (_instant(zone, day, minute) for minute in (0, _DAY))
        if change := _offset(zone, dusk) - _offset(zone, dawn):
            direction = "forward" if change > 0 else "back"
            notes.append(f"clocks go {direction} by {timedelta(seconds=abs(change))}")
        return f"{DAYS[day.weekday()]} {day}  {hours}" + (
            f"  ({'; '.join(notes)})" if notes else ""
        )


def overlaps(week: Sequence[Sequence[Span]]) -> Iterator[tuple[int, Span]]:
    """Yield each span that begins before an earlier one ends, and its day of the week."""
    spans = sorted(
        (day * _DAY + span.start, day * _DAY + span.end, day, span)
        for day, spans in enumerate(week)
        for span in spans
    )
    before = max((end for _, end, _, _ in spans), default=0) - _WEEK
    for start, end, day, span in spans:
        if start < before:
            yield day, span
        before = max(before, end)


@functools.lru_cache(maxsize=1024)
def _near(schedule: Schedule, day: date) -> tuple[Opening, ...]:
    """Return the spans of a date, and those of its neighbours that may reach into it."""
    return tuple(span for days in (-1, 0, 1) for span in schedule.on(day + timedelta(days=days)))


def _instant(zone: ZoneInfo, day: date, minute: int) -> float:
    """Return the Unix time at which the clock first shows, or skips, a minute of a day."""
    wall = datetime.combine(day, time()) + timedelta(minutes=minute)
    at = wall.replace(tzinfo=zone).timestamp()
    if datetime.fromtimestamp(at, zone).replace(tzinfo=None) == wall:
        return at
    # Skipped. Without fold it is read with the offset before the change, so it is after it; with
    # fold the reverse. The change is in between.
    before = wall.replace(tzinfo=zone, fold=1).timestamp()
    offset = _offset(zone, before)
    seconds = range(int(before), int(at) + 1)
    return float(seconds[bisect_left(seconds, 1, key=lambda s: _offset(zone, s) != offset)])


def _offset(zone: ZoneInfo, at: float) -> float:
    offset = datetime.fromtimestamp(at, zone).utcoffset()
    return offset.total_seconds() if offset else 0.0
