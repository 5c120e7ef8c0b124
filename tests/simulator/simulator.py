"""A simulated silo in which any fault can be set."""

from __future__ import annotations

import ssl

from exporter.simulator import Dialect, SimulatedAccount, SimulatedSilo
from tests.simulator.fault_plan import FaultPlan
from tests.simulator.fixed_world import FixedWorld


class Simulator(SimulatedSilo):
    """A silo whose ``faults`` may be set at any time; it has one account unless some are given."""

    def __init__(
        self,
        *accounts: SimulatedAccount,
        tls: ssl.SSLContext | None = None,
        latency: float = 0.0,
        dialect: Dialect | None = None,
    ) -> None:
        self.faults = FaultPlan()
        super().__init__(
            *(accounts or (SimulatedAccount(FixedWorld()),)),
            tls=tls,
            latency=latency,
            dialect=dialect,
            faults=self.faults,
        )
