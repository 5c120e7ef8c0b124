"""A stand-in for the CallTools API, for the demo, the tests and the benchmarks.

Faults are passed in: the tests have every fault by name in ``tests/simulator``.
"""

from exporter.simulator.api import TOKEN, Dialect, SimulatedAccount
from exporter.simulator.world import AVAILABLE

__all__ = ["AVAILABLE", "TOKEN", "Dialect", "SimulatedAccount"]
