"""The types of the configuration's values: each says in one sentence what it expects.

Each has the sentence for a person and the pattern for an editor. What does not fit one sentence is
raised `plainly`: that text is the whole message.
"""

import difflib
import re
from collections.abc import Callable
from datetime import date
from typing import Annotated, Literal, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    WithJsonSchema,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from exporter.config import urls
from exporter.config.yaml_tree import redacted
from exporter.schedule import DAYS, Span

_LARGEST_ID = 2**63 - 1
_CONTROL = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
_LABEL = rf"[^\s{_CONTROL}]([^{_CONTROL}]*[^\s{_CONTROL}])?"
_NAME = r"(?!\.{1,2}$)" + _LABEL.replace("[^", "[^/")
_FILE_NAME = rf"[^{_CONTROL}]+"
_VARIABLE = r"([A-Za-z_]|\{account\})([A-Za-z0-9_]|\{account\})*"
_URL = r"[Hh][Tt][Tt][Pp][Ss]?://\S+"
_UNITS = {
    "y": 31_536_000,
    "w": 604_800,
    "d": 86_400,
    "h": 3600,
    "m": 60,
    "s": 1,
    "ms": 0.001,
}
_DURATION = "0|(?=[0-9])" + "".join(f"([0-9]{{1,9}}{unit})?" for unit in _UNITS)
#: In any case: `Tue` is what people write.
_DAY = "|".join("".join(f"[{c.upper()}{c}]" for c in day) for day in DAYS)
_DAYS = rf"({_DAY})(-({_DAY}))?"
_TIME = r"(?:[01]?[0-9]|2[0-3]):[0-5][0-9]"
_HOURS = rf"({_TIME}) ?- ?({_TIME}|24:00)"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_DATES = rf"({_DATE})(?:\.\.({_DATE}))?"
_ZONE = r"[A-Za-z][A-Za-z0-9_+/-]*"
_OFFSET = re.compile(r"(?:(?:Etc/)?(?:GMT|UTC))? *([+-])([0-9]{1,2})(:?[0-9]{2})?", re.IGNORECASE)


def plainly(words: str) -> PydanticCustomError:
    """Return an error whose text is the whole message."""
    return PydanticCustomError("plainly", "{words}", {"words": words})


def expected(what: str) -> WrapValidator:
    """Report that ``what`` was expected, for any value that does not pass."""

    def validate(value: object, handler: Callable[[object], object]) -> object:
        try:
            return handler(value)
        except ValidationError as error:
            kind = error.errors(include_url=False, include_input=False)[0]["type"]
            if kind == "plainly":
                raise
            raise PydanticCustomError("expected", "{what}", {"what": what, "kind": kind}) from None

    return WrapValidator(validate)


def parse_hours(value: object) -> Span:
    """Return hours of a day, such as ``22:00-06:00``.

    Raises:
        ValueError: it is none.
    """
    found = re.fullmatch(_HOURS, value) if isinstance(value, str) else None
    if not found:
        raise ValueError
    start, end = (
        int(hour) * 60 + int(minute) for hour, minute in (t.split(":") for t in found.groups())
    )
    if start == end:
        raise plainly(
            f"found {value!r}, which may mean no time or all day; for all day write 00:00-24:00"
        )
    return Span(start, end if end > start else end + 24 * 60)


def parse_days(text: str) -> tuple[int, ...]:
    """Return the days of the week of a range, which may run over Sunday; Monday is 0.

    Raises:
        ValueError: it is none.
    """
    if not re.fullmatch(_DAYS, text):
        raise ValueError
    first, _, last = text.lower().partition("-")
    start, end = DAYS.index(first), DAYS.index(last or first)
    return tuple((start + day) % 7 for day in range((end - start) % 7 + 1))


def is_name(text: str) -> bool:
    """Return whether a text may be the label of an account or a queue."""
    return re.fullmatch(_NAME, text) is not None


def _whole(pattern: str, longest: int) -> object:
    # Compiled, because only Python's own patterns can look ahead; there, "$" alone allows a line
    # break at the end.
    return Field(pattern=re.compile(rf"^({pattern})$(?!\n)"), max_length=longest)


def _for_editors(pattern: str, longest: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^({pattern})$", "maxLength": longest})


def _refuse_key(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(
        r"\s*(token\s.*|[0-9a-f]{40})\s*", value, re.IGNORECASE
    ):
        raise plainly(
            "found what looks like the API key itself, expected the name of a file or variable"
            " that holds it; anybody who can read this file could use the key"
        )
    return value


def _url(parse: Callable[[str], str]) -> AfterValidator:
    def checked(text: str) -> str:
        try:
            return parse(text)
        except ValueError as error:
            raise plainly(str(error)) from None

    return AfterValidator(checked)


def _seconds(value: object) -> float:
    if not isinstance(value, str) or not value or not re.fullmatch(_DURATION, value):
        raise ValueError
    parts = re.findall("([0-9]+)([a-z]+)", value)
    return float(sum(int(number) * _UNITS[unit] for number, unit in parts))


def _as_list(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _distinct(values: list[int | str]) -> list[int | str]:
    doubled = next((value for value in values if values.count(value) > 1), None)
    if doubled is not None:
        raise plainly(f"found {doubled!r} twice, expected each once, as their agents are added up")
    return values


def _dates(value: object) -> tuple[date, date]:
    found = re.fullmatch(_DATES, value) if isinstance(value, str) else None
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
        raise plainly(
            f"found {redacted(text)}, expected a name of the tz database, {_zone_hint(text)}"
        ) from None


def _zone_hint(text: str) -> str:
    if offset := _OFFSET.fullmatch(text):
        hint = "such as America/New_York, which also knows when the clock changes"
        # POSIX has the sign reversed: Etc/GMT-5 is five hours ahead of UTC.
        fixed = f"Etc/GMT{'-' if offset[1] == '+' else '+'}{int(offset[2])}"
        if fixed in available_timezones() and not (offset[3] or "").strip(":0"):
            return f"{hint}; for a fixed offset {fixed}, whose sign is reversed"
        return hint
    names = {name.casefold(): name for name in sorted(available_timezones())}
    cities = {name.rpartition("/")[2]: name for name in names}
    wanted = text.casefold().replace(" ", "_")
    near = difflib.get_close_matches(wanted, [*names, *cities], n=1)
    if near:
        return f"did you mean '{names[cities.get(near[0], near[0])]}'?"
    return "such as Europe/Berlin"


Name: TypeAlias = Annotated[
    str,
    _whole(_NAME, 100),
    expected("text of 1 to 100 characters, without '/', control characters or outer white space"),
]
Label: TypeAlias = Annotated[
    str,
    _whole(_LABEL, 100),
    expected("text of 1 to 100 characters, without control characters or outer white space"),
]
Id: TypeAlias = Annotated[
    int,
    Field(gt=0, le=_LARGEST_ID),
    expected("an id, a whole number above 0"),
]
Status: TypeAlias = Annotated[
    Annotated[int, Field(gt=0, le=_LARGEST_ID)] | Annotated[str, _whole(_LABEL, 100)],
    expected("the id or the name of a status, or auto"),
]
Statuses: TypeAlias = Annotated[
    list[Status],
    Field(min_length=1),
    AfterValidator(_distinct),
    BeforeValidator(
        _as_list, json_schema_input_type=Status | Annotated[list[Status], Field(min_length=1)]
    ),
]
Required: TypeAlias = Annotated[
    int, Field(ge=0, le=100_000), expected("a number of agents, 0 or more")
]
Parallel: TypeAlias = Annotated[
    int, Field(ge=1, le=1000), expected("a number of requests from 1 to 1000")
]
Switch: TypeAlias = Annotated[bool, expected("true or false")]
Detail: TypeAlias = Annotated[Literal["count", "agents"], expected("'count' or 'agents'")]
FileName: TypeAlias = Annotated[str, _whole(_FILE_NAME, 4096), expected("the path of a file")]
TokenFileName: TypeAlias = Annotated[FileName, AfterValidator(_refuse_key)]
TokenVariable: TypeAlias = Annotated[
    str,
    _whole(_VARIABLE, 200),
    expected("the name of an environment variable, of letters, digits and _"),
    BeforeValidator(_refuse_key),
]
Url: TypeAlias = Annotated[str, _url(urls.parse_account_url), _for_editors(_URL, 1000)]
ProxyUrl: TypeAlias = Annotated[str, _url(urls.parse_proxy_url), _for_editors(_URL, 1000)]

Duration: TypeAlias = Annotated[
    float,
    BeforeValidator(_seconds),
    WithJsonSchema({"type": "string", "pattern": f"^({_DURATION})$"}),
]
Timeout: TypeAlias = Annotated[
    Duration,
    Field(gt=0, le=3600),
    expected("a duration above 0 and up to 1h, such as 10s, 1m30s or 500ms"),
]
MaximalAge: TypeAlias = Annotated[
    Duration,
    Field(le=3600),
    expected("a duration up to 1h, such as 30s, or 0s"),
]

Days: TypeAlias = Annotated[
    str, _whole(_DAYS, 7), expected("a day or a range of days, such as mon-fri or sat")
]
Hours: TypeAlias = Annotated[
    Span,
    BeforeValidator(parse_hours),
    expected('hours such as "09:00-18:00", "22:00-06:00" or "00:00-24:00"'),
    _for_editors(_HOURS, 13),
]
HoursList: TypeAlias = Annotated[
    list[Hours],
    BeforeValidator(_as_list, json_schema_input_type=Hours | list[Hours]),
]
ClosedDates: TypeAlias = Annotated[
    tuple[date, date],
    BeforeValidator(_dates),
    expected("a date such as 2026-12-24, or first and last as 2026-12-24..2027-01-01"),
    _for_editors(_DATES, 22),
]
TimeZone: TypeAlias = Annotated[str, AfterValidator(_zone), _for_editors(_ZONE, 100)]
