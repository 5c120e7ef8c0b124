"""The words of a schedule: days, hours, dates and time zones."""

from __future__ import annotations

import difflib
import re
from datetime import date
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, BeforeValidator

from exporter.config.vocabulary import editors, expected, plainly
from exporter.schedule import DAYS, Schedule, Span, overlaps

if TYPE_CHECKING:
    from exporter.config import schema
    from exporter.config.tree import Document

__all__ = ["ClosedDates", "Days", "HoursList", "TimeZone", "schedule"]

_DAY: Final = "|".join(DAYS)
_DAYS: Final = re.compile(rf"({_DAY})(?:-({_DAY}))?")
_TIME: Final = r"(?:[01]?[0-9]|2[0-3]):[0-5][0-9]"
_HOURS: Final = re.compile(rf"({_TIME}) ?- ?({_TIME}|24:00)")
_DATE: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_DATES: Final = re.compile(rf"({_DATE})(?:\.\.({_DATE}))?")
_ZONE: Final = r"[A-Za-z][A-Za-z0-9_+/-]*"


def _days(text: str) -> str:
    if not _DAYS.fullmatch(text):
        raise ValueError
    return text


def _hours(value: object) -> Span:
    found = _HOURS.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise ValueError
    start, end = (
        int(hour) * 60 + int(minute) for hour, minute in (t.split(":") for t in found.groups())
    )
    if start == end:
        raise plainly(
            f"found {value!r}, which is no time or all day; for all day write 00:00-24:00"
        )
    return Span(start, end if end > start else end + 24 * 60)


def _dates(value: object) -> tuple[date, date]:
    found = _DATES.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise ValueError
    first, last = (date.fromisoformat(text) for text in (found[1], found[2] or found[1]))
    if last < first:
        raise plainly(f"found {value!r}, which ends before it begins; expected the earlier first")
    return first, last


def _zone(text: str) -> str:
    try:
        return ZoneInfo(text).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    names = {name.casefold(): name for name in sorted(available_timezones())}
    cities = {name.rpartition("/")[2]: name for name in names}
    wanted = text.casefold().replace(" ", "_")
    near = difflib.get_close_matches(wanted, [*names, *cities], n=1)
    hint = (
        f"did you mean '{names[cities.get(near[0], near[0])]}'?"
        if near
        else "such as Europe/Berlin"
    )
    raise plainly(f"found {text!r}, expected a name of the tz database, {hint}")


Days: TypeAlias = Annotated[
    str,
    AfterValidator(_days),
    expected("a day or a range of days, such as mon-fri or sat"),
    editors(_DAYS.pattern, 7),
]
Hours: TypeAlias = Annotated[
    Span,
    BeforeValidator(_hours),
    expected('hours such as "09:00-18:00", "22:00-06:00" or "00:00-24:00"'),
    editors(_HOURS.pattern, 13),
]
HoursList: TypeAlias = Annotated[
    list[Hours],
    BeforeValidator(
        lambda value: value if isinstance(value, list) else [value],
        json_schema_input_type=Hours | list[Hours],
    ),
]
ClosedDates: TypeAlias = Annotated[
    tuple[date, date],
    BeforeValidator(_dates),
    expected("a date such as 2026-12-24, or first and last as 2026-12-24..2027-01-01"),
    editors(_DATES.pattern, 22),
]
TimeZone: TypeAlias = Annotated[str, AfterValidator(_zone), editors(_ZONE, 100)]


def schedule(name: str, keys: schema.Schedule, document: Document) -> Schedule:
    """Make a schedule, and note days that are there twice and hours that overlap."""
    path = ("schedules", name, "open")
    week: list[tuple[Span, ...]] = [()] * 7
    written: dict[int, str] = {}
    for text, spans in keys.open.items():
        for day in _numbers(text):
            other = written.setdefault(day, text)
            if other == text:
                week[day] = tuple(spans)
            else:
                message = f"found {DAYS[day]}, which is in '{other}' already, expected it once"
                document.refuse(document.key_place(*path, text), message)
    for day, span in overlaps(week):
        text = written[day]
        place = document.place(*path, text, keys.open[text].index(span))
        message = f"found {_clock(span)}, which begins before other hours end, expected no overlap"
        document.refuse(place, message)
    return Schedule(keys.timezone, tuple(week), tuple(keys.closed))


def _numbers(days: str) -> list[int]:
    """Return the days of a range, which may run over Sunday."""
    first, _, last = days.partition("-")
    start, end = DAYS.index(first), DAYS.index(last or first)
    return [(start + day) % 7 for day in range((end - start) % 7 + 1)]


def _clock(span: Span) -> str:
    end = span.end if span.end <= 24 * 60 else span.end - 24 * 60
    return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in (span.start, end))
