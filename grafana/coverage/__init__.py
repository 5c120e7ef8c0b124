"""Coverage: how the open hours of days and weeks were covered, and when to send transfers."""

from __future__ import annotations

from grafana.coverage.hours import by_hour
from grafana.coverage.series import (
    COVERED,
    NOTHING,
    SPELLS,
    UID,
    UNREAD,
    WORST_HOUR,
    minutes,
    total,
    unread,
)
from grafana.frame import Dashboard, choice, dashboard
from grafana.operations import UID as OPERATIONS
from grafana.panels import Panels, bars, count, graph, query
from grafana.promql import TEAM
from grafana.rows import link_to_queue, rows
from grafana.words import BAD, GOOD, NEUTRAL, UNKNOWN, WARNING, steps

__all__ = ["UID", "coverage"]


def coverage() -> Dashboard:
    """Return the dashboard."""
    return dashboard(
        UID,
        "CallTools / Coverage",
        "How much of their open hours queues had somebody available, when they were empty, and at"
        " what hour somebody can be reached. It needs the recording rules in prometheus/.",
        (
            (None, _first()),
            ("By queue", _by_queue()),
            ("By hour, on the queue's own clock", by_hour()),
            ("Today and a week ago", _today()),
        ),
        since="now-7d",
        refresh="5m",
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
    share = f"{total('staffed')}\n/ ({total('staffed|empty')} > 0)"
    return (
        count(
            "Covered",
            "Share of the readable open time in which somebody was available, all selected queues"
            " together.",
            share,
            unit="percentunit",
            decimals=1,
            empty="nothing read",
        ),
        count(
            "Error budget used",
            "Share of the empty time that the objective allows: at 100 % the objective is just"
            " met.",
            f"(1 - {share}) / (1 - $objective)",
            unit="percentunit",
            decimals=0,
            levels=steps(GOOD, (0.75, WARNING), (1.000001, BAD)),
            empty="nothing read",
        ),
        count(
            "Queues below objective",
            "Queues that had somebody available in a smaller share of their open time than the"
            " objective.",
            f"sum(({COVERED}) < bool $objective)",
            levels=steps(GOOD, (1, WARNING)),
            empty="nothing read",
        ),
        count(
            "Not read",
            "Share of the open time that could not be read. It counts neither as covered nor as"
            " empty, and the other numbers leave it out.",
            unread(),
            unit="percentunit",
            decimals=1,
            levels=steps(GOOD, (0.001, UNKNOWN)),
            empty="no open hours",
        ),
        count(
            "Empty minutes",
            "Minutes of open time read with nobody available, sum of all selected queues.",
            total("empty"),
            unit="m",
            decimals=1,
            empty="nothing read",
        ),
        count(
            "Empty spells",
            "How often a queue went from somebody available to nobody, sum of all selected queues.",
            f"sum({SPELLS}\n)",
            unit="none",
            decimals=0,
            empty="nothing read",
        ),
    )


def _by_queue() -> Panels:

    return (
        rows(
            "Queues",
            "Each queue over the range: the share of its open time with somebody available, empty"
            " minutes and spells, the empty minutes of its worst hour, and the share of the open"
            " time that could not be read, which the others leave out.",
            (
                COVERED,
                f"{minutes('empty')}\n{TEAM}",
                SPELLS,
                WORST_HOUR,
                UNREAD,
                f"{minutes('.+')} / 60 > 0\n{TEAM}",
            ),
            {
                "queue": "Queue",
                "account": "Account",
                "Value #A": "Covered",
                "Value #B": "Empty minutes",
                "Value #C": "Empty spells",
                "Value #D": "Worst hour",
                "Value #E": "Not read",
                "Value #F": "Open hours",
            },
            empty=NOTHING,
            width=16,
            height=14,
            overrides={
                "Queue": {"links": [link_to_queue(OPERATIONS, "data.fields")]},
                "Covered": {"unit": "percentunit", "decimals": 1, "noValue": "not read"},
                "Empty minutes": {"unit": "m", "decimals": 1, "noValue": "not read"},
                "Empty spells": {"decimals": 0, "noValue": "not read"},
                "Worst hour": {"unit": "m", "decimals": 0, "noValue": "not read"},
                "Not read": {
                    "unit": "percentunit",
                    "decimals": 1,
                    "noValue": "-",
                    "cell": {"type": "color-text"},
                    "thresholds": {
                        "mode": "absolute",
                        "steps": steps(NEUTRAL, (0.001, UNKNOWN)),
                    },
                },
                "Open hours": {"decimals": 0, "noValue": "-"},
            },
            sort=("Covered", False),
        ),
        bars(
            "Empty minutes, worst 15 queues",
            "Minutes of open time read with nobody available.",
            f"sort_desc(topk(15, {minutes('empty')}\n{TEAM}))",
            "{{queue}} · {{account}}",
            unit="m",
            empty=NOTHING,
            width=8,
            height=14,
            levels=steps(BAD),
        ),
    )


def _today() -> Panels:
    def share(offset: str) -> str:
        return f"{total('staffed', '1h', offset)}\n/ {total('staffed|empty', '1h', offset)}"

    panel = graph(
        "Covered, today and a week ago",
        "Share of each hour's readable open time in which somebody was available, of the selected"
        " queues, for the last day and a week before. Purple: the share that could not be read.",
        (
            query(share(""), "today", over_time=True),
            query(share(" offset 1w"), "a week ago", over_time=True),
            query(unread("1h"), "not read", over_time=True),
        ),
        unit="percentunit",
        empty=NOTHING,
        width=24,
        highest=1,
        points=24,
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
