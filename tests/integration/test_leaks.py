"""Neither the API key nor an agent's name or id shows anywhere, whatever the API does."""

from __future__ import annotations

import dataclasses
import gc
import http.client
import io
import json
import threading
import traceback
import types
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
import requests
import structlog
from prometheus_client.registry import Collector

from exporter.calltools.client import Client
from exporter.calltools.requester import RequestContext
from exporter.cli.ping import ping
from exporter.errors import ApiError
from exporter.history import AccountStatus
from exporter.runtime import Runtime
from exporter.settings import Account, Configuration, Secret
from exporter.simulator import TOKEN, SimulatedAccount
from exporter.simulator.world import LUNCH
from exporter.snapshot import RequestObserver
from exporter.transport.deadline import Deadline
from exporter.transport.transports import Transports
from exporter.web.app import create_app
from exporter.web.metrics_handler import TIMEOUT_HEADER
from exporter.web.server.listeners import listen
from exporter.web.server.server import Server
from tests.integration.conftest import MakeAccount
from tests.process_fixtures import WriteLogs
from tests.simulator import FAULTS, Dialect, FixedWorld, Simulator
from tests.simulator.dialect import ALL_FILTERS
from tests.simulator_fixtures import StartSimulator

#: Whatever fails here fails in the other tests as well.
pytestmark = pytest.mark.usefixtures("untraced")

QUEUE = 5457
#: What a fetch that never ends costs here.
BUDGET_SECONDS = 0.25

#: What a server might send back of what it was sent.
ECHOES: Mapping[str, Mapping[str, Any]] = {
    "plain": {"code": 400, "body": f"what is this: Authorization: Token {TOKEN}"},
    "json": {"code": 500, "body": json.dumps({"detail": f"no key {TOKEN}"})},
    "html": {"code": 403, "body": f"<html><b>{TOKEN}</b></html>"},
    "markup": {"code": 403, "body": f"{TOKEN[:9]}<b>{TOKEN[9:]}</b>"},
    "two hundred": {"code": 200, "body": f"Token {TOKEN}"},
}


@pytest.fixture
def world() -> FixedWorld:
    made = FixedWorld()
    made.set_available(QUEUE, 3)
    for name in ("Jane Roe-Featherstone", "Zoltan Quiverwick"):
        made.set_agent(name, QUEUE, status=LUNCH)
    return made


class Hunter:
    """Look for the key and for people in all that can be seen."""

    def __init__(self, world: FixedWorld) -> None:
        agents = world.at(0).agents(None)
        assert len(agents) == 5
        self.needles = {TOKEN, *(agent.app_user for agent in agents)}
        for agent in agents:
            self.needles |= {agent.full_name, *agent.full_name.split()}

    def look(self, where: str, text: str) -> None:
        """Fail if a needle is in this text."""
        found = sorted(needle for needle in self.needles if needle in text)
        assert not found, f"{found} in {where}: {text}"

    def look_at_all(self, *roots: object) -> None:
        """Look at all text that can be reached from here, but for what is in a Secret.

        Whatever the `repr` of something is made of is among it, or the object's own doing.
        """
        for thing in reachable(*roots):
            if isinstance(thing, str | bytes | bytearray):
                self.look(type(thing).__name__, str(thing))
            elif type(thing).__module__.startswith("exporter"):
                self.look(type(thing).__name__, repr(thing))


def reachable(*roots: object) -> Iterator[object]:
    """Yield all that the objects hold; of the program's code and of this test nothing."""
    ends = (
        Secret,
        type,
        types.ModuleType,
        types.FunctionType,
        types.FrameType,
        io.StringIO,
        # `http.client` keeps the head of the last answer with a connection, as the API sent it.
        http.client.HTTPResponse,
    )
    pending, seen = list(roots), set[int]()
    while pending:
        thing = pending.pop()
        if id(thing) in seen or isinstance(thing, ends):
            continue
        seen.add(id(thing))
        yield thing
        pending += gc.get_referents(thing)


class Pages(Runtime):
    """What the server shows: the exporter that is looked at now, and what it found last."""

    runtime: Runtime
    found: Collector

    def __init__(self) -> None:
        super().__init__(Configuration(()))

    def metrics(self, **arguments: Any) -> Collector:
        self.found = self.runtime.metrics(**arguments)
        return self.found

    def probe(self, **arguments: Any) -> Collector:
        self.found = self.runtime.probe(**arguments)
        return self.found

    def targets(self, **arguments: Any) -> list[dict[str, object]]:
        return self.runtime.targets(**arguments)

    def reload(self) -> None:
        self.runtime.reload()

    def status(self, account: str | None) -> list[AccountStatus]:
        return self.runtime.status(account)

    def configuration_text(self) -> str:
        return self.runtime.configuration_text()


class Run:
    """Exporters on one simulator, one after the other, looked at from all sides."""

    def __init__(
        self,
        simulator: Simulator,
        accounts: tuple[Account, ...],
        hunter: Hunter,
        logs: io.StringIO,
        capture: pytest.CaptureFixture[str],
        number: int,
    ) -> None:
        self.simulator = simulator
        self.accounts = accounts
        self.hunter = hunter
        self.logs = logs
        self.capture = capture
        self.number = number
        self.pages = Pages()
        self.budget_seconds = BUDGET_SECONDS
        self.server = Server(create_app(self.pages, timeout_offset=0), listen(["127.0.0.1:0"]))

    def scrape(self, what: str) -> None:
        """Ask a fresh exporter for its pages, and look everywhere."""
        self.pages.runtime = runtime = Runtime(Configuration(self.accounts))
        found: list[Collector] = []
        answers = {}
        for path, accept in (
            ("metrics", "text/plain"),
            ("probe?account=agents", "application/openmetrics-text;version=1.0.0"),
            ("", "text/html"),
            ("sd", "application/json"),
            ("config", "text/plain"),
        ):
            answers[path] = answer = requests.get(
                self.server.urls[0] + path,
                headers={"Accept": accept, TIMEOUT_HEADER: str(self.budget_seconds)},
                timeout=20,
            )
            assert answer.status_code == 200
            found.append(self.pages.found)
        self.hunter.look_at_all(runtime, found)
        for path, answer in answers.items():
            self.hunter.look(f"/{path}, {what}", f"{answer.headers} {answer.text}")
        self.look_at_logs(what)

    def ping(self, what: str, *, as_json: bool = False) -> None:
        """Let the command print what it finds."""
        ping(
            Configuration(self.accounts),
            None,
            as_json=as_json,
            timeout=self.budget_seconds,
            scrape_max_parallel_requests=16,
        )
        self.hunter.look(f"ping, {what}", "".join(self.capture.readouterr()))

    def ask(self, what: str) -> int:
        """Ask for everything and look at each failure with its traceback; count the failures."""
        failures = 0
        transports = Transports()
        account = self.accounts[0]
        client = Client(account)
        (queue,) = account.queues
        asked: list[Callable[[RequestContext], object]] = [
            partial(client.count_available, queue),
            partial(client.read_agents, queue),
            client.read_statuses,
            client.read_queues,
            partial(client.check_filter, "queue"),
            partial(client.agents_by_ready, "true"),
        ]
        for ask in asked:
            transport, deadline = transports.get(account), Deadline.after(self.budget_seconds)
            try:
                ask(RequestContext(transport, Secret(TOKEN), deadline, RequestObserver()))
            except ApiError as error:
                failures += 1
                self.hunter.look(what, "".join(traceback.format_exception(error)))
                self.hunter.look_at_all(error.args, error.failure, error.__context__)
        self.hunter.look_at_all(transports)
        return failures

    def look_at_logs(self, what: str) -> str:
        """Look at all that was logged, and forget it."""
        logged = self.logs.getvalue()
        self.logs.truncate(0)
        self.logs.seek(0)
        self.hunter.look(f"log, {what}", logged)
        return logged


#: Wire and log of each run. What shows does not depend on both and on how it is asked at once, so
#: each fault is met on both, but in a different way on each.
RUNS = ("plain-logfmt", "tls-json")


@pytest.fixture(params=RUNS)
def run(
    request: pytest.FixtureRequest,
    world: FixedWorld,
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    write_logs: WriteLogs,
    capfd: pytest.CaptureFixture[str],
) -> Iterator[Run]:
    """Two accounts on one simulator: one counts, the other reads the agents' rows."""
    wire, style = request.param.split("-")
    simulator = start_simulator(SimulatedAccount(world), tls=wire == "tls")
    accounts = tuple(
        make_account(simulator, QUEUE, name=detail, detail=detail) for detail in ("count", "agents")
    )
    logs, number = write_logs("debug", style), RUNS.index(request.param)
    made = Run(simulator, accounts, Hunter(world), logs, capfd, number)
    thread = threading.Thread(target=made.server.run)
    thread.start()
    yield made
    made.server.stop()
    thread.join()


def dialects() -> Iterator[Dialect]:
    """Yield every value of every switch, one at a time."""
    sets = {
        "missing_fields": ("app_user", "full_name", "agent_status", "ready", "logged_in"),
        "ignored_filters": tuple(sorted(ALL_FILTERS)),
        "missing": ("agentstatuses", "statuses", "queues"),
        "forbidden": ("agentstatuses", "statuses", "queues"),
    }
    for name, hint in get_type_hints(Dialect).items():
        values = (
            get_args(hint)
            if get_origin(hint) is Literal
            else tuple(frozenset({value}) for value in sets[name])
        )
        for value in values:
            change: dict[str, Any] = {name: value}
            yield dataclasses.replace(Dialect(), **change)


def test_no_fault_makes_the_exporter_talk(run: Run) -> None:
    """One queue fails, or everything: proofs of filters and lists as well."""
    for turn, name in enumerate(FAULTS, run.number):
        run.simulator.faults.clear()
        run.simulator.faults.set(name, queue=(QUEUE, None)[turn % 2])
        run.scrape(name)


def test_no_fault_shows_in_a_traceback_or_to_ping(run: Run) -> None:
    failures = 0
    for turn, name in enumerate(FAULTS, run.number):
        run.simulator.faults.clear()
        run.simulator.faults.set(name)
        if turn % 2:
            run.ping(name)
        else:
            failures += run.ask(name)
    assert failures > len(FAULTS) / 2
    run.look_at_logs("all faults")


def test_what_the_api_sends_back_of_the_key_is_masked(run: Run) -> None:
    for name, parameters in ECHOES.items():
        run.simulator.faults.set("status", **parameters)
        run.scrape(name)
        run.ping(name)
        run.ping(name, as_json=True)
        assert run.ask(name) > 0
    run.simulator.faults.set(
        "redirect-elsewhere", location=f"https://elsewhere.invalid/?key={TOKEN}"
    )
    run.scrape("redirect")
    assert run.ask("redirect") > 0


def test_no_dialect_makes_the_exporter_talk(run: Run) -> None:
    for turn, dialect in enumerate(dialects(), run.number):
        run.simulator.dialect = dialect
        if turn % 2:
            run.scrape(str(dialect))
        else:
            run.ask(str(dialect))


def test_a_leak_would_be_found(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each place leak, one after the other: a test of leaks that cannot fail is none."""
    log = structlog.get_logger()
    # Nothing hangs here, and what is planted is to be there on a busy machine as well.
    run.budget_seconds = 20.0
    run.scrape("no fault")
    log.debug("asked", headers={"Authorization": f"Token {TOKEN}"})
    with pytest.raises(AssertionError, match="in log"):
        run.look_at_logs("planted")

    run.simulator.faults.set("status", code=500, body="answer")
    with monkeypatch.context() as patch:
        patch.setattr("exporter.calltools.requester._quote", lambda answer, _: answer.body.decode())
        with pytest.raises(AssertionError, match="in Snapshot"):
            run.scrape("planted")
        with pytest.raises(AssertionError, match="in log"):
            run.look_at_logs("planted")
        with pytest.raises(AssertionError, match="in ping"):
            run.ping("planted")
        with pytest.raises(AssertionError, match="Traceback"):
            run.ask("planted")
    run.logs.truncate(0)

    run.simulator.faults.clear()
    with monkeypatch.context() as patch:
        patch.setattr("exporter.web.landing.page.render", lambda *_, **__: f"<p>{TOKEN}</p>")
        with pytest.raises(AssertionError, match="in /,"):
            run.scrape("planted")
    with pytest.raises(AssertionError, match="in str"):
        run.hunter.look_at_all([{"account": (TOKEN,)}])
