"""The recorded minutes of open hours, and the expressions made from them."""

from __future__ import annotations

from typing import Final

from grafana.promql import BY_QUEUE, QUEUES, TEAM, recorded
from prometheus.thresholds import Thresholds

__all__ = [
    "COVERED",
    "DAYS",
    "HOUR",
    "HOUR_OF_WEEK",
    "NOTHING",
    "SPELLS",
    "UID",
    "UNREAD",
    "WORST_HOUR",
    "minutes",
    "share_by_hour",
    "total",
    "unread",
]

UID: Final = "calltools-coverage"
NOTHING: Final = "No open hours recorded, or the rules are missing"
_MINUTES: Final = (
    f"account_queue:calltools_queue_open_minutes:sum{Thresholds().coverage_evaluation}"
)


def minutes(seen: str, span: str = "$__range") -> str:
    """Return minutes of open hours by queue, over a span."""
    series = f'{_MINUTES}{{{QUEUES}, seen=~"{seen}"}}'
    return f"sum by ({BY_QUEUE}) (sum_over_time({series}[{span}]))"


def total(seen: str, span: str = "$__range", offset: str = "") -> str:
    """Return the same of all selected queues together."""
    series = f'{_MINUTES}{{{QUEUES}, seen=~"{seen}"}}'
    return f"sum(sum_over_time({series}[{span}]{offset})\n{TEAM})"


def unread(span: str = "$__range") -> str:
    """Return the share that could not be read: where all was, no minutes are recorded."""
    return f"({total('unreadable', span)}\nor 0 * {total('.+', span)})\n/ {total('.+', span)}"


COVERED: Final = f"{minutes('staffed')}\n/ ({minutes('staffed|empty')} > 0)\n{TEAM}"
UNREAD: Final = (
    f"({minutes('unreadable')}\nor 0 * {minutes('.+')})\n/ ({minutes('.+')} > 0)\n{TEAM}"
)
#: The empty minutes of the worst hour.
WORST_HOUR: Final = (
    f"max by ({BY_QUEUE}) (max_over_time(sum_over_time(\n"
    f'  {_MINUTES}{{{QUEUES}, seen="empty"}}[1h]\n)[$__range:30m]))\n{TEAM}'
)
SPELLS: Final = f"max by ({BY_QUEUE}) (resets({recorded('staffed:open_hours')}[$__range]))\n{TEAM}"
DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

#: The time in the queue's own time zone, in the middle of the hour before.
_CLOCK: Final = (
    f"(max by ({BY_QUEUE}) (calltools_queue_utc_offset_seconds{{{QUEUES}}}) + time() - 1800)"
)
HOUR: Final = f"hour({_CLOCK})"
#: Monday 09 h is 109, Sunday 23 h is 723.
HOUR_OF_WEEK: Final = f"100 * ((day_of_week({_CLOCK}) + 6) % 7 + 1) + hour({_CLOCK})"


def share_by_hour(code: str, *, by: str) -> str:
    """Return the share of open time with somebody available, by the hour on the queue's clock.

    `count_values` turns the hour of each queue into a label, so that one query does for queues of
    any time zones. Each hour of each queue counts alike.
    """
    return f"""\
avg by ({by}) (avg_over_time((
  count_values by ({BY_QUEUE}) ("hour", {code})
  * on ({BY_QUEUE}) group_left () ({minutes("staffed", "1h")}
  / ({minutes("staffed|empty", "1h")} > 0))
)[$__range:1h])
{TEAM})"""
