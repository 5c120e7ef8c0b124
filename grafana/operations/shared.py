"""What the panels of Operations ask in common."""

from __future__ import annotations

from typing import Final

from grafana.promql import BY_QUEUE, QUEUES, Now
from grafana.rows import link_to_queue
from grafana.words import (
    State,
)
from prometheus.thresholds import Thresholds, seconds

__all__ = [
    "BLIND",
    "END",
    "LIMITS",
    "LINKED",
    "MEMORY",
    "NAMES",
    "NOBODY_KNOWS",
    "NOW",
    "PAGE",
    "SECOND",
    "STALE",
    "UID",
    "WORST_LINES",
    "WORST_TILES",
    "age",
    "empty_for",
    "fixed",
    "number_in",
    "of",
    "open_only",
    "raw",
]


UID: Final = "calltools-operations"

NOW: Final = Now()
END: Final = Now("@ end()")
LIMITS: Final = Thresholds()
#: From here on a number is not fresh to the rules; and from there the queue counts as unreadable.
STALE: Final = seconds(LIMITS.fresh)
BLIND: Final = seconds(LIMITS.unreadable_window)
PAGE: Final = seconds(LIMITS.page_window)
#: How far back it is looked for when somebody was last there.
MEMORY: Final = "12h"

WORST_TILES: Final = 60
WORST_LINES: Final = 30
SECOND: Final = "  "
NOBODY_KNOWS: Final = "not known"


def number_in(state: State) -> str:
    """Return the number of queues in a state; nothing, rather than 0, where none can be read."""
    known = "" if state is State.UNKNOWN else f" != {State.UNKNOWN:d}"
    return f"sum(\n{SECOND}{NOW.state}{known} == bool {state:d}\n)"


def of(state: State, value: str) -> str:
    """Return a value by queue for those in a state, with their team."""
    return f"({NOW.state} == {state:d}) * 0\n+ on ({BY_QUEUE}) group_left ()\n{value}"


def empty_for() -> str:
    """Return for how long the empty queues have been so."""
    there = f"{NOW.available} > 0\nor {NOW.open} == 0"
    since = f"max_over_time(\n  timestamp(\n{there}\n  )[{MEMORY}:1m]\n)"
    return of(State.EMPTY, f"(\ntime() - {since}\nor {NOW.available} * 0 + {seconds('12h')}\n)")


def age() -> str:
    """Return how long ago each queue was read."""
    read = f"calltools_queue_last_success_timestamp_seconds{{{QUEUES}}}[1h]"
    return f"(time() - max by ({BY_QUEUE}) (last_over_time({read})))"


def open_only(expression: str) -> str:
    """Return an expression by queue, for open queues alone."""
    return f"{expression}\nand on ({BY_QUEUE}) {NOW.open} == 1"


NAMES: Final = {"queue": "Queue", "account": "Account"}
LINKED: Final = {"Queue": {"links": [link_to_queue(UID, "data.fields")]}}


def fixed(color: str) -> dict[str, object]:
    """Return a color as it stands in an override."""
    return {"mode": "fixed", "fixedColor": color}


def raw(value: object) -> object:
    """Return thresholds or mappings as they stand in an override."""
    if isinstance(value, list) and value and hasattr(value[0], "color"):
        return {"mode": "absolute", "steps": value}
    return value
