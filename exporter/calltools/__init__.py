"""The client of the CallTools API: it asks, reads and checks, and only ever sends GET."""

from exporter.calltools.client import FILTERS, Client, Filter
from exporter.calltools.requester import RequestContext
from exporter.calltools.rows import (
    AgentRow,
    QueueRow,
    StatusRow,
    resolve_statuses,
    summarise,
    unknown_statuses,
)

__all__ = [
    "FILTERS",
    "AgentRow",
    "Client",
    "Filter",
    "QueueRow",
    "RequestContext",
    "StatusRow",
    "resolve_statuses",
    "summarise",
    "unknown_statuses",
]
