"""The recorded series that coverage rests on, and what is made of them."""

from __future__ import annotations

from typing import Final

from grafana.promql import BY_QUEUE, QUEUES
from prometheus.thresholds import Thresholds, seconds

__all__ = [
    "COVERED",
    "DAYS",
    "EMPTY_MINUTES",
    "HOUR",
    "HOUR_OF_WEEK",
    "LIMITS",
    "LONGEST",
    "MINUTES",
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
    "samples",
    "share_by_hour",
]

UID: Final = "calltools-coverage"

LIMITS: Final = Thresholds()
QUEUE: Final = "account_queue:calltools_queue"
#: Minutes that one recorded sample stands for.
MINUTES: Final = seconds(LIMITS.evaluation) / 60
TEAMS: Final = (
    f'group by ({BY_QUEUE}) (last_over_time(calltools_queue_info{{{QUEUES}, team=~"$team"}}'
    "[$__range]))"
)
NOTHING: Final = "No open hours were read (the recording rules are needed)"


def samples(series: str, span: str = "[$__range]", offset: str = "") -> str:
    """Return a recorded sum of samples by queue, over a span, for the selected queues."""
    return (
        f"max by ({BY_QUEUE}) (sum_over_time({QUEUE}_{series}{{{QUEUES}}}{span}{offset}))"
        f" and on ({BY_QUEUE}) {TEAMS}"
    )


STAFFED: Final = f"({samples('staffed:sum5m')})"
READ: Final = f"({samples('staffed:count5m')})"
OPEN: Final = f"(({samples('open:sum5m')}) > 0)"
COVERED: Final = f"{STAFFED}\n/\n{READ}"
EMPTY_MINUTES: Final = f"({READ} - {STAFFED}) * {MINUTES:g}"
UNREAD: Final = f"clamp_min(1 - (\n  {READ}\n  or 0 * {OPEN}\n) / {OPEN}, 0)"
#: 1 while the last five minutes of open hours were read and nobody was there in any of them.
NOBODY: Final = (
    f"({QUEUE}_staffed:sum5m{{{QUEUES}}} == 0 and {QUEUE}_staffed:count5m{{{QUEUES}}} > 0)"
)
LONGEST: Final = f"""\
max by ({BY_QUEUE}) (
  max_over_time(
    (
      time() - max_over_time(
        timestamp({QUEUE}_open:min{{{QUEUES}}} unless {NOBODY})[12h:5m]
      )
      and {NOBODY}
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
        opened = f"min by ({BY_QUEUE}) ({QUEUE}_open:min{{{QUEUES}}})"
        read = f"max by ({BY_QUEUE}) ({QUEUE}_staffed:open_hours{{{QUEUES}}})"
        return f"""\
sum_over_time(
  count_values{by} ("hour",
    {local(code)}
    and on ({BY_QUEUE}) {read}{condition}
    and on ({BY_QUEUE}) {opened} == 1
    and on ({BY_QUEUE}) {TEAMS.replace("[$__range]", "[1h]")}
  )[$__range:5m]
)"""

    return f"(\n{counted(' == 1')}\nor 0 * {counted('')}\n)\n/ {counted('')}"
