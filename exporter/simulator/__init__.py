"""A stand-in for the CallTools API, for the demo, the tests and the benchmarks."""

from exporter.simulator.api import TOKEN, SimulatedAccount
from exporter.simulator.clock import Clock
from exporter.simulator.days import DayWorld, ShiftPattern, Team
from exporter.simulator.demo import DEMO_QUEUES, demo_simulator
from exporter.simulator.dialect import ALL_FILTERS, Dialect
from exporter.simulator.faults import FAULTS
from exporter.simulator.server import ReceivedRequest, Simulator
from exporter.simulator.world import (
    AVAILABLE,
    FIXED_TIME,
    LUNCH,
    NOT_AVAILABLE,
    ON_A_CALL,
    POST_CALL,
    STATUSES,
    AccountMoment,
    Agent,
    FixedWorld,
    Status,
    World,
)

__all__ = [
    "ALL_FILTERS",
    "AVAILABLE",
    "DEMO_QUEUES",
    "FAULTS",
    "FIXED_TIME",
    "LUNCH",
    "NOT_AVAILABLE",
    "ON_A_CALL",
    "POST_CALL",
    "STATUSES",
    "TOKEN",
    "AccountMoment",
    "Agent",
    "Clock",
    "DayWorld",
    "Dialect",
    "FixedWorld",
    "ReceivedRequest",
    "ShiftPattern",
    "SimulatedAccount",
    "Simulator",
    "Status",
    "Team",
    "World",
    "demo_simulator",
]
