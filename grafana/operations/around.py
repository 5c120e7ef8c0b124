"""Accounts and teams, alerts, and how old the numbers are."""

from __future__ import annotations

from grafana.operations.shared import BLIND, STALE, UID, raw
from grafana.panels import Panels, graph, query
from grafana.promql import BY_QUEUE, MISSING, PICKED, QUEUES, READ, recorded
from grafana.rows import rows
from grafana.words import (
    ACTIVITY,
    BAD,
    GOOD,
    NEUTRAL,
    UNKNOWN,
    WARNING,
    steps,
    words,
)

__all__ = ["around"]


def around() -> Panels:
    """Return the rows about accounts, alerts and age."""

    def by_team(expression: str) -> str:
        return (
            f"sum by (account, team) (\n  {expression}\n  + on ({BY_QUEUE}) group_left (team)"
            f" 0 * topk by ({BY_QUEUE}) (1,"
            f' account_queue:calltools_queue_info:last{{{QUEUES}, team=~"$team"}})\n)'
        )

    shown = {
        "empty": "== bool 0",
        "not known": "< bool 0",
        "low": "== bool 1",
        "staffed": "== bool 2",
        "not required": "== bool 3",
        "closed": "== bool 4",
    }
    fields = {f"Value #{chr(65 + place)}": word for place, word in enumerate(shown)}
    return (
        rows(
            "Accounts and teams",
            "Queues of each account and team by state, and the sum of available agents of those"
            " that could be read; compare it with `not known`.",
            (
                *(by_team(f"({PICKED} {condition})") for condition in shown.values()),
                by_team(f"({recorded('available_agents:max')} {READ})"),
            ),
            {"account": "Account", "team": "Team", **fields, "Value #G": "agents"},
            empty=MISSING,
            width=13,
            height=10,
            overrides={
                "Team": {"noValue": "-"},
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
                    word: {
                        "cell": {"type": "color-text"},
                        "thresholds": raw(steps(NEUTRAL, (1, color))),
                        "width": width,
                    }
                    for word, color, width in (
                        ("empty", BAD, 65),
                        ("not known", UNKNOWN, 90),
                        ("low", WARNING, 60),
                    )
                },
                "staffed": {"width": 75},
                "not required": {"width": 105},
                "closed": {"width": 70},
                "agents": {"noValue": "not known", "width": 90},
            },
            sort=("Account", False),
            then="Team",
        ),
        rows(
            "Firing alerts",
            "Firing alerts of the rules in prometheus/, for the selected accounts and queues,"
            " including those without a queue. Empty without those rules.",
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
            width=11,
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
            "Time since each queue was last read, oldest 10. From 75 s on, a number is stale for"
            " the rules; after about 7 min in open hours, CallToolsQueueUnreadable fires.",
            (
                query(
                    f"topk(10, time() - max by ({BY_QUEUE})"
                    f" (calltools_queue_last_success_timestamp_seconds{{{QUEUES}}}))",
                    "{{queue}} · {{account}}",
                    over_time=True,
                ),
            ),
            unit="s",
            empty="No queue was read, or no exporter",
            width=24,
            height=8,
            levels=steps(GOOD, (STALE, WARNING), (BLIND, UNKNOWN)),
            table_legend=True,
        ),
    )
