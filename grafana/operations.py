"""Operations: which open queues are empty, low or unreadable, now and over the day."""

from __future__ import annotations

from typing import Final

from grafana.frame import Dashboard, dashboard
from grafana.panels import (
    Panels,
    bars,
    count,
    graph,
    link_to_queue,
    query,
    rows,
    tiles,
    timeline,
)
from grafana.promql import BY_QUEUE, QUEUES, Now, and_known
from grafana.words import (
    ACTIVITY,
    BAD,
    CALM,
    GOOD,
    NEUTRAL,
    STATES,
    UNKNOWN,
    WARNING,
    State,
    reasons,
    states,
    steps,
    words,
)
from prometheus.thresholds import Thresholds, seconds

__all__ = ["UID", "operations"]

UID: Final = "calltools-operations"

_NOW: Final = Now()
_END: Final = Now("@ end()")
_LIMITS: Final = Thresholds()
#: From here on a number is not fresh to the rules; and from there the queue counts as unreadable.
_STALE: Final = seconds(_LIMITS.fresh)
_BLIND: Final = seconds(_LIMITS.unreadable_window)
_PAGE: Final = seconds(_LIMITS.page_window)
#: How far back it is looked for when somebody was last there.
_MEMORY: Final = "12h"

_WORST_TILES: Final = 60
_WORST_LINES: Final = 30
_SECOND: Final = "  "
_NOBODY_KNOWS: Final = "not known"


def _in(state: State) -> str:
    """Return the number of queues in a state; nothing, rather than 0, where none can be read."""
    known = "" if state is State.UNKNOWN else f" != {State.UNKNOWN:d}"
    return f"sum(\n{_SECOND}{_NOW.state}{known} == bool {state:d}\n)"


def _of(state: State, value: str) -> str:
    """Return a value by queue for those in a state, with their team."""
    return f"({_NOW.state} == {state:d}) * 0\n+ on ({BY_QUEUE}) group_left ()\n{value}"


def _empty_for() -> str:
    there = f"{_NOW.available} > 0\nor {_NOW.open} == 0"
    since = f"max_over_time(\n  timestamp(\n{there}\n  )[{_MEMORY}:1m]\n)"
    return _of(State.EMPTY, f"(\ntime() - {since}\nor {_NOW.available} * 0 + {seconds('12h')}\n)")


def _age() -> str:
    read = f"calltools_queue_last_success_timestamp_seconds{{{QUEUES}}}[1h]"
    return f"(time() - max by ({BY_QUEUE}) (last_over_time({read})))"


def _open_only(expression: str) -> str:
    return f"{expression}\nand on ({BY_QUEUE}) {_NOW.open} == 1"


_NAMES: Final = {"queue": "Queue", "account": "Account"}
_LINKED: Final = {"Queue": {"links": [link_to_queue(UID, "data.fields")]}}


def operations() -> Dashboard:
    """Return the dashboard."""
    return dashboard(
        UID,
        "CallTools / Operations",
        "Who can take a call now: which open queues are empty, below what is required, or cannot"
        " be read.",
        (
            (None, (*_counts(), *_lists())),
            ("Every queue, the worst first", _queues()),
            ("Agents", _agents()),
            ("By account and team; alerts; age of the numbers", _around()),
        ),
        since="now-12h",
    )


def _counts() -> Panels:
    return (
        count(
            "Empty",
            "Open queues that were read and have nobody available, though somebody is required."
            " The page fires after 4 minutes of it. Queues that cannot be read are not counted"
            " here, but under Unknown.",
            _in(State.EMPTY),
            levels=steps(GOOD, (1, BAD)),
            empty=_NOBODY_KNOWS,
        ),
        count(
            "Low",
            "Open queues that were read and have somebody available, but fewer than"
            " required_agents.",
            _in(State.LOW),
            levels=steps(GOOD, (1, WARNING)),
            empty=_NOBODY_KNOWS,
        ),
        count(
            "Unknown",
            "Queues in their hours that the last scrape could not read, or of which no exporter"
            " tells any more. Nobody knows whether they are staffed; no other number here counts"
            " them.",
            _in(State.UNKNOWN),
            levels=steps(GOOD, (1, UNKNOWN)),
            empty="no exporter",
        ),
        count(
            "Staffed",
            "Open queues that were read and have as many agents available as required.",
            _in(State.STAFFED),
            empty=_NOBODY_KNOWS,
        ),
        count(
            "Closed",
            "Queues outside their hours. Nothing is asked of them.",
            _in(State.CLOSED),
            empty=_NOBODY_KNOWS,
        ),
        count(
            "Agents available",
            "Sum over the open queues that could be read; those under Unknown are not in it. An"
            " agent of two queues counts twice.",
            f"sum(\n{and_known(_open_only(_NOW.available))}\n)",
            empty=_NOBODY_KNOWS,
        ),
    )


def _lists() -> Panels:
    seconds_column = {"unit": "s", "decimals": 0, "width": 110}
    coloured = {"cell": {"type": "color-text"}}
    return (
        rows(
            "Empty now",
            "Open queues with nobody available, the longest first. The time runs from when"
            " somebody was last seen, or from when the queue opened; 12 h means that or longer."
            " Logged in: only with `detail: agents`.",
            (
                _empty_for(),
                (
                    f"max by ({BY_QUEUE}) (calltools_queue_logged_in_agents{{{QUEUES}}})"
                    f"\nand on ({BY_QUEUE}) {_NOW.state} == {State.EMPTY:d}"
                ),
            ),
            {**_NAMES, "Value #A": "Empty for", "Value #B": "Logged in"},
            empty="No open queue that could be read is empty",
            width=8,
            height=8,
            overrides={
                **_LINKED,
                "Empty for": {
                    **seconds_column,
                    **coloured,
                    "thresholds": _raw(steps(WARNING, (_PAGE, BAD))),
                },
                "Logged in": {"width": 100, "noValue": "-"},
            },
            sort=("Empty for", True),
        ),
        rows(
            "Below required",
            "Open queues with somebody available, but fewer than required_agents.",
            (
                _of(State.LOW, _NOW.available),
                f"{_NOW.required}\nand on ({BY_QUEUE}) {_NOW.state} == {State.LOW:d}",
            ),
            {**_NAMES, "Value #A": "Available", "Value #B": "Required"},
            empty="No open queue that could be read is low",
            width=8,
            height=8,
            overrides={
                **_LINKED,
                "Available": {**coloured, "thresholds": _raw(steps(WARNING)), "width": 100},
                "Required": {"width": 100},
            },
            sort=("Available", False),
        ),
        rows(
            "Cannot be read",
            "Queues in their hours whose number is unknown, with the reason and when they were"
            " last read. They are neither empty nor staffed: nobody knows.",
            (
                f"{_of(State.UNKNOWN, _age())}\nor ({_NOW.state} == {State.UNKNOWN:d}) * 0 - 1",
                (
                    f"max by ({BY_QUEUE}, code) (calltools_queue_failure{{{QUEUES}}})"
                    f"\nand on ({BY_QUEUE}) {_NOW.state} == {State.UNKNOWN:d}"
                ),
            ),
            {"queue": "Queue", "account": "Account", "code": "Reason", "Value #A": "Last read"},
            empty="Every open queue could be read",
            width=8,
            height=8,
            overrides={
                **_LINKED,
                "Reason": {**coloured, "width": 180, "mappings": _raw(reasons())},
                "Last read": {
                    **seconds_column,
                    "mappings": _raw(words({"-1": ("not known", UNKNOWN)})),
                },
            },
            sort=("Last read", True),
        ),
    )


def _queues() -> Panels:
    look = ", ".join(look.word for look in STATES.values())
    return (
        tiles(
            "Queues",
            f"A tile for each queue: {look}. The worst {_WORST_TILES} are shown, the worst first;"
            " account, team and queue narrow it down. A click shows the queue alone.",
            f"sort(\n  bottomk({_WORST_TILES},\n{_NOW.state}\n  )\n)",
            "{{queue}} · {{account}}",
            mappings=states(),
            empty="No exporter tells of any queue",
            height=8,
            link=link_to_queue(UID, "field.labels"),
        ),
        timeline(
            "State over time",
            f"The state of the {_WORST_LINES} queues that are worst at the end of the range:"
            f" {look}. Purple is time that could not be read.",
            f"{_NOW.state}\nand on ({BY_QUEUE})\nbottomk({_WORST_LINES},\n{_END.state}\n)",
            "{{queue}} · {{account}}",
            mappings=states(),
            empty="No exporter tells of any queue",
            height=11,
            link=link_to_queue(UID, "field.labels"),
        ),
    )


def _agents() -> Panels:
    up = f"max by ({BY_QUEUE}) (calltools_queue_up{{{QUEUES}}})"
    unread = f"sum(\n{and_known(_open_only(f'1 - {up}'))}\n)"
    closed = f"avg(\n{and_known(f'{_NOW.open} == bool 0')}\n)"
    return (
        graph(
            "Available and required",
            "Available agents of the selected queues that are open and could be read, and what"
            " they require. Purple, beside them: queues that could not be read, whose agents and"
            " requirements are not in the sums. Grey: the share of the selected queues that is"
            " closed; for one queue, its closed hours.",
            (
                query(
                    f"sum(\n{and_known(_open_only(_NOW.available))}\n)", "available", over_time=True
                ),
                query(
                    f"sum(\n{and_known(_open_only(_NOW.required))}"
                    f"\nand on ({BY_QUEUE}) {_NOW.available}\n)",
                    "required",
                    over_time=True,
                ),
                query(unread, "queues not read", over_time=True),
                query(closed, "closed", over_time=True),
            ),
            unit="short",
            empty="No open queue could be read",
            width=16,
            overrides={
                "available": {"color": _fixed(GOOD), "fill": 15, "line": 2},
                "required": {
                    "color": _fixed(WARNING),
                    "dash": {"fill": "dash", "dash": [8, 6]},
                    "steps_after": "stepAfter",
                },
                "queues not read": {
                    "color": _fixed(UNKNOWN),
                    "line": 2,
                    "steps_after": "stepAfter",
                },
                "closed": {
                    "color": _fixed(CALM),
                    "unit": "percentunit",
                    "min": 0,
                    "max": 1,
                    "axis": "hidden",
                    "line": 0,
                    "fill": 25,
                    "steps_after": "stepAfter",
                },
            },
        ),
        rows(
            "Longest waiting",
            "How long the longest waiting available agent of each queue has waited; only with"
            " `detail: agents`.",
            (
                and_known(
                    f"time() - min by ({BY_QUEUE}) (\n"
                    f"  calltools_queue_available_since_timestamp_seconds{{{QUEUES}}}\n)"
                    f"\nand {_NOW.available} > 0"
                ),
            ),
            {"queue": "Queue", "account": "Account", "Value": "Has waited"},
            empty="Only with detail: agents",
            width=8,
            height=9,
            overrides={**_LINKED, "Has waited": {"unit": "s", "decimals": 0}},
            sort=("Has waited", True),
        ),
        graph(
            "Agents by status",
            "Agents of the selected queues by the name of their status, each in one; only with"
            " `detail: agents`. An agent of two queues counts twice.",
            (
                query(
                    "sum by (status) (\n"
                    + and_known(f"max by ({BY_QUEUE}, status) (calltools_queue_agents{{{QUEUES}}})")
                    + "\n)",
                    "{{status}}",
                    over_time=True,
                ),
            ),
            unit="short",
            empty="Only with detail: agents",
            width=16,
            stacked=True,
            fill=40,
        ),
        bars(
            "Agents by status now",
            "The same at the end of the range: where the agents are who are not available.",
            "sort_desc(sum by (status) (\n"
            + and_known(f"max by ({BY_QUEUE}, status) (calltools_queue_agents{{{QUEUES}}})")
            + "\n))",
            "{{status}}",
            unit="short",
            empty="Only with detail: agents",
            width=8,
            levels=steps(ACTIVITY),
        ),
    )


def _around() -> Panels:
    def by_team(state: State) -> str:
        return f"sum by (account, team) (\n{_NOW.state} == bool {state:d}\n)"

    shown = (State.EMPTY, State.UNKNOWN, State.LOW, State.STAFFED, State.CLOSED)
    fields = {f"Value #{chr(65 + place)}": STATES[s].word for place, s in enumerate(shown)}
    agents = f"{_NOW.known} * 0\n+ on ({BY_QUEUE}) group_left ()\n({_open_only(_NOW.available)})"
    return (
        rows(
            "Accounts and teams",
            "Queues of each account and team by state, the worst first, and the sum of available"
            " agents of those that could be read: read it beside `unknown`.",
            (
                *(by_team(state) for state in shown),
                f"sum by (account, team) (\n{agents}\n)",
            ),
            {"account": "Account", "team": "Team", **fields, "Value #F": "agents"},
            empty="No exporter tells of any queue",
            width=12,
            height=10,
            overrides={
                "Account": {
                    "links": [
                        {
                            "title": "This account alone",
                            "url": f"/d/{UID}?${{datasource:queryparam}}&${{__url_time_range}}"
                            "&var-account=${__data.fields.account:percentencode}",
                        }
                    ]
                },
                **{
                    STATES[state].word: {
                        "cell": {"type": "color-text"},
                        "thresholds": _raw(steps(NEUTRAL, (1, STATES[state].color))),
                    }
                    for state in (State.EMPTY, State.UNKNOWN, State.LOW)
                },
                "agents": {"noValue": "not known"},
            },
            sort=("empty", True),
        ),
        rows(
            "Firing alerts",
            "Alerts of the rules in prometheus/ that fire now, for the selected accounts and"
            " queues; those without a queue, too. Empty without those rules.",
            (
                (
                    "max by (alertname, severity, account, queue, team, host) (\n"
                    '  ALERTS{alertstate="firing", alertname=~"CallTools.*", severity!="none",\n'
                    '    account=~"$account|", queue=~"$queue|"}\n)'
                ),
            ),
            {
                "severity": "Severity",
                "alertname": "Alert",
                "queue": "Queue",
                "account": "Account",
                "host": "Silo",
            },
            empty="No alert fires (if the rules are loaded)",
            width=12,
            height=10,
            overrides={
                "/Queue|Account|Silo/": {"noValue": "-"},
                "Alert": {"width": 220},
                "Severity": {
                    "cell": {"type": "color-text"},
                    "width": 100,
                    "mappings": _raw(
                        words(
                            {
                                "critical": ("critical", BAD),
                                "warning": ("warning", WARNING),
                                "info": ("info", ACTIVITY),
                            }
                        )
                    ),
                },
            },
            sort=("Severity", False),
        ),
        graph(
            "Age of the numbers",
            "For how long a queue has not been read: the oldest ten. From 75 s on the rules do not"
            " take a number for fresh; after 10 min without one CallToolsQueueUnreadable fires, in"
            " open hours.",
            (query(f"topk(10,\n{_age()}\n)", "{{queue}} · {{account}}", over_time=True),),
            unit="s",
            empty="No queue has ever been read",
            width=24,
            height=8,
            levels=steps(GOOD, (_STALE, WARNING), (_BLIND, UNKNOWN)),
            table_legend=True,
        ),
    )


def _fixed(color: str) -> dict[str, object]:
    return {"mode": "fixed", "fixedColor": color}


def _raw(value: object) -> object:
    """Return thresholds or mappings as they stand in an override."""
    if isinstance(value, list) and value and hasattr(value[0], "color"):
        return {"mode": "absolute", "steps": value}
    return value
