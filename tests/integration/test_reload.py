"""A reload while the exporter is at work: what stays as it was, and what is made anew."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.simulator import AVAILABLE, SimulatedAccount
from tests.process_fixtures import Command, StartCommand
from tests.simulator import FixedWorld, ReceivedRequest, Simulator
from tests.simulator_fixtures import StartSimulator, TlsAuthority

FLAGS = ("--web.listen-address=127.0.0.1:0", "--web.enable-lifecycle")


def an_account(name: str, simulator: Simulator, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "url": simulator.url,
        "token_env": "CALLTOOLS_TOKEN",
        "available_status": AVAILABLE,
        # So that one connection is enough, and another one is a session of its own.
        "max_parallel_requests": 1,
        "queues": [{"id": 5457, "name": "sales"}],
        **more,
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "exporter.yml"


def write(path: Path, *accounts: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump({"accounts": list(accounts)}))


def reload(exporter: Command) -> None:
    answer = exporter.session.post(f"{exporter.url}/-/reload", timeout=20)
    assert (answer.status_code, answer.text) == (200, "configuration reloaded\n")


def a_simulator(start_simulator: StartSimulator, *, tls: bool = False) -> Simulator:
    world = FixedWorld()
    world.set_available(5457, 3)
    return start_simulator(SimulatedAccount(world), tls=tls)


def counted(page: str, account: str) -> float:
    (line,) = (
        line
        for line in page.splitlines()
        if line.startswith(f'calltools_api_requests_total{{account="{account}"}}')
    )
    return float(line.rpartition(" ")[2])


def test_a_scrape_in_flight_ends_on_what_it_began_with(
    start_simulator: StartSimulator, start_command: StartCommand, path: Path
) -> None:
    simulator = a_simulator(start_simulator)
    write(path, an_account("stays", simulator), an_account("leaves", simulator))
    exporter = start_command(f"--config.file={path}", *FLAGS)
    asked, answer = threading.Event(), threading.Event()

    def hold(_: ReceivedRequest) -> None:
        asked.set()
        assert answer.wait(30)

    simulator.before_answer = hold
    with ThreadPoolExecutor(1) as prometheus:
        scrape = prometheus.submit(
            exporter.get, "/metrics", X_Prometheus_Scrape_Timeout_Seconds="30"
        )
        try:
            assert asked.wait(20)
            renamed = [{"id": 5457, "name": "renamed", "required_agents": 7}]
            write(path, an_account("stays", simulator, queues=renamed))
            reload(exporter)
        finally:
            answer.set()
        begun = scrape.result().text
    assert 'calltools_queue_available_agents{account="stays",queue="sales"} 3.0' in begun
    assert 'calltools_queue_available_agents{account="leaves",queue="sales"} 3.0' in begun
    assert "renamed" not in begun

    after = exporter.get("/metrics").text
    assert 'calltools_queue_available_agents{account="stays",queue="renamed"} 3.0' in after
    assert 'queue="sales"' not in after
    # What the scrape did for the account that left has not brought its counters back.
    assert "leaves" not in after
    assert "leaves" not in exporter.get("/").text


def test_counters_stay_with_their_account_and_leave_with_it(
    start_simulator: StartSimulator, start_command: StartCommand, path: Path
) -> None:
    simulator = a_simulator(start_simulator)
    both = an_account("stays", simulator), an_account("leaves", simulator)
    write(path, *both)
    exporter = start_command(f"--config.file={path}", *FLAGS)
    before = counted(exporter.get("/metrics").text, "stays")
    assert before > 0
    write(path, both[0])
    reload(exporter)
    page = exporter.get("/metrics?collect[]=exporter").text
    assert counted(page, "stays") == before
    assert "leaves" not in page
    assert exporter.get("/metrics?account=leaves").status_code == 400
    write(path, *both)
    reload(exporter)
    page = exporter.get("/metrics?collect[]=exporter").text
    assert (counted(page, "stays"), counted(page, "leaves")) == (before, 0)


@pytest.mark.parametrize("changed", ["ca_file", "max_parallel_requests", "account"])
def test_only_sessions_that_changed_are_made_anew(
    start_simulator: StartSimulator,
    start_command: StartCommand,
    path: Path,
    tls_authority: TlsAuthority,
    changed: str,
) -> None:
    one, two = (a_simulator(start_simulator, tls=True) for _ in range(2))
    tls = {"ca_file": str(tls_authority.ca_file)}
    stays = an_account("stays", one, tls=tls)
    write(path, stays, an_account("changes", two, tls=tls))
    exporter = start_command(f"--config.file={path}", *FLAGS)
    for _ in range(2):
        assert 'calltools_up{account="changes"} 1.0' in exporter.get("/metrics").text
    assert (one.connections_opened, two.connections_opened) == (1, 1)

    # What does not concern the way to the API leaves the connection as it is.
    stays["queues"] = [{"id": 5457, "name": "renamed"}, {"id": 5460, "name": "support"}]
    stays["team"] = "night"
    match changed:
        case "ca_file":
            copy = shutil.copy(tls_authority.ca_file, path.with_name("another.pem"))
            write(path, stays, an_account("changes", two, tls={"ca_file": str(copy)}))
        case "max_parallel_requests":
            write(path, stays, an_account("changes", two, tls=tls, max_parallel_requests=2))
        case _:
            write(path, stays)
    reload(exporter)
    page = exporter.get("/metrics").text
    assert 'calltools_queue_up{account="stays",queue="renamed"} 1.0' in page
    assert one.connections_opened == 1
    # One connection is gone, and unless its account is as well, others have come.
    assert two.wait_until(lambda: two.connections_open == two.connections_opened - 1)
    assert (two.connections_opened == 1) is (changed == "account")
