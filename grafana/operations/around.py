"""Accounts and teams, alerts, and how old the numbers are."""

from __future__ import annotations

from grafana.operations.shared import (
    BLIND,
    NOW,
    STALE,
    UID,
    age,
    open_only,
    raw,
)
from grafana.panels import Panels, graph, query
from grafana.promql import BY_QUEUE
from grafana.rows import rows
from grafana.words import (
    ACTIVITY,
    BAD,
    GOOD,
    NEUTRAL,
    STATES,
    UNKNOWN,
    WARNING,
    State,
    steps,
    words,
)

__all__ = ["around"]


def around() -> Panels:
    """Return what is around the queues: accounts, alerts, age."""

    def by_team(state: State) -> str:
        return f"sum by (account, team) (\n{NOW.state} == bool {state:d}\n)"

    shown = (State.EMPTY, State.UNKNOWN, State.LOW, State.STAFFED, State.CLOSED)
    fields = {f"Value #{chr(65 + place)}": STATES[s].word for place, s in enumerate(shown)}
    agents = f"{NOW.known} * 0\n+ on ({BY_QUEUE}) group_left ()\n({open_only(NOW.available)})"
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
                        "thresholds": raw(steps(NEUTRAL, (1, STATES[state].color))),
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
                    "mappings": raw(
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
            (query(f"topk(10,\n{age()}\n)", "{{queue}} · {{account}}", over_time=True),),
            unit="s",
            empty="No queue has ever been read",
            width=24,
            height=8,
            levels=steps(GOOD, (STALE, WARNING), (BLIND, UNKNOWN)),
            table_legend=True,
        ),
    )
