"""A stand-in for the CallTools API, for the demo, the tests and the benchmarks."""

from exporter.simulator.api import TOKEN, SimulatedAccount
from exporter.simulator.clock import Clock
from exporter.simulator.dialect import ALL_FILTERS, Dialect
from exporter.simulator.faults import FAULTS
from exporter.simulator.server import ReceivedRequest, Simulator
from exporter.simulator.world import (
    AVAILABLE,
    LUNCH,
    NOT_AVAILABLE,
    ON_A_CALL,
    POST_CALL,
    FixedWorld,
    Status,
)

__all__ = [
    "ALL_FILTERS",
    "AVAILABLE",
    "FAULTS",
    "LUNCH",
    "NOT_AVAILABLE",
    "ON_A_CALL",
    "POST_CALL",
    "TOKEN",
    "Clock",
    "Dialect",
    "FixedWorld",
    "ReceivedRequest",
    "SimulatedAccount",
    "Simulator",
    "Status",
]
