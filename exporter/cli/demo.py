"""`demo`: a simulated CallTools account and the exporter on it, with nothing to configure.

Of the account's queues most are staffed, one empties now and then, and one cannot be read.
"""

import math
import threading
from collections.abc import Callable

from exporter.cli import exits
from exporter.cli.serve import ServeOptions, make_server
from exporter.cli.terminal import complain
from exporter.errors import ExporterError
from exporter.runtime import Runtime
from exporter.settings import Account, Configuration, Queue, Secret, TokenValue
from exporter.simulator import AVAILABLE, TOKEN, SimulatedAccount
from exporter.simulator.server import Exchange, Fault, SimulatedSilo
from exporter.simulator.wire import json_answer
from exporter.simulator.world import (
    ON_A_CALL,
    POST_CALL,
    STATUSES,
    AccountMoment,
    Agent,
    World,
    person,
)
from exporter.simulator.world import Queue as SimulatedQueue

#: Queues by id. Retention has only two agents, so that every few minutes both are busy.
DEMO_QUEUES = {5457: "sales", 5460: "support", 5463: "retention", 5466: "billing"}

_SALES, _SUPPORT, _RETENTION, _BILLING = DEMO_QUEUES

#: The queues of each agent.
_AGENTS = (
    *[{_SALES}] * 6,
    *[{_SALES, _SUPPORT}] * 3,
    *[{_SUPPORT}] * 5,
    *[{_BILLING}] * 3,
    *[{_RETENTION}] * 2,
)
#: What an agent does again and again, and from which part of the cycle on.
_CYCLE = ((AVAILABLE, 0.0), (ON_A_CALL, 0.55), (POST_CALL, 0.9))


class CallCentre:
    """The demo's account: agents who wait, take a call and wrap up, at any time of the day."""

    def __init__(self) -> None:
        self._moment = _moment(0)

    def at(self, time: float) -> AccountMoment:
        """Return the account in this second."""
        moment, second = self._moment, math.floor(time)
        if moment.time != second:
            moment = self._moment = _moment(second)
        return moment


def _moment(second: int) -> AccountMoment:
    def of_queue(queue: int | None) -> list[Agent]:
        return [
            _agent(number, second)
            for number, queues in enumerate(_AGENTS)
            if queue is None or queue in queues
        ]

    queues = [SimulatedQueue(id_, name) for id_, name in DEMO_QUEUES.items()]
    return AccountMoment(second, STATUSES, queues, of_queue)


def _agent(number: int, second: int) -> Agent:
    # Each has a cycle of another length, so that they meet in every combination.
    length = 150 + number * 47 % 100
    begun = second - second % length
    since, status = max(
        (start, status) for status, part in _CYCLE if (start := begun + part * length) <= second
    )
    midnight = second - second % 86400
    return Agent(
        *person(f"demo/{number}"),
        frozenset(_AGENTS[number]),
        status=status,
        ready=status == AVAILABLE,
        logged_in=True,
        status_since=since,
        logged_in_since=midnight,
        calls=(second - midnight) // length,
    )


def _outage(_account: str | None, _path: str, queue: str | None) -> Fault | None:
    """Answer requests for billing with 503."""
    return _unavailable if queue == str(_BILLING) else None


async def _unavailable(exchange: Exchange) -> None:
    exchange.connection.send(json_answer(503, {"detail": "A simulated failure."}))


def demo_simulator(changed: Callable[[World], World] = lambda world: world) -> SimulatedSilo:
    """Return the demo's simulator, not yet started, with the given changes to its world."""
    return SimulatedSilo(SimulatedAccount(changed(CallCentre())), take_fault=_outage)


_WORDS = """\
A simulated CallTools account and an exporter for it, scraped every {seconds} s:
  sales, support  are staffed
  retention       is empty now and then
  billing         cannot be read: the API answers 503
Open {urls} in a browser. Prometheus can scrape /metrics there.
A program asks /available?account=demo&queue=sales before a transfer. Press Ctrl-C to stop."""
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
