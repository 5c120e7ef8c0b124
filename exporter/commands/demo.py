"""`demo`: a simulated CallTools account and the exporter on it, with nothing to configure."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from exporter.commands import exits
from exporter.commands.serve import make_server
from exporter.runtime import Runtime
from exporter.secret import Secret
from exporter.settings import Account, Configuration, Queue
from exporter.simulator import AVAILABLE, DEMO_QUEUES, TOKEN, demo_simulator

if TYPE_CHECKING:
    from exporter.commands.serve import ServeOptions

__all__ = ["demo"]

_WORDS: Final = """\
This is a simulated CallTools account, and the exporter on it:
  sales, support  are staffed
  retention       is empty now and then
  billing         cannot be read: the API answers 503
Open {urls}; Ctrl-C ends it.
What such a scrape has read is then shown at / as a page for people.
"""


class _SimulatedToken:
    """The simulated account's key, which opens nothing else."""

    def read(self) -> Secret:
        return Secret(TOKEN)

    def describe(self) -> str:
        return "the simulator's key"


def demo(options: ServeOptions) -> int:
    """Serve a simulated account until a signal comes."""
    with demo_simulator() as simulator:
        queues = tuple(Queue(id_, name, (AVAILABLE,)) for id_, name in DEMO_QUEUES.items())
        account = Account("demo", simulator.url, _SimulatedToken(), queues)
        server = make_server(Runtime(Configuration((account,))), options)
        urls = " or ".join(f"{url}metrics" for url in server.urls)
        print(_WORDS.format(urls=urls), end="", file=sys.stderr, flush=True)
        server.run()
    return exits.OK
