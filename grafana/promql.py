"""The expressions that several panels share.

They use the state that the rules in prometheus/ record for each queue, so that a query is short
enough to edit, and cheap with many queues.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "BY_QUEUE",
    "MISSING",
    "PICKED",
    "QUEUES",
    "READ",
    "STATE",
    "TEAM",
    "TEAM_AT_END",
    "of",
    "recorded",
]

#: What the variables select.
QUEUES: Final = 'account=~"$account", queue=~"$queue"'
#: The labels that distinguish queues.
BY_QUEUE: Final = "account, queue"
#: The text in place of a number if the rules record nothing.
MISSING: Final = "no rules loaded, or no queue"


def recorded(name: str) -> str:
    """Return a series that the rules record for each queue, for the queues that are selected."""
    return f"account_queue:calltools_queue_{name}{{{QUEUES}}}"


#: Every queue by its state, see docs/alerting.md, without regard to teams.
PICKED: Final = recorded("state")
#: Keeps the queues of the selected teams.
TEAM: Final = (
    f'and on ({BY_QUEUE}) account_queue:calltools_queue_info:last{{{QUEUES}, team=~"$team"}}'
)
STATE: Final = f"{PICKED}\n{TEAM}"
#: The same over time, by the teams of the queues at the end of the range: evaluated only once.
TEAM_AT_END: Final = f"{TEAM} @ end()"
#: Keeps the queues that are open and could be read.
READ: Final = f"and on ({BY_QUEUE}) {recorded('staffed:open_hours')}"


def of(condition: str) -> str:
    """Keep the queues in a state, of the selected teams."""
    return f"and on ({BY_QUEUE}) {PICKED} {condition}\n{TEAM}"
