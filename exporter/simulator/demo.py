"""A call centre to look at: staffed queues, one that empties now and then, and one that fails."""

from __future__ import annotations

from datetime import time
from typing import Final

from exporter.simulator.api import SimulatedAccount
from exporter.simulator.days import DayWorld, ShiftPattern, Team
from exporter.simulator.server import Simulator

__all__ = ["DEMO_QUEUES", "demo_simulator"]

#: Queues by id. Retention has only two agents, so that every few minutes both are busy.
DEMO_QUEUES: Final = {5457: "sales", 5460: "support", 5463: "retention", 5466: "billing"}

_SALES, _SUPPORT, _RETENTION, _BILLING = DEMO_QUEUES

#: Whenever the demo is run somebody is at work, and soon does something else.
_LIVELY: Final = ShiftPattern(
    weekdays=frozenset(range(7)),
    start=time(0),
    hours=24.0,
    lateness=0.0,
    absence=0.0,
    waiting=100.0,
    call=60.0,
    wrap_up=15.0,
    short_break=180.0,
    lunch=600.0,
)


def demo_simulator() -> Simulator:
    """Return the demo's simulator, not yet started; asking it for billing answers 503."""
    teams = (
        Team(6, (_SALES,), _LIVELY),
        Team(3, (_SALES, _SUPPORT), _LIVELY),
        Team(5, (_SUPPORT,), _LIVELY),
        Team(3, (_BILLING,), _LIVELY),
        Team(2, (_RETENTION,), _LIVELY),
    )
    simulator = Simulator(SimulatedAccount(DayWorld(DEMO_QUEUES, teams)))
    simulator.faults.set("status", queue=_BILLING, code=503)
    return simulator
