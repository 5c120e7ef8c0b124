"""`demo`: a simulated CallTools account and the exporter on it, with nothing to configure.

Of the account's queues most are staffed, one empties now and then, and one cannot be read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import time

from exporter.cli import exits
from exporter.cli.serve import ServeOptions, make_server
from exporter.cli.terminal import complain
from exporter.errors import ExporterError
from exporter.runtime import Runtime
from exporter.settings import Account, Configuration, Queue, Secret, TokenValue
from exporter.simulator import (
    AVAILABLE,
    TOKEN,
    DayWorld,
    ShiftPattern,
    SimulatedAccount,
    SimulatedSilo,
    Team,
    World,
)
from exporter.simulator.messages import json_answer
from exporter.simulator.wire import Exchange, Fault

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


_WORDS = """\
A simulated CallTools account and an exporter for it, scraped every {seconds} s:
  sales, support  are staffed
  retention       is empty now and then
  billing         cannot be read: the API answers 503
Open {urls} in a browser. Prometheus can scrape /metrics there. Press Ctrl-C to stop."""
_SCRAPE_INTERVAL_SECONDS = 5


def demo(options: ServeOptions) -> int:
    """Serve a simulated account until a signal comes."""
    with demo_simulator() as simulator:
        queues = tuple(Queue(id_, name, (AVAILABLE,)) for id_, name in DEMO_QUEUES.items())
        token = TokenValue(Secret(TOKEN), "the simulator's key")
        account = Account("demo", simulator.url, token, queues)
        runtime = Runtime(Configuration((account,)))
        try:
            server = make_server(runtime, options)
        except ExporterError as error:
            other = "choose another with --web.listen-address=127.0.0.1:15458"
            raise ExporterError(f"{error}; {other}") from None
        urls = " or ".join(server.urls)
        complain(_WORDS.format(urls=urls, seconds=_SCRAPE_INTERVAL_SECONDS))
        ended = threading.Event()
        prometheus = threading.Thread(target=_stand_in_for_prometheus, args=(runtime, ended))
        prometheus.start()
        try:
            server.run()
        finally:
            ended.set()
            prometheus.join()
    return exits.OK


def _stand_in_for_prometheus(runtime: Runtime, ended: threading.Event) -> None:
    """Scrape regularly, so that the landing page has something to show."""
    seconds = _SCRAPE_INTERVAL_SECONDS
    while not ended.is_set():
        runtime.metrics(account=None, exporter_only=False, budget_seconds=seconds)
        ended.wait(seconds)
