"""The expressions that several panels share.

They rest on the exporter's own series, so that the dashboards work without the recording rules;
only how open hours were covered over days is read from recorded series. Replicas of an exporter
are seen as one, as the rules see them.
"""

from __future__ import annotations

from textwrap import indent
from typing import Final

from grafana.words import State

__all__ = ["BY_QUEUE", "QUEUES", "Now", "and_known", "nested"]

#: What the variables select.
QUEUES: Final = 'account=~"$account", queue=~"$queue"'
#: What tells one queue from another.
BY_QUEUE: Final = "account, queue"


def nested(text: str, by: int = 2) -> str:
    """Return an expression further to the right."""
    return indent(text, " " * by)


class Now:
    """What is known of the selected queues at a moment: of the panel, or of the range's end."""

    def __init__(self, at: str = "") -> None:
        self._at = f" {at}" if at else ""

    def _series(self, metric: str) -> str:
        return f"calltools_queue_{metric}{{{QUEUES}}}{self._at}"

    @property
    def known(self) -> str:
        """Each queue with its team, as long as it was told of in the last hour."""
        info = f'calltools_queue_info{{{QUEUES}, team=~"$team"}}[1h]{self._at}'
        return f"""\
topk by ({BY_QUEUE}) (1,
  max by ({BY_QUEUE}, team) (
    last_over_time({info})
  )
)"""

    @property
    def available(self) -> str:
        """Available agents of each queue that could be read."""
        return f"""\
(
  max by ({BY_QUEUE}) ({self._series("available_agents")})
  and max by ({BY_QUEUE}) ({self._series("up")}) == 1
)"""

    @property
    def required(self) -> str:
        """Agents that each queue needs."""
        return f"max by ({BY_QUEUE}) ({self._series('required_agents')})"

    @property
    def open(self) -> str:
        """1 for each queue inside its hours; 0 if any exporter says closed."""
        return f"min by ({BY_QUEUE}) ({self._series('open')})"

    @property
    def state(self) -> str:
        """Each queue's `State`, with its team; what nobody tells of any more is unknown.

        With enough agents it is 3 more, with any agent 2 more: 0 is empty, 2 low, 3 nobody and none
        required, 5 staffed.
        """
        available = self.available
        told = f"last_over_time(calltools_queue_up{{{QUEUES}}}[1h]{self._at})"
        return f"""\
(
{nested(self.known)} * 0
  + on ({BY_QUEUE}) group_left () (
    ({self.open} == 0) + {State.CLOSED:d}
    or
    3 * ({nested(available, 4).strip()} >= bool {self.required})
    + 2 * ({nested(available, 4).strip()} > bool 0)
    or
    max by ({BY_QUEUE}) ({told}) * 0 + {State.UNKNOWN:d}
  )
)"""


def and_known(expression: str) -> str:
    """Return an expression by queue, for queues of the selected teams alone."""
    info = f'calltools_queue_info{{{QUEUES}, team=~"$team"}}'
    return f"{expression}\nand on ({BY_QUEUE}) {info}"
