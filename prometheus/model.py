"""What a rule is here, and what all expressions share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from textwrap import dedent
from typing import Final

from prometheus.thresholds import Thresholds

__all__ = [
    "ACCOUNT",
    "ANSWERED",
    "QUEUE",
    "REPLICA",
    "WHERE",
    "Alert",
    "Dashboard",
    "Group",
    "Record",
    "by_queue",
    "indent",
    "known",
    "promql",
]

#: Labels that tell the replicas of one exporter apart. They are taken away with `without`, so that
#: what a target has besides (job, cluster, environment, ...) stays and keeps installations apart.
#: `replica` is there where two Prometheus servers are seen together.
REPLICA: Final = "instance, pod, replica"

#: Failures that do not speak against the silo: it answered as the API does, with a reason of the
#: account's or the queue's own, or was not asked at all (`token`). All others do: nothing answers,
#: it answers that it is broken (5xx), or something answers in its place (a page, a redirect).
ANSWERED: Final = "4..|token|unknown_id|filter_ignored|unexpected_answer|too_large"

#: How recorded series begin that have one value for each account, or for each queue.
ACCOUNT: Final = "account:calltools"
QUEUE: Final = "account_queue:calltools_queue"

#: How the texts name a queue.
WHERE: Final = (
    "Account {{ $labels.account }}, queue {{ $labels.queue }}"
    "{{ with $labels.team }} (team {{ . }}){{ end }}"
)


class Dashboard(StrEnum):
    """The dashboards, with the variables that narrow them to what an alert is about."""

    OPERATIONS = "calltools-operations?var-account={account}&var-queue={queue}"
    COVERAGE = "calltools-coverage?var-account={account}&var-queue={queue}"
    ACCOUNT = "calltools-exporter?var-account={account}"
    EXPORTER = "calltools-exporter"


@dataclass(frozen=True, slots=True)
class Record:
    """A recording rule, with the reason for it."""

    name: str
    why: str
    expression: str


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert. `fires` and `why` are for people; times are in Prometheus' notation."""

    name: str
    severity: str
    fires: str
    why: str
    expression: str
    summary: str
    description: str
    dashboard: Dashboard
    wait: str = ""
    keep: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Rules that are evaluated one after the other, in this order."""

    name: str
    interval: str
    rules: tuple[Record | Alert, ...]


def promql(text: str) -> str:
    """Return an expression without the indentation that it has in the source."""
    return dedent(text).strip()


def indent(text: str, by: int) -> str:
    """Return lines for a place that is indented by so many spaces."""
    return text.replace("\n", "\n" + " " * by)


def by_queue(expression: str) -> str:
    """Return an expression by queue, with the queue's team and host as labels."""
    return promql(f"""
        (
          {indent(promql(expression), 10)}
        )
        * ignoring (team, host) group_left (team, host) {QUEUE}_info:last
    """)


def known(limits: Thresholds) -> str:
    """Return an expression that is there for queues of which some exporter has told lately."""
    return f"last_over_time({QUEUE}_up:max[{limits.remembered}])"
