"""A stand-in for the CallTools API, for the demo, the tests and the benchmarks.

Faults are passed in: the tests have every fault by name in ``tests/simulator``.
"""

from exporter.simulator.api import TOKEN, SimulatedAccount
from exporter.simulator.listing import ALL_FILTERS, Dialect
from exporter.simulator.server import SimulatedSilo
from exporter.simulator.world import (
    AVAILABLE,
    LUNCH,
    NOT_AVAILABLE,
    ON_A_CALL,
    POST_CALL,
    STATUSES,
    AccountMoment,
    Agent,
    Clock,
    Status,
    World,
)

__all__ = [
    "ALL_FILTERS",
    "AVAILABLE",
    "LUNCH",
    "NOT_AVAILABLE",
    "ON_A_CALL",
    "POST_CALL",
    "STATUSES",
    "TOKEN",
    "AccountMoment",
    "Agent",
    "Clock",
    "Dialect",
    "SimulatedAccount",
    "SimulatedSilo",
    "Status",
    "World",
]
