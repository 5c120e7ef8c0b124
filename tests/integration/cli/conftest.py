"""An account on a simulator, for commands to ask."""

from __future__ import annotations

import socket

import pytest

from exporter.simulator import SimulatedAccount
from tests.simulator import FixedWorld, Simulator
from tests.simulator_fixtures import StartSimulator


@pytest.fixture
def world() -> FixedWorld:
    """An account with three agents for sales, none for support."""
    made = FixedWorld()
    made.set_available(5457, 3)
    return made


@pytest.fixture
def simulator(start_simulator: StartSimulator, world: FixedWorld) -> Simulator:
    return start_simulator(SimulatedAccount(world))


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])
