"""Expressions that panels of Operations share."""

from __future__ import annotations

from typing import Final

from grafana.promql import BY_QUEUE, PICKED, STATE, TEAM
from grafana.rows import link_to_queue
from grafana.words import State
from prometheus.thresholds import Thresholds, seconds

__all__ = [
    "BLIND",
    "EMPTY_FOR",
    "LINKED",
    "NAMES",
    "PAGE",
    "STALE",
    "UID",
    "WORST_LINES",
    "WORST_TILES",
    "fixed",
    "number_in",
    "raw",
]

UID: Final = "calltools-operations"

_LIMITS: Final = Thresholds()
#: The age from which a number is stale for the rules, and that from which the alert for an
#: unreadable queue fires: so much of its window lacks readings, for so long.
STALE: Final = seconds(_LIMITS.fresh)
BLIND: Final = round(
    (1 - _LIMITS.unreadable_share) * seconds(_LIMITS.unreadable_window)
    + seconds(_LIMITS.unreadable_for)
)
PAGE: Final = seconds(_LIMITS.page_window)

WORST_TILES: Final = 60
WORST_LINES: Final = 30

#: How long the empty queues have been empty: to the second for a quarter of an hour, to five
#: minutes for half a day. Failures to read a queue do not interrupt it.
EMPTY_FOR: Final = f"""\
time() - (
  max_over_time(timestamp({PICKED} > 0)[15m:15s])
  or max_over_time(timestamp({PICKED} > 0)[12h:5m])
  or 0 * {PICKED} + time() - {seconds("12h")}
) and on ({BY_QUEUE}) {PICKED} == {State.EMPTY:d}
{TEAM}"""


def number_in(condition: str) -> str:
    """Return the number of queues in a state; no value, rather than 0, where none is known."""
    return f"count(({STATE}) {condition})\nor 0 * count({STATE})"


NAMES: Final = {"queue": "Queue", "account": "Account"}
LINKED: Final = {"Queue": {"links": [link_to_queue(UID, "data.fields")]}}


def fixed(color: str) -> dict[str, object]:
    """Return a color in the form for an override."""
    return {"mode": "fixed", "fixedColor": color}


def raw(value: object) -> object:
    """Return thresholds or mappings in the form for an override."""
    if isinstance(value, list) and value and hasattr(value[0], "color"):
        return {"mode": "absolute", "steps": value}
    return value
