"""A call centre for the demo: staffed queues, one that empties now and then, and one that fails."""

from __future__ import annotations

from collections.abc import Callable
from datetime import time

from exporter.simulator.api import SimulatedAccount
from exporter.simulator.days import DayWorld, ShiftPattern, Team
from exporter.simulator.messages import json_answer
from exporter.simulator.server import SimulatedSilo
from exporter.simulator.wire import Exchange, Fault
from exporter.simulator.world import World

#: Queues by id. Retention has only two agents, so that every few minutes both are busy.
DEMO_QUEUES = {5457: "sales", 5460: "support", 5463: "retention", 5466: "billing"}

_SALES, _SUPPORT, _RETENTION, _BILLING = DEMO_QUEUES

#: Somebody is always at work, and changes status soon.
_LIVELY = ShiftPattern(
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


class _Outage:
    """The demo's faults: requests for billing are answered with 503."""

    def take(self, account: str | None, path: str, queue: str | None) -> Fault | None:  # noqa: ARG002 - the signature of every fault plan
        return _unavailable if queue == str(_BILLING) else None

    def take_silence(self) -> bool:
        return False


async def _unavailable(exchange: Exchange) -> None:
    exchange.connection.send(json_answer(503, {"detail": "A simulated failure."}))


def demo_simulator(changed: Callable[[World], World] = lambda world: world) -> SimulatedSilo:
    """Return the demo's simulator, not yet started, with the given changes to its world."""
    teams = (
        Team(6, (_SALES,), _LIVELY),
        Team(3, (_SALES, _SUPPORT), _LIVELY),
        Team(5, (_SUPPORT,), _LIVELY),
        Team(3, (_BILLING,), _LIVELY),
        Team(2, (_RETENTION,), _LIVELY),
    )
    world = changed(DayWorld(DEMO_QUEUES, teams))
    return SimulatedSilo(SimulatedAccount(world), faults=_Outage())
