"""Operations: which open queues are empty, low or unreadable, now and over the day."""

from __future__ import annotations

from grafana.frame import Dashboard, dashboard
from grafana.operations.around import around
from grafana.operations.now import counts, lists
from grafana.operations.over_time import agents, queues
from grafana.operations.shared import UID

__all__ = ["UID", "operations"]


def operations() -> Dashboard:
    """Return the dashboard."""
    return dashboard(
        UID,
        "CallTools / Operations",
        "Who can take a call now: which open queues are empty, below what is required, or cannot"
        " be read.",
        (
            (None, (*counts(), *lists())),
            ("Every queue, worst first", queues()),
            ("Agents", agents()),
            ("By account and team; alerts; age of the numbers", around()),
        ),
        since="now-12h",
    )
