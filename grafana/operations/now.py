"""Now: how many queues are in each state, and which."""

from __future__ import annotations

from grafana.operations.shared import (
    LINKED,
    NAMES,
    NOBODY_KNOWS,
    NOW,
    PAGE,
    age,
    empty_for,
    number_in,
    of,
    open_only,
    raw,
)
from grafana.panels import Panels, count
from grafana.promql import BY_QUEUE, QUEUES, and_known
from grafana.rows import rows
from grafana.words import (
    BAD,
    GOOD,
    UNKNOWN,
    WARNING,
    State,
    reasons,
    steps,
    words,
)

__all__ = ["counts", "lists"]


def counts() -> Panels:
    """Return the number of queues in each state."""
    return (
        count(
            "Empty",
            "Open queues that were read and have nobody available, though somebody is required."
            " The page fires after 4 minutes of it. Queues that cannot be read are not counted"
            " here, but under Unknown.",
            number_in(State.EMPTY),
            levels=steps(GOOD, (1, BAD)),
            empty=NOBODY_KNOWS,
        ),
        count(
            "Low",
            "Open queues that were read and have somebody available, but fewer than"
            " required_agents.",
            number_in(State.LOW),
            levels=steps(GOOD, (1, WARNING)),
            empty=NOBODY_KNOWS,
        ),
        count(
            "Unknown",
            "Queues in their hours that the last scrape could not read, or of which no exporter"
            " tells any more. Nobody knows whether they are staffed; no other number here counts"
            " them.",
            number_in(State.UNKNOWN),
            levels=steps(GOOD, (1, UNKNOWN)),
            empty="no exporter",
        ),
        count(
            "Staffed",
            "Open queues that were read and have as many agents available as required.",
            number_in(State.STAFFED),
            empty=NOBODY_KNOWS,
        ),
        count(
            "Closed",
            "Queues outside their hours. Nothing is asked of them.",
            number_in(State.CLOSED),
            empty=NOBODY_KNOWS,
        ),
        count(
            "Agents available",
            "Sum over the open queues that could be read; those under Unknown are not in it. An"
            " agent of two queues counts twice.",
            f"sum(\n{and_known(open_only(NOW.available))}\n)",
            empty=NOBODY_KNOWS,
        ),
    )


def lists() -> Panels:
    """Return the names of the queues that somebody has to see to."""
    seconds_column = {"unit": "s", "decimals": 0, "width": 110}
    coloured = {"cell": {"type": "color-text"}}
    return (
        rows(
            "Empty now",
            "Open queues with nobody available, the longest first. The time runs from when"
            " somebody was last seen, or from when the queue opened; 12 h means that or longer."
            " Logged in: only with `detail: agents`.",
            (
                empty_for(),
                (
                    f"max by ({BY_QUEUE}) (calltools_queue_logged_in_agents{{{QUEUES}}})"
                    f"\nand on ({BY_QUEUE}) {NOW.state} == {State.EMPTY:d}"
                ),
            ),
            {**NAMES, "Value #A": "Empty for", "Value #B": "Logged in"},
            empty="No open queue that could be read is empty",
            width=8,
            height=8,
            overrides={
                **LINKED,
                "Empty for": {
                    **seconds_column,
                    **coloured,
                    "thresholds": raw(steps(WARNING, (PAGE, BAD))),
                },
                "Logged in": {"width": 100, "noValue": "-"},
            },
            sort=("Empty for", True),
        ),
        rows(
            "Below required",
            "Open queues with somebody available, but fewer than required_agents.",
            (
                of(State.LOW, NOW.available),
                f"{NOW.required}\nand on ({BY_QUEUE}) {NOW.state} == {State.LOW:d}",
            ),
            {**NAMES, "Value #A": "Available", "Value #B": "Required"},
            empty="No open queue that could be read is low",
            width=8,
            height=8,
            overrides={
                **LINKED,
                "Available": {**coloured, "thresholds": raw(steps(WARNING)), "width": 100},
                "Required": {"width": 100},
            },
            sort=("Available", False),
        ),
        rows(
            "Cannot be read",
            "Queues in their hours whose number is unknown, with the reason and when they were"
            " last read. They are neither empty nor staffed: nobody knows.",
            (
                f"{of(State.UNKNOWN, age())}\nor ({NOW.state} == {State.UNKNOWN:d}) * 0 - 1",
                (
                    f"max by ({BY_QUEUE}, code) (calltools_queue_failure{{{QUEUES}}})"
                    f"\nand on ({BY_QUEUE}) {NOW.state} == {State.UNKNOWN:d}"
                ),
            ),
            {"queue": "Queue", "account": "Account", "code": "Reason", "Value #A": "Last read"},
            empty="Every open queue could be read",
            width=8,
            height=8,
            overrides={
                **LINKED,
                "Reason": {**coloured, "width": 180, "mappings": raw(reasons())},
                "Last read": {
                    **seconds_column,
                    "mappings": raw(words({"-1": ("not known", UNKNOWN)})),
                },
            },
            sort=("Last read", True),
        ),
    )
