"""The recorded series that coverage rests on, and what is made of them."""

from __future__ import annotations

from typing import Final

from grafana.promql import BY_QUEUE, QUEUES
from prometheus.thresholds import Thresholds

__all__ = [
    "COVERED",
    "DAYS",
    "EMPTY_MINUTES",
    "HOUR",
    "HOUR_OF_WEEK",
    "LONGEST",
    "NOBODY",
    "NOTHING",
    "OPEN",
    "QUEUE",
    "READ",
    "SPELLS",
    "STAFFED",
    "TEAMS",
    "UID",
    "UNREAD",
    "local",
    "minutes",
    "share_by_hour",
]

UID: Final = "calltools-coverage"

QUEUE: Final = "account_queue:calltools_queue"
_MINUTES: Final = f"{QUEUE}_open_minutes:sum{Thresholds().coverage_evaluation}"
TEAMS: Final = (
    f'group by ({BY_QUEUE}) (last_over_time(calltools_queue_info{{{QUEUES}, team=~"$team"}}'
    "[$__range]))"
)
NOTHING: Final = "No open hours were read (the recording rules are needed)"


def minutes(seen: str, span: str = "[$__range]", offset: str = "") -> str:
    """Return minutes of open hours by queue, over a span, for the selected queues."""
    return (
        f'sum by ({BY_QUEUE}) (sum_over_time({_MINUTES}{{{QUEUES}, seen=~"{seen}"}}{span}{offset}))'
        f" and on ({BY_QUEUE}) {TEAMS}"
    )


STAFFED: Final = f"({minutes('staffed')})"
READ: Final = f"({minutes('staffed|empty')})"
OPEN: Final = f"(({minutes('.+')}) > 0)"
COVERED: Final = f"{STAFFED}\n/\n{READ}"
EMPTY_MINUTES: Final = f"({minutes('empty')})"
UNREAD: Final = f"1 - ({READ} or 0 * {OPEN})\n/\n{OPEN}"
#: 1 while the last five minutes of open hours were read and nobody was there in any of them.
NOBODY: Final = (
    f'({_MINUTES}{{{QUEUES}, seen="empty"}} > 0 and ignoring (seen)'
    f' {_MINUTES}{{{QUEUES}, seen="staffed"}} == 0)'
)
LONGEST: Final = f"""\
max by ({BY_QUEUE}) (
  max_over_time(
    (
      time() - max_over_time(
        timestamp({QUEUE}_state{{{QUEUES}}} unless ignoring (seen) {NOBODY})[12h:5m]
      )
      and ignoring (seen) {NOBODY}
    )[$__range:5m]
  )
) / 60
and on ({BY_QUEUE}) {TEAMS}"""
#: A shorter step would ask for more samples than Prometheus gives in one query.
SPELLS: Final = (
    f"max by ({BY_QUEUE}) (resets({QUEUE}_staffed:open_hours{{{QUEUES}}}[$__range]))"
    f" and on ({BY_QUEUE}) {TEAMS}"
)
DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def local(code: str) -> str:
    """Return a number that the queue's own clock shows, for those that could be read."""
    clock = f"max by ({BY_QUEUE}) (calltools_queue_utc_offset_seconds{{{QUEUES}}}) + time()"
    return code.replace("CLOCK", f"({clock})")


HOUR: Final = "hour(CLOCK)"
#: Monday 09 h is 109, Sunday 23 h is 723.
HOUR_OF_WEEK: Final = "100 * ((day_of_week(CLOCK) + 6) % 7 + 1) + hour(CLOCK)"


def share_by_hour(code: str, *, by_queue: bool) -> str:
    """Return the share of samples with somebody available, by the hour on the queue's clock.

    `count_values` turns the hour of each queue into a label, so that one query does for queues of
    any time zones.
    """
    by = f" by ({BY_QUEUE})" if by_queue else ""

    def counted(condition: str) -> str:
        opened = f"max by ({BY_QUEUE}) ({QUEUE}_state{{{QUEUES}}})"
        read = f"max by ({BY_QUEUE}) ({QUEUE}_staffed:open_hours{{{QUEUES}}})"
        return f"""\
sum_over_time(
  count_values{by} ("hour",
    {local(code)}
    and on ({BY_QUEUE}) {read}{condition}
    and on ({BY_QUEUE}) {opened} < 4
    and on ({BY_QUEUE}) {TEAMS.replace("[$__range]", "[1h]")}
  )[$__range:5m]
)"""

    return f"(\n{counted(' == 1')}\nor 0 * {counted('')}\n)\n/ {counted('')}"
