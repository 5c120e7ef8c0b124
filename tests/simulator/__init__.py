"""The simulator as tests and benchmarks use it: worlds set by hand, and every fault by name."""

from tests.simulator.clock import Clock
from tests.simulator.dialect import Dialect, DialectAccount, DialectApi
from tests.simulator.fault_plan import FaultPlan
from tests.simulator.faults import FAULTS
from tests.simulator.fixed_world import FIXED_TIME, FixedWorld
from tests.simulator.simulator import ReceivedRequest, Simulator

__all__ = [
    "FAULTS",
    "FIXED_TIME",
    "Clock",
    "Dialect",
    "DialectAccount",
    "DialectApi",
    "FaultPlan",
    "FixedWorld",
    "ReceivedRequest",
    "Simulator",
]
