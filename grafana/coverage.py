"""Coverage: how the open hours of days and weeks were covered, and when a queue can be sent to."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.models.common import (
    TableCellBackgroundDisplayMode,
    TableColoredBackgroundCellOptions,
)

from grafana.frame import Dashboard, choice, dashboard
from grafana.operations import UID as OPERATIONS
from grafana.panels import Panels, bars, count, graph, link_to_queue, query, rows
from grafana.promql import BY_QUEUE, QUEUES
from grafana.words import BAD, GOOD, NEUTRAL, UNKNOWN, WARNING, nothing, steps, words
from prometheus.thresholds import Thresholds, seconds

__all__ = ["EMPTY_MINUTES", "OPEN", "READ", "SPELLS", "STAFFED", "UID", "coverage"]

UID: Final = "calltools-coverage"

_LIMITS: Final = Thresholds()
_QUEUE: Final = "account_queue:calltools_queue"
#: Minutes that one recorded sample stands for.
_MINUTES: Final = seconds(_LIMITS.evaluation) / 60
_TEAMS: Final = (
    f'group by ({BY_QUEUE}) (last_over_time(calltools_queue_info{{{QUEUES}, team=~"$team"}}'
    "[$__range]))"
)
_NOTHING: Final = "No open hours were read (the recording rules are needed)"


def _sum(series: str, span: str = "[$__range]", offset: str = "") -> str:
    """Return a recorded sum of samples by queue, over a span, for the selected queues."""
    return (
        f"max by ({BY_QUEUE}) (sum_over_time({_QUEUE}_{series}{{{QUEUES}}}{span}{offset}))"
        f" and on ({BY_QUEUE}) {_TEAMS}"
    )


STAFFED: Final = f"({_sum('staffed:sum5m')})"
READ: Final = f"({_sum('staffed:count5m')})"
OPEN: Final = f"(({_sum('open:sum5m')}) > 0)"
_COVERED: Final = f"{STAFFED}\n/\n{READ}"
EMPTY_MINUTES: Final = f"({READ} - {STAFFED}) * {_MINUTES:g}"
_UNREAD: Final = f"clamp_min(1 - (\n  {READ}\n  or 0 * {OPEN}\n) / {OPEN}, 0)"
#: 1 while the last five minutes of open hours were read and nobody was there in any of them.
_NOBODY: Final = (
    f"({_QUEUE}_staffed:sum5m{{{QUEUES}}} == 0 and {_QUEUE}_staffed:count5m{{{QUEUES}}} > 0)"
)
_LONGEST: Final = f"""\
max by ({BY_QUEUE}) (
  max_over_time(
    (
      time() - max_over_time(
        timestamp({_QUEUE}_open:min{{{QUEUES}}} unless {_NOBODY})[12h:5m]
      )
      and {_NOBODY}
    )[$__range:5m]
  )
) / 60
and on ({BY_QUEUE}) {_TEAMS}"""
#: A shorter step would ask for more samples than Prometheus gives in one query.
SPELLS: Final = (
    f"max by ({BY_QUEUE}) (resets({_QUEUE}_staffed:open_hours{{{QUEUES}}}[$__range]))"
    f" and on ({BY_QUEUE}) {_TEAMS}"
)
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def _local(code: str) -> str:
    """Return a number that the queue's own clock shows, for those that could be read."""
    clock = f"max by ({BY_QUEUE}) (calltools_queue_utc_offset_seconds{{{QUEUES}}}) + time()"
    return code.replace("CLOCK", f"({clock})")


_HOUR: Final = "hour(CLOCK)"
#: Monday 09 h is 109, Sunday 23 h is 723.
_HOUR_OF_WEEK: Final = "100 * ((day_of_week(CLOCK) + 6) % 7 + 1) + hour(CLOCK)"


def _share_by_hour(code: str, *, by_queue: bool) -> str:
    """Return the share of samples with somebody available, by the hour on the queue's clock.

    `count_values` turns the hour of each queue into a label, so that one query does for queues of
    any time zones.
    """
    by = f" by ({BY_QUEUE})" if by_queue else ""

    def counted(condition: str) -> str:
        opened = f"min by ({BY_QUEUE}) ({_QUEUE}_open:min{{{QUEUES}}})"
        read = f"max by ({BY_QUEUE}) ({_QUEUE}_staffed:open_hours{{{QUEUES}}})"
        return f"""\
sum_over_time(
  count_values{by} ("hour",
    {_local(code)}
    and on ({BY_QUEUE}) {read}{condition}
    and on ({BY_QUEUE}) {opened} == 1
    and on ({BY_QUEUE}) {_TEAMS.replace("[$__range]", "[1h]")}
  )[$__range:5m]
)"""

    return f"(\n{counted(' == 1')}\nor 0 * {counted('')}\n)\n/ {counted('')}"


def coverage() -> Dashboard:
    """Return the dashboard."""
    return dashboard(
        UID,
        "CallTools / Coverage",
        "How much of their open hours queues had somebody available, when they were empty, and at"
        " what hour somebody can be reached. It rests on the recording rules in prometheus/.",
        (
            (None, _first()),
            ("By queue", _by_queue()),
            ("By hour, on the queue's own clock", _by_hour()),
            ("Today and a week ago", _today()),
        ),
        since="now-7d",
        more=(
            choice(
                "objective",
                "Objective",
                {"90 %": "0.9", "95 %": "0.95", "98 %": "0.98", "99 %": "0.99", "99.9 %": "0.999"},
                "0.95",
            ),
        ),
    )


def _first() -> Panels:
    share = f"sum({STAFFED})\n/\nsum({READ})"
    return (
        count(
            "Covered",
            "Part of the open time that could be read in which somebody was available, all"
            " selected queues together.",
            share,
            unit="percentunit",
            decimals=1,
            empty="nothing read",
        ),
        count(
            "Budget used",
            "How much of the empty time that the objective allows was used up: at 100 % the"
            " objective is just met.",
            f"(1 - {share}) / (1 - $objective)",
            unit="percentunit",
            decimals=0,
            levels=steps(GOOD, (0.75, WARNING), (1.000001, BAD)),
            empty="nothing read",
        ),
        count(
            "Queues below objective",
            "Queues that had somebody available in a smaller part of their open time than the"
            " objective asks.",
            f"sum(({_COVERED}) < bool $objective)",
            levels=steps(GOOD, (1, WARNING)),
            empty="nothing read",
        ),
        count(
            "Not read",
            "Part of the open time that could not be read. Nothing is known of it: it counts"
            " neither as covered nor as empty, and the numbers beside leave it out.",
            f"clamp_min(1 - (sum({READ}) or 0 * sum({OPEN})) / sum({OPEN}), 0)",
            unit="percentunit",
            decimals=1,
            levels=steps(GOOD, (0.001, UNKNOWN)),
            empty="no open hours",
        ),
        count(
            "Empty minutes",
            "Minutes of open time in which nobody was available, as read, all selected queues"
            " added up.",
            f"sum({EMPTY_MINUTES})",
            unit="m",
            decimals=1,
            empty="nothing read",
        ),
        count(
            "Empty spells",
            "How often somebody was available and then nobody, all selected queues added up.",
            f"sum({SPELLS})",
            unit="none",
            decimals=0,
            empty="nothing read",
        ),
    )


def _by_queue() -> Panels:

    return (
        rows(
            "Queues",
            "Each queue over the range: the part of its open time in which somebody was available,"
            " how that stands to the objective, minutes and spells without anybody, the longest"
            " of them (to five minutes; what cannot be read ends it), and the part of the open"
            " time that could not be read, which none of the others counts.",
            (
                _COVERED,
                f"({_COVERED}) - $objective",
                EMPTY_MINUTES,
                SPELLS,
                _LONGEST,
                _UNREAD,
                f"{OPEN} * {_MINUTES / 60:.10g}",
            ),
            {
                "queue": "Queue",
                "account": "Account",
                "Value #A": "Covered",
                "Value #B": "To objective",
                "Value #C": "Empty minutes",
                "Value #D": "Empty spells",
                "Value #E": "Longest spell",
                "Value #F": "Not read",
                "Value #G": "Open hours",
            },
            empty=_NOTHING,
            width=16,
            height=14,
            overrides={
                "Queue": {"links": [link_to_queue(OPERATIONS, "data.fields")]},
                "Covered": {"unit": "percentunit", "decimals": 1, "noValue": "not read"},
                "To objective": {
                    "unit": "percentunit",
                    "decimals": 1,
                    "cell": {"type": "color-text"},
                    "thresholds": {"mode": "absolute", "steps": steps(BAD, (0, GOOD))},
                    "noValue": "not read",
                },
                "Empty minutes": {"unit": "m", "decimals": 1, "noValue": "not read"},
                "Empty spells": {"decimals": 0, "noValue": "not read"},
                "Longest spell": {"unit": "m", "decimals": 0, "noValue": "under 5 min"},
                "Not read": {
                    "unit": "percentunit",
                    "decimals": 1,
                    "cell": {"type": "color-text"},
                    "thresholds": {
                        "mode": "absolute",
                        "steps": steps(NEUTRAL, (0.001, UNKNOWN)),
                    },
                },
                "Open hours": {"decimals": 0},
            },
            sort=("Covered", False),
        ),
        bars(
            "Empty minutes, the worst fifteen",
            "Minutes of open time in which nobody was available, as read.",
            f"sort_desc(topk(15,\n{EMPTY_MINUTES}\n))",
            "{{queue}} · {{account}}",
            unit="m",
            empty=_NOTHING,
            width=8,
            height=14,
            levels=steps(BAD),
        ),
    )


_CELL: Final = TableColoredBackgroundCellOptions(mode=TableCellBackgroundDisplayMode.BASIC)
_AN_HOUR: Final = {
    "decimals": 0,
    "align": "center",
    "mappings": nothing("", "transparent"),
}
_HEAT: Final = steps("dark-red", (0.5, "red"), (0.8, "orange"), (0.9, "#b5a316"), (0.95, "green"))


def _by_hour() -> Panels:
    split = (
        "label_replace(\n  label_replace(\n{share},\n"
        '  "day", "$1", "hour", "(.).."),\n"hour", "$1", "hour", ".(..)")'
    )
    hours = [f"{hour:02}" for hour in range(24)]
    two_digits = 'label_replace(\n{share},\n"hour", "0$1", "hour", "(.)")'
    where = 'label_join(\n{share},\n"queue", " · ", "queue", "account")'
    days = {str(number): name for number, name in enumerate(_DAYS, 1)}

    def matrix(row: str, heading: str) -> tuple[tuple[str, dict[str, object]], ...]:
        """Return the steps from rows of (row, hour, value) to a column for each hour."""
        field = f"{row}\\hour"
        return (
            ("sortBy", {"sort": [{"field": row}]}),
            (
                "groupingToMatrix",
                {
                    "columnField": "hour",
                    "rowField": row,
                    "valueField": "Value",
                    "emptyValue": "null",
                },
            ),
            (
                "organize",
                {
                    "excludeByName": {},
                    "indexByName": {name: place for place, name in enumerate([field, *hours])},
                    "renameByName": {field: heading},
                },
            ),
        )

    return (
        rows(
            "Hour of the week",
            "Part of the open time that could be read in which somebody was available, by the day"
            " and hour on each queue's own clock; a sample every five minutes. Blank: closed, or"
            " not read.",
            (split.format(share=_share_by_hour(_HOUR_OF_WEEK, by_queue=False)),),
            {},
            empty=_NOTHING,
            width=24,
            height=10,
            unit="percentunit",
            cell=_CELL,
            levels=_HEAT,
            overrides={
                "Day": {
                    "mappings": words({number: (name, NEUTRAL) for number, name in days.items()}),
                    "cell": {"type": "auto"},
                    "width": 70,
                    "unit": "none",
                },
                "/^\\d\\d$/": _AN_HOUR,
            },
            transformations=matrix("day", "Day"),
        ),
        rows(
            "Where to send, at what hour",
            "The same for each queue by the hour of its own day: green hours can take a transfer."
            " Blank: closed, or not read.",
            (where.format(share=two_digits.format(share=_share_by_hour(_HOUR, by_queue=True))),),
            {},
            empty=_NOTHING,
            width=24,
            height=14,
            unit="percentunit",
            cell=_CELL,
            levels=_HEAT,
            overrides={
                "Queue": {"cell": {"type": "auto"}, "width": 190, "unit": "none"},
                "/^\\d\\d$/": _AN_HOUR,
            },
            transformations=matrix("queue", "Queue"),
        ),
    )


def _today() -> Panels:
    def share(offset: str) -> str:
        staffed, read = (
            f"sum({_sum(f'staffed:{what}5m', '[1h]', offset)})" for what in ("sum", "count")
        )
        return f"{staffed}\n/\n{read}"

    unread = f"sum({_sum('staffed:count5m', '[1h]')})"
    opened = f"(sum({_sum('open:sum5m', '[1h]')}) > 0)"
    panel = graph(
        "Covered, today and a week ago",
        "Part of each hour's open time that could be read in which somebody was available, of the"
        " selected queues, over the last day and at the same time a week before. Purple: the part"
        " that could not be read.",
        (
            query(share(""), "today", over_time=True),
            query(share(" offset 1w"), "a week ago", over_time=True),
            query(
                f"clamp_min(1 - ({unread} or 0 * {opened}) / {opened}, 0)",
                "not read",
                over_time=True,
            ),
        ),
        unit="percentunit",
        empty=_NOTHING,
        width=24,
        highest=1,
        overrides={
            "today": {"color": {"mode": "fixed", "fixedColor": GOOD}, "line": 2},
            "a week ago": {
                "color": {"mode": "fixed", "fixedColor": "text"},
                "dash": {"fill": "dash", "dash": [8, 6]},
            },
            "not read": {"color": {"mode": "fixed", "fixedColor": UNKNOWN}, "fill": 30},
        },
    )
    return (panel.time_from("24h"),)
