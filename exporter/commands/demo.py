"""`demo`: a simulated CallTools account and the exporter on it, with nothing to configure."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from exporter.commands import exits
from exporter.commands.serve import make_server
from exporter.runtime import Runtime
from exporter.secret import Secret
from exporter.settings import Account, Configuration, Queue
from exporter.simulator import AVAILABLE, TOKEN, FixedWorld, SimulatedAccount, Simulator

if TYPE_CHECKING:
    from exporter.commands.serve import ServeOptions

__all__ = ["demo"]

_QUEUES: Final = {5457: "sales", 5460: "support", 5461: "billing"}


class _SimulatedToken:
    """The simulated account's key, which opens nothing else."""

    def read(self) -> Secret:
        return Secret(TOKEN)

    def describe(self) -> str:
        return "the simulator's key"


def demo(options: ServeOptions) -> int:
    """Serve a simulated account until a signal comes."""
    world = FixedWorld(_QUEUES)
    world.set_available(5457, 3)
    with Simulator(SimulatedAccount(world)) as simulator:
        simulator.faults.set("status", queue=5461, code=503)
        queues = tuple(Queue(id_, name, (AVAILABLE,)) for id_, name in _QUEUES.items())
        account = Account("demo", simulator.url, _SimulatedToken(), queues)
        server = make_server(Runtime(Configuration((account,))), options)
        metrics = " ".join(f"{url}metrics" for url in server.urls)
        print(f"A simulated CallTools account answers at {simulator.url}.", file=sys.stderr)
        print(f"Open {metrics}; end it with Ctrl-C.", file=sys.stderr)
        server.run()
    return exits.OK
