"""A stand-in for the CallTools API, for the demo, the tests and the benchmarks.

Faults are passed in: the tests have every fault by name, and other forms of the answers, in
``tests/simulator``.
"""

from exporter.simulator.api import TOKEN, SimulatedAccount
from exporter.simulator.world import AVAILABLE

__all__ = ["AVAILABLE", "TOKEN", "SimulatedAccount"]
