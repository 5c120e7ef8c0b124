"""Every queue as a tile and a line, and its agents over time."""

from __future__ import annotations

from grafana.operations.shared import (
    END,
    LINKED,
    NOW,
    UID,
    WORST_LINES,
    WORST_TILES,
    fixed,
    open_only,
)
from grafana.panels import Panels, bars, graph, query, tiles, timeline
from grafana.promql import BY_QUEUE, QUEUES, and_known
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


def queues() -> Panels:
    """Return every queue, now and over time."""
    look = ", ".join(look.word for look in STATES.values())
    return (
        tiles(
            "Queues",
            f"A tile for each queue: {look}. The worst {WORST_TILES} are shown, the worst first;"
            " account, team and queue narrow it down. A click shows the queue alone.",
            f"sort(\n  bottomk({WORST_TILES},\n{NOW.state}\n  )\n)",
            "{{queue}} · {{account}}",
            mappings=states(),
            empty="No exporter tells of any queue",
            height=8,
            link=link_to_queue(UID, "field.labels"),
        ),
        timeline(
            "State over time",
            f"The state of the {WORST_LINES} queues that are worst at the end of the range:"
            f" {look}. Purple is time that could not be read.",
            f"{NOW.state}\nand on ({BY_QUEUE})\nbottomk({WORST_LINES},\n{END.state}\n)",
            "{{queue}} · {{account}}",
            mappings=states(),
            empty="No exporter tells of any queue",
            height=11,
            link=link_to_queue(UID, "field.labels"),
        ),
    )


def agents() -> Panels:
    """Return the agents, over time and by status."""
    up = f"max by ({BY_QUEUE}) (calltools_queue_up{{{QUEUES}}})"
    unread = f"sum(\n{and_known(open_only(f'1 - {up}'))}\n)"
    closed = f"avg(\n{and_known(f'{NOW.open} == bool 0')}\n)"
    return (
        graph(
            "Available and required",
            "Available agents of the selected queues that are open and could be read, and what"
            " they require. Purple, beside them: queues that could not be read, whose agents and"
            " requirements are not in the sums. Grey: the share of the selected queues that is"
            " closed; for one queue, its closed hours.",
            (
                query(
                    f"sum(\n{and_known(open_only(NOW.available))}\n)", "available", over_time=True
                ),
                query(
                    f"sum(\n{and_known(open_only(NOW.required))}"
                    f"\nand on ({BY_QUEUE}) {NOW.available}\n)",
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
                and_known(
                    f"time() - min by ({BY_QUEUE}) (\n"
                    f"  calltools_queue_available_since_timestamp_seconds{{{QUEUES}}}\n)"
                    f"\nand {NOW.available} > 0"
                ),
            ),
            {"queue": "Queue", "account": "Account", "Value": "Has waited"},
            empty="Only with detail: agents",
            width=8,
            height=9,
            overrides={**LINKED, "Has waited": {"unit": "s", "decimals": 0}},
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
