"""The words of the configuration: each a type that says in one sentence what it expects.

Each word carries the text for a person and, for an editor, the pattern. What cannot be said in one
sentence is raised `plainly`: those words are the whole message.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Final, Literal, TypeAlias

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

__all__ = [
    "Detail",
    "Duration",
    "FileName",
    "Id",
    "Label",
    "MaximalAge",
    "Name",
    "Parallel",
    "ProxyUrl",
    "Required",
    "Statuses",
    "Switch",
    "Timeout",
    "TokenFileName",
    "TokenVariable",
    "Url",
    "editors",
    "expected",
    "plainly",
]

_LARGEST_ID: Final = 2**63 - 1
_CONTROL: Final = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
_LABEL: Final = rf"[^\s{_CONTROL}]([^{_CONTROL}]*[^\s{_CONTROL}])?"
_NAME: Final = r"(?!\.{1,2}$)" + _LABEL.replace("[^", "[^/")
_FILE_NAME: Final = rf"[^{_CONTROL}]+"
_VARIABLE: Final = r"([A-Za-z_]|\{account\})([A-Za-z0-9_]|\{account\})*"
_URL: Final = r"[Hh][Tt][Tt][Pp][Ss]?://\S+"
_UNITS: Final = {
    "y": 31_536_000,
    "w": 604_800,
    "d": 86_400,
    "h": 3600,
    "m": 60,
    "s": 1,
    "ms": 0.001,
}
_DURATION: Final = "0|(?=[0-9])" + "".join(f"([0-9]{{1,9}}{unit})?" for unit in _UNITS)


def plainly(words: str) -> PydanticCustomError:
    """Return an error whose words are the whole message."""
    return PydanticCustomError("plainly", "{words}", {"words": words})


def expected(what: str) -> WrapValidator:
    """Say of anything that does not pass that ``what`` was expected."""

    def validate(value: object, handler: Callable[[object], object]) -> object:
        try:
            return handler(value)
        except ValidationError as error:
            kind = error.errors(include_url=False, include_input=False)[0]["type"]
            if kind == "plainly":
                raise
            raise PydanticCustomError("expected", "{what}", {"what": what, "kind": kind}) from None

    return WrapValidator(validate)


def _whole(pattern: str, longest: int) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if len(text) > longest or not compiled.fullmatch(text):
            raise ValueError
        return text

    return AfterValidator(check)


def editors(pattern: str, longest: int) -> WithJsonSchema:
    """Give editors the pattern; pydantic's own patterns have no lookahead."""
    return WithJsonSchema({"type": "string", "pattern": f"^({pattern})$", "maxLength": longest})


def _no_key(text: str) -> str:
    if re.fullmatch(r"\s*(token\s.*|[0-9a-f]{40})\s*", text, re.IGNORECASE):
        raise plainly(
            "found what looks like the API key itself, expected the name of where it is kept; "
            "whoever can read this file could use it"
        )
    return text


def _url(check: Callable[[str], str]) -> AfterValidator:
    def checked(text: str) -> str:
        try:
            return check(text)
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
        raise plainly(f"found {doubled!r} twice, expected each once; their agents are added up")
    return values


Name: TypeAlias = Annotated[
    str,
    _whole(_NAME, 100),
    expected("text of 1 to 100 characters, without '/', control characters or outer white space"),
    editors(_NAME, 100),
]
Label: TypeAlias = Annotated[
    str,
    _whole(_LABEL, 100),
    expected("text of 1 to 100 characters, without control characters or outer white space"),
    editors(_LABEL, 100),
]
Id: TypeAlias = Annotated[
    int,
    Field(gt=0, le=_LARGEST_ID),
    expected("an id, a whole number above 0"),
]
Status: TypeAlias = Annotated[
    Annotated[int, Field(gt=0, le=_LARGEST_ID)]
    | Annotated[str, _whole(_LABEL, 100), editors(_LABEL, 100)],
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
FileName: TypeAlias = Annotated[
    str, _whole(_FILE_NAME, 4096), expected("the path of a file"), editors(_FILE_NAME, 4096)
]
TokenFileName: TypeAlias = Annotated[FileName, AfterValidator(_no_key)]
TokenVariable: TypeAlias = Annotated[
    str,
    _whole(_VARIABLE, 200),
    expected("the name of an environment variable, of letters, digits and _"),
    editors(_VARIABLE, 200),
    BeforeValidator(lambda value: _no_key(value) if isinstance(value, str) else value),
]
Url: TypeAlias = Annotated[str, _url(urls.origin), editors(_URL, 1000)]
ProxyUrl: TypeAlias = Annotated[str, _url(urls.proxy), editors(_URL, 1000)]

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
