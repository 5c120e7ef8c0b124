"""The client of the CallTools API: it asks, reads and checks, and only ever sends GET."""

from exporter.calltools.client import FILTERS, Client, Filter, Ready, Rows, check_ready
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
    "Ready",
    "RequestContext",
    "Rows",
    "StatusRow",
    "check_ready",
    "resolve_statuses",
    "summarise",
    "unknown_statuses",
]
