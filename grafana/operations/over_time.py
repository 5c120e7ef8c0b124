"""Every queue as a tile and a line, and its agents over time."""

from __future__ import annotations

from grafana.operations.shared import LINKED, UID, WORST_LINES, WORST_TILES, fixed
from grafana.panels import Panels, bars, graph, query, tiles, timeline
from grafana.promql import BY_QUEUE, MISSING, PICKED, QUEUES, READ, TEAM, TEAM_AT_END, recorded
from grafana.rows import link_to_queue, rows
from grafana.words import (
    ACTIVITY,
    CALM,
    GOOD,
    STATES,
    UNKNOWN,
    WARNING,
    states,
    steps,
)

__all__ = ["agents", "queues"]


_BY_STATUS = f"max by ({BY_QUEUE}, status) (calltools_queue_agents{{{QUEUES}}})\n{TEAM}"
#: The alert that fires for a queue, as a label.
_ALERT = (
    f'label_replace(ALERTS{{alertstate="firing", {QUEUES}, queue!=""}}, "alert", " · $1",'
    ' "alertname", "CallTools(.*)")'
)


def queues() -> Panels:
    """Return every queue, now and over time."""
    look = ", ".join(look.word for look in STATES.values())
    return (
        tiles(
            "Queues",
            f"A tile for each queue: {look}; next to its name the firing alert. The worst"
            f" {WORST_TILES} are shown, worst first; account, team and queue narrow it down. Click"
            " to show one queue.",
            f"sort(bottomk({WORST_TILES}, (\n"
            f"  {PICKED} + on ({BY_QUEUE}) group_left (alert)\n"
            f"  0 * topk by ({BY_QUEUE}) (1, {_ALERT})\n"
            f"  or on ({BY_QUEUE}) {PICKED}\n"
            f") {TEAM}))",
            "{{queue}} · {{account}}{{alert}}",
            mappings=states(),
            empty=MISSING,
            height=8,
            link=link_to_queue(UID, "field.labels"),
        ),
        timeline(
            "State over time",
            f"The state of the {WORST_LINES} queues that are worst at the end of the range:"
            f" {look}. Purple: could not be read.",
            f"{PICKED}\nand on ({BY_QUEUE})\n"
            f"bottomk({WORST_LINES}, {PICKED} @ end()\n{TEAM_AT_END})",
            "{{queue}} · {{account}}",
            mappings=states(),
            empty=MISSING,
            height=11,
            link=link_to_queue(UID, "field.labels"),
        ),
    )


def agents() -> Panels:
    """Return the agents, over time and by status."""
    return (
        graph(
            "Available and required",
            "Available and required agents of the selected queues that are open and could be read."
            " Purple: queues that could not be read, which are not in the sums. Grey: the share of"
            " the selected queues that is closed; for one queue, its closed hours.",
            (
                query(
                    f"sum({recorded('available_agents:max')}\n{READ}\n{TEAM_AT_END})",
                    "available",
                    over_time=True,
                ),
                query(
                    f"sum(max by ({BY_QUEUE}) (calltools_queue_required_agents{{{QUEUES}}})"
                    f"\n{READ}\n{TEAM_AT_END})",
                    "required",
                    over_time=True,
                ),
                query(f"count({PICKED} < 0\n{TEAM_AT_END})", "queues not read", over_time=True),
                query(f"avg({PICKED} == bool 4\n{TEAM_AT_END})", "closed", over_time=True),
            ),
            unit="short",
            empty="No open queue was read, or the rules are missing",
            width=16,
            overrides={
                "available": {"color": fixed(GOOD), "fill": 15, "line": 2},
                "required": {
                    "color": fixed(WARNING),
                    "dash": {"fill": "dash", "dash": [8, 6]},
                    "steps_after": "stepAfter",
                },
                "queues not read": {
                    "color": fixed(UNKNOWN),
                    "line": 2,
                    "steps_after": "stepAfter",
                },
                "closed": {
                    "color": fixed(CALM),
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
                (
                    f"time() - min by ({BY_QUEUE})"
                    f" (calltools_queue_available_since_timestamp_seconds{{{QUEUES}}})"
                    f"\n{READ} == 1\n{TEAM}"
                ),
            ),
            {"queue": "Queue", "account": "Account", "Value": "Has waited"},
            empty="Only with detail: agents",
            width=8,
            height=9,
            overrides={**LINKED, "Has waited": {"unit": "dthms"}},
            sort=("Has waited", True),
        ),
        graph(
            "Agents by status",
            "Agents of the selected queues by the name of their status; only with `detail:"
            " agents`. An agent of two queues counts twice.",
            (
                query(
                    f"sum by (status) (\n{_BY_STATUS} @ end()\n)",
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
            "The same at the end of the range: what agents who are not available are doing.",
            f"sort_desc(sum by (status) (\n{_BY_STATUS}\n))",
            "{{status}}",
            unit="short",
            empty="Only with detail: agents",
            width=8,
            levels=steps(ACTIVITY),
        ),
    )
