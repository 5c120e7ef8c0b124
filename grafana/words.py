"""The words and colours of the dashboards: a state is never shown by its colour alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from grafana_foundation_sdk.models.dashboard import (
    DashboardSpecialValueMapOptions,
    SpecialValueMap,
    SpecialValueMatch,
    Threshold,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)

from exporter.errors import HTTP_CODES, WORD_CODES

__all__ = [
    "ACTIVITY",
    "BAD",
    "CALM",
    "GOOD",
    "NEUTRAL",
    "STATES",
    "UNKNOWN",
    "WARNING",
    "State",
    "nothing",
    "reasons",
    "states",
    "steps",
    "words",
]

BAD: Final = "red"
WARNING: Final = "orange"
GOOD: Final = "green"
#: Unknown has its own colour: it is neither good nor bad.
UNKNOWN: Final = "purple"
#: A closed queue requires nothing.
CALM: Final = "#6e7078"
NEUTRAL: Final = "text"
ACTIVITY: Final = "blue"


class State(IntEnum):
    """What a queue is at a moment, as `account_queue:calltools_queue_state` has it."""

    NO_EXPORTER = -2
    UNREADABLE = -1
    EMPTY = 0
    LOW = 1
    STAFFED = 2
    NOT_REQUIRED = 3
    CLOSED = 4


@dataclass(frozen=True, slots=True)
class Look:
    """How a state is shown."""

    word: str
    color: str


STATES: Final = {
    State.EMPTY: Look("empty", BAD),
    State.UNREADABLE: Look("unreadable", UNKNOWN),
    State.NO_EXPORTER: Look("no exporter", "#5b2a86"),
    State.LOW: Look("low", WARNING),
    State.STAFFED: Look("staffed", "#37872d"),
    State.NOT_REQUIRED: Look("not required", "#3f6e8c"),
    State.CLOSED: Look("closed", CALM),
}

_REASONS: Final = {
    "400": "400: the API does not understand the request",
    "401": "401: the key is refused",
    "403": "403: not allowed with this key",
    "404": "404: not found; is the URL right?",
    "429": "429: too many requests, backing off",
    "500": "500: the API failed",
    "502": "502: the API failed",
    "503": "503: the API is unavailable",
    "504": "504: the API took too long itself",
    "timeout": "no answer in time",
    "dns": "no address for the host",
    "connection": "connection refused or cut",
    "tls": "certificate or TLS handshake",
    "redirect": "redirected; is the URL right?",
    "too_large": "the answer is too large",
    "invalid_json": "the answer is not JSON",
    "unexpected_answer": "the answer has another shape",
    "filter_ignored": "the API ignores filters",
    "unknown_id": "an id is not in the account",
    "token": "the key cannot be read",
}


def words(texts: dict[str, tuple[str, str]]) -> list[ValueMapping]:
    """Return mappings of values to a word and a colour each."""
    results = {
        value: ValueMappingResult(text=text, color=color, index=index)
        for index, (value, (text, color)) in enumerate(texts.items())
    }
    return [ValueMap(options=results)]


def nothing(text: str, color: str) -> list[ValueMapping]:
    """Return the mapping of no value at all."""
    result = ValueMappingResult(text=text, color=color, index=99)
    options = DashboardSpecialValueMapOptions(match=SpecialValueMatch.NULL_AND_NAN, result=result)
    return [SpecialValueMap(options=options)]


def states() -> list[ValueMapping]:
    """Return the mappings of every state, and of no value at all."""
    known = words({str(int(state)): (look.word, look.color) for state, look in STATES.items()})
    return [*known, *nothing("not recorded", UNKNOWN)]


def reasons() -> list[ValueMapping]:
    """Return the mappings of every failure code to plain words, and of none."""
    texts = {code: (_REASONS[code], UNKNOWN) for code in (*HTTP_CODES, *WORD_CODES)}
    return [*words(texts), *nothing("no exporter reports it", UNKNOWN)]


def steps(lowest: str, *above: tuple[float, str]) -> list[Threshold]:
    """Return thresholds: the lowest colour, and from which value on another."""
    return [
        Threshold(value=None, color=lowest),
        *(Threshold(value=value, color=color) for value, color in above),
    ]
