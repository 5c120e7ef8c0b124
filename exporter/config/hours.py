"""The words of a schedule: days, hours, dates and time zones."""

from __future__ import annotations

import difflib
import re
from datetime import date
from typing import Annotated, Final, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, BeforeValidator

from exporter.config.vocabulary import editors, expected, plainly
from exporter.schedule import DAYS, Span

__all__ = ["ClosedDates", "Days", "HoursList", "TimeZone"]

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
