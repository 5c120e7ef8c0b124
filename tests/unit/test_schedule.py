"""Opening hours, against a clock that is read minute by minute."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.schedule import Schedule, Span, overlaps

MINUTE = 60
HOUR = 3600
ZONES = [
    "UTC",
    "America/New_York",
    "America/St_Johns",
    "America/Havana",
    "America/Sao_Paulo",
    "America/Santiago",
    "America/Scoresbysund",
    "Africa/Cairo",
    "Africa/Casablanca",
    "Antarctica/Troll",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Europe/Dublin",
    "Pacific/Apia",
    "Pacific/Chatham",
]


def at(text: str, timezone: str, fold: int = 0) -> float:
    """Return the Unix time of a time on the wall."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(timezone), fold=fold).timestamp()


def daily(*spans: tuple[int, int]) -> tuple[tuple[Span, ...], ...]:
    return (tuple(Span(start, end) for start, end in spans),) * 7


class Wall:
    """A clock on a wall that somebody looks at each minute, for some days before and after."""

    def __init__(self, zone: ZoneInfo, moment: datetime, days: int = 4) -> None:
        start = int(moment.timestamp()) // MINUTE * MINUTE - days * 24 * HOUR
        self.seconds = range(start, start + 2 * days * 24 * HOUR, MINUTE)
        self.shown = [
            datetime.fromtimestamp(second, zone).replace(tzinfo=None) for second in self.seconds
        ]
        highest = self.shown[0]
        self.first: dict[datetime, int] = {}
        for second, shown in zip(self.seconds, self.shown, strict=True):
            while highest <= shown:
                self.first[highest] = second
                highest += timedelta(minutes=1)

    def spans(self, schedule: Schedule) -> list[tuple[int, int]]:
        """Open at the first look at which the clock is at the start or past it, until the end."""
        spans = []
        for day in sorted({shown.date() for shown in self.first}):
            if any(first <= day <= last for first, last in schedule.closed):
                continue
            midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - on the wall
            for span in schedule.week[day.weekday()]:
                opens = self.first.get(midnight + timedelta(minutes=span.start))
                closes = self.first.get(midnight + timedelta(minutes=span.end))
                if opens is not None and closes is not None:
                    spans.append((opens, closes))
        return spans


def spans_of_a_day(marks: st.SearchStrategy[int]) -> st.SearchStrategy[tuple[Span, ...]]:
    """Return up to two spans between marks, or one that may run past midnight."""

    def pairs(minutes: Sequence[int]) -> tuple[Span, ...]:
        ordered = sorted(minutes)
        return tuple(itertools.starmap(Span, zip(ordered[::2], ordered[1::2], strict=False)))

    def one(start: int, end: int) -> tuple[Span, ...]:
        return (Span(start, end if end > start else end + 1440),)

    several = st.lists(marks, max_size=4, unique=True).map(pairs)
    return st.one_of(several, st.builds(one, marks.filter(lambda mark: mark < 1440), marks))


@functools.cache
def changes(zone: str) -> list[datetime]:
    """Return when the offset of a zone changes, to the hour, around the years of use."""
    hours = range(int(datetime(1987, 1, 1, tzinfo=UTC).timestamp()), 2**31, 24 * HOUR)
    offsets = [datetime.fromtimestamp(hour, ZoneInfo(zone)).utcoffset() for hour in hours]
    days = [day for day, (one, two) in enumerate(itertools.pairwise(offsets)) if one != two]
    found = []
    for day in days:
        for second in range(hours[day], hours[day + 1], 15 * MINUTE):
            if datetime.fromtimestamp(second, ZoneInfo(zone)).utcoffset() != offsets[day]:
                found.append(datetime.fromtimestamp(second, UTC))
                break
    return found


@st.composite
def situations(draw: st.DrawFn) -> tuple[Schedule, datetime]:
    """Return a schedule and a moment to look at it: any, or one at which the clock changes.

    Many of the hours then begin or end near that change, in the time that comes twice or never.
    """
    zone = draw(st.sampled_from(ZONES))
    anywhere = st.datetimes(datetime(1972, 1, 1), datetime(2099, 12, 20), timezones=st.just(UTC))  # noqa: DTZ001
    moment = draw(st.sampled_from(changes(zone)) if changes(zone) else anywhere)
    moment = draw(st.sampled_from([moment, draw(anywhere)]))
    local = moment.astimezone(ZoneInfo(zone))
    near = st.integers(-8, 8).map(lambda n: (local.hour * 60 + local.minute + 15 * n) % 1440)
    marks = st.one_of(near, near, st.integers(0, 1440))
    week = draw(st.tuples(*[spans_of_a_day(marks)] * 7))
    closed = draw(st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 2)), max_size=1))
    dates = (
        (moment.date() + timedelta(days=first), moment.date() + timedelta(days=first + more))
        for first, more in closed
    )
    return Schedule(zone, week, tuple(dates)), moment


@given(situation=situations())
def test_it_is_what_a_clock_on_the_wall_says(situation: tuple[Schedule, datetime]) -> None:
    schedule, moment = situation
    wall = Wall(ZoneInfo(schedule.timezone), moment)
    middle = len(wall.seconds) // 2
    seconds = wall.seconds[middle - 720 : middle + 720 : 5]

    spans = wall.spans(schedule)
    for second in seconds:
        expected = any(opens <= second < closes for opens, closes in spans)
        assert schedule.is_open(second) is expected


@given(week=st.tuples(*[spans_of_a_day(st.integers(0, 96).map(lambda n: n * 15))] * 7))
def test_an_overlap_is_a_minute_that_two_spans_have(week: tuple[tuple[Span, ...], ...]) -> None:
    minutes = [
        (day * 1440 + minute) % 10080
        for day, spans in enumerate(week)
        for span in spans
        for minute in range(span.start, span.end)
    ]

    assert any(overlaps(week)) is (len(minutes) != len(set(minutes)))


def test_the_end_is_outside() -> None:
    office = Schedule("America/New_York", daily((9 * 60, 18 * 60)))

    assert not office.is_open(at("2026-06-01 08:59:59", "America/New_York"))
    assert office.is_open(at("2026-06-01 09:00", "America/New_York"))
    assert office.is_open(at("2026-06-01 17:59:59", "America/New_York"))
    assert not office.is_open(at("2026-06-01 18:00", "America/New_York"))


def test_a_night_runs_into_a_closed_date_and_does_not_begin_on_it() -> None:
    zone = "Europe/Berlin"
    night = Schedule(zone, daily((22 * 60, 30 * 60)), ((date(2026, 12, 24), date(2026, 12, 25)),))

    assert night.is_open(at("2026-12-24 05:59", zone))
    assert not night.is_open(at("2026-12-24 23:00", zone))
    assert not night.is_open(at("2026-12-25 05:00", zone))
    assert not night.is_open(at("2026-12-26 05:00", zone))
    assert night.is_open(at("2026-12-26 22:00", zone))


@pytest.mark.parametrize(
    ("hours", "opens", "closes"),
    [
        ((90, 300), "2026-03-08 01:30", "2026-03-08 05:00"),
        ((150, 300), "2026-03-08 03:00", "2026-03-08 05:00"),
        ((60, 150), "2026-03-08 01:00", "2026-03-08 03:00"),
        ((120, 180), None, None),
    ],
    ids=["across", "begins", "ends", "within"],
)
def test_where_the_clock_skips_an_hour(
    hours: tuple[int, int], opens: str | None, closes: str | None
) -> None:
    zone = "America/New_York"
    openings = Schedule(zone, daily(hours)).on(date(2026, 3, 8))

    expected = [] if opens is None or closes is None else [(at(opens, zone), at(closes, zone))]
    assert list(openings) == expected


@pytest.mark.parametrize(
    ("hours", "length"),
    [((0, 24 * 60), 25), ((90, 300), 4.5), ((0, 90), 1.5), ((60, 120), 2), ((75, 105), 0.5)],
    ids=["across", "begins", "ends", "the whole hour", "within"],
)
def test_where_the_clock_shows_an_hour_twice_the_first_counts(
    hours: tuple[int, int], length: float
) -> None:
    zone = "America/New_York"
    ((opens, closes),) = Schedule(zone, daily(hours)).on(date(2026, 11, 1))

    assert opens == at("2026-11-01", zone) + hours[0] * MINUTE
    assert closes - opens == length * HOUR


def test_the_offset_is_the_zone_s_at_that_time() -> None:
    zone = "Australia/Lord_Howe"
    schedule = Schedule(zone, daily())

    assert schedule.utc_offset(at("2026-07-01", zone)) == 10.5 * HOUR
    assert schedule.utc_offset(at("2026-12-01", zone)) == 11 * HOUR


def test_a_fortnight_in_words() -> None:
    zone = "America/New_York"
    weekdays = (Span(9 * 60, 18 * 60),)
    schedule = Schedule(
        zone,
        (*[weekdays] * 4, (Span(8 * 60, 12 * 60), Span(22 * 60, 30 * 60)), (Span(0, 24 * 60),), ()),
        ((date(2026, 11, 3), date(2026, 11, 3)),),
    )

    assert schedule.fortnight(at("2026-10-29 12:00", zone)) == [
        "thu 2026-10-29  09:00-18:00",
        "fri 2026-10-30  08:00-12:00, 22:00-06:00",
        "sat 2026-10-31  00:00-24:00",
        "sun 2026-11-01  closed  (clocks go back by 1:00:00)",
        "mon 2026-11-02  09:00-18:00",
        "tue 2026-11-03  closed  (closed date)",
        "wed 2026-11-04  09:00-18:00",
        "thu 2026-11-05  09:00-18:00",
        "fri 2026-11-06  08:00-12:00, 22:00-06:00",
        "sat 2026-11-07  00:00-24:00",
        "sun 2026-11-08  closed",
        "mon 2026-11-09  09:00-18:00",
        "tue 2026-11-10  09:00-18:00",
        "wed 2026-11-11  09:00-18:00",
    ]


def test_hours_that_begin_before_the_clock_goes_back_to_the_day_before() -> None:
    zone = "America/St_Johns"  # on 2006-10-29 at 00:01 it was 23:01 on the 28th again
    schedule = Schedule(zone, daily((0, 6 * 60)))
    midnight = at("2006-10-28 23:59", zone) + MINUTE

    assert schedule.is_open(midnight)
    assert schedule.is_open(midnight + 30 * MINUTE)
    assert schedule.on(date(2006, 10, 29)) == ((midnight, midnight + 7 * HOUR),)
