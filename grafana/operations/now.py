"""Now: the number of queues in each state, and the queues that need attention."""

from __future__ import annotations

from grafana.operations.shared import EMPTY_FOR, LINKED, NAMES, PAGE, number_in, raw
from grafana.panels import Panels, count
from grafana.promql import BY_QUEUE, MISSING, QUEUES, READ, TEAM, of, recorded
from grafana.rows import rows
from grafana.words import BAD, GOOD, UNKNOWN, WARNING, reasons, steps, words

__all__ = ["counts", "lists"]


#: The text of an empty list: the counts above show which is the case.
_NONE = "None (if the counts above are empty, too, the rules are missing)"


def counts() -> Panels:
    """Return the number of queues in each state."""
    return (
        count(
            "Empty",
            "Open queues that were read, with nobody available although somebody is required. The"
            " alert fires after 4 minutes. Queues that cannot be read are counted under Not known.",
            number_in("== 0"),
            levels=steps(GOOD, (1, BAD)),
            empty=MISSING,
        ),
        count(
            "Low",
            "Open queues that were read, with somebody available, but fewer than required_agents.",
            number_in("== 1"),
            width=3,
            levels=steps(GOOD, (1, WARNING)),
            empty=MISSING,
        ),
        count(
            "Not known",
            "Queues in their hours that the last scrape could not read, and queues that no"
            " exporter reports any more. It is not known whether they are staffed; no other number"
            " here counts them.",
            number_in("< 0"),
            levels=steps(GOOD, (1, UNKNOWN)),
            empty=MISSING,
        ),
        count(
            "Staffed",
            "Open queues that were read, with as many agents available as required.",
            number_in("== 2"),
            width=3,
            empty=MISSING,
        ),
        count(
            "Not required",
            "Open queues that were read, with nobody available, where required_agents is 0.",
            number_in("== 3"),
            width=3,
            empty=MISSING,
        ),
        count(
            "Closed",
            "Queues outside their hours.",
            number_in("== 4"),
            width=3,
            empty=MISSING,
        ),
        count(
            "Agents available",
            "Sum over the open queues that could be read, without those under Not known. An agent"
            " of two queues counts twice.",
            f"sum({recorded('available_agents:max')}\n{READ}\n{TEAM})",
            empty="not known",
        ),
    )


def lists() -> Panels:
    """Return the lists of the queues that need attention."""
    # hours, minutes and seconds
    time_column = {"unit": "dthms", "width": 110}
    coloured = {"cell": {"type": "color-text"}}
    age = f"calltools_queue_last_success_timestamp_seconds{{{QUEUES}}}[1h]"
    return (
        rows(
            "Empty now",
            "Open queues with nobody available, longest first. The time is since somebody was last"
            " available, or since the queue opened; 12 h means 12 h or longer. Logged in: only"
            " with `detail: agents`.",
            (
                EMPTY_FOR,
                f"{recorded('logged_in_agents:last')}\n{of('== 0')}",
            ),
            {**NAMES, "Value #A": "Empty for", "Value #B": "Logged in"},
            empty=_NONE,
            width=8,
            height=8,
            overrides={
                **LINKED,
                "Empty for": {
                    **time_column,
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
                f"{recorded('available_agents:max')}\n{of('== 1')}",
                f"max by ({BY_QUEUE}) (calltools_queue_required_agents{{{QUEUES}}})\n{of('== 1')}",
            ),
            {**NAMES, "Value #A": "Available", "Value #B": "Required"},
            empty=_NONE,
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
            "Queues in their hours whose number is not known, with the reason and the time since"
            " they were last read. It is not known whether they are empty or staffed.",
            (
                (
                    f"time() - max by ({BY_QUEUE}) (last_over_time({age}))\n{of('< 0')}\n"
                    f"or on ({BY_QUEUE}) 0 * {recorded('state')} - 1\n{of('< 0')}"
                ),
                f"max by ({BY_QUEUE}, code) (calltools_queue_failure{{{QUEUES}}})\n{of('< 0')}",
            ),
            {"queue": "Queue", "account": "Account", "code": "Reason", "Value #A": "Last read"},
            empty=_NONE,
            width=8,
            height=8,
            overrides={
                **LINKED,
                "Reason": {**coloured, "width": 180, "mappings": raw(reasons())},
                "Last read": {
                    **time_column,
                    "mappings": raw(words({"-1": ("not known", UNKNOWN)})),
                },
            },
            sort=("Last read", True),
        ),
    )
