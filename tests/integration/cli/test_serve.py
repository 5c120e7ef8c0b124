"""`serve` as a user meets it: where it listens, what it reads, how it ends."""

from __future__ import annotations

import json
import re
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
import requests
from structlog.testing import capture_logs

from exporter.cli.serve import reload_if_changed
from exporter.errors import ConfigurationError
from exporter.files import follow
from exporter.simulator import TOKEN, SimulatedAccount
from tests.process_fixtures import (
    RunMain,
    StartCommand,
    WriteConfiguration,
)
from tests.simulator import FixedWorld, Simulator
from tests.simulator_fixtures import StartSimulator

ANYWHERE = "--web.listen-address=127.0.0.1:0"


def test_serve_answers_scrapes_and_says_where(
    simulator: Simulator, write_configuration: WriteConfiguration, start_command: StartCommand
) -> None:
    path = write_configuration(simulator, {5457: "sales", 5460: "support"})
    exporter = start_command("serve", f"--config.file={path}", ANYWHERE)
    page = exporter.get("/metrics").text
    assert 'calltools_queue_available_agents{account="acme",queue="sales"} 3.0' in page
    assert 'calltools_queue_available_agents{account="acme",queue="support"} 0.0' in page
    assert exporter.get("/-/ready").status_code == 200
    assert exporter.stop() == 0
    begun, ended = exporter.written().splitlines()
    assert "level=info msg=Listening" in begun
    assert begun.endswith(f" addresses={exporter.url}/ accounts=1")
    assert "msg=Stopped" in ended


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_end_answers_what_is_in_flight_first(
    number: signal.Signals,
    simulator: Simulator,
    write_configuration: WriteConfiguration,
    start_command: StartCommand,
) -> None:
    simulator.faults.set("hang", seconds=1.0)
    exporter = start_command(f"--config.file={write_configuration(simulator)}", ANYWHERE)
    with ThreadPoolExecutor(1) as client:
        answer = client.submit(exporter.get, "/metrics")
        assert simulator.wait_until(lambda: simulator.requests_total > 0)
        exporter.process.send_signal(number)
        assert 'available_agents{account="acme",queue="sales"} 3.0' in answer.result().text
    assert exporter.process.wait(20) == 0
    assert "Traceback" not in exporter.written()


def test_a_taken_port_is_one_line(
    simulator: Simulator, write_configuration: WriteConfiguration, run_main: RunMain
) -> None:
    path = write_configuration(simulator)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        said = run_main("serve", "--config.file", path, "--web.listen-address", address)
    assert said.code == 1
    assert said.err == (
        f"calltools-exporter: cannot listen on '{address}': the port is already in use, by another"
        " program or another address given here\n"
    )


@pytest.mark.parametrize("way", ["flags", "variable"])
def test_serve_listens_on_several_addresses(
    way: str,
    simulator: Simulator,
    write_configuration: WriteConfiguration,
    start_command: StartCommand,
) -> None:
    config = f"--config.file={write_configuration(simulator)}"
    if way == "flags":
        exporter = start_command(config, ANYWHERE, "--web.listen-address", "[::1]:0")
    else:
        exporter = start_command(
            config, CALLTOOLS_EXPORTER_WEB_LISTEN_ADDRESS="127.0.0.1:0, [::1]:0"
        )
    assert [url.rpartition(":")[0] for url in exporter.urls] == ["http://127.0.0.1", "http://[::1]"]
    assert all(requests.get(f"{url}/-/healthy", timeout=20).ok for url in exporter.urls)


def test_each_flag_has_a_variable(
    simulator: Simulator, write_configuration: WriteConfiguration, start_command: StartCommand
) -> None:
    exporter = start_command(
        CALLTOOLS_EXPORTER_CONFIG_FILE=str(write_configuration(simulator)),
        CALLTOOLS_EXPORTER_WEB_LISTEN_ADDRESS="127.0.0.1:0",
        CALLTOOLS_EXPORTER_LOG_FORMAT="json",
        CALLTOOLS_EXPORTER_LOG_LEVEL="debug",
        CALLTOOLS_EXPORTER_SCRAPE_TIMEOUT_OFFSET="4s",
    )
    page = exporter.get("/metrics", X_Prometheus_Scrape_Timeout_Seconds="10").text
    budget = re.search("^calltools_scrape_budget_seconds (.*)$", page, re.MULTILINE)
    assert budget
    assert 5 < float(budget[1]) <= 6
    begun, read = (json.loads(line) for line in exporter.written().splitlines())
    assert begun["accounts"] == 1
    assert (read["level"], read["msg"], read["available"]) == ("debug", "Queue read", 3)


def test_a_flag_goes_before_its_variable(
    simulator: Simulator, write_configuration: WriteConfiguration, start_command: StartCommand
) -> None:
    exporter = start_command(
        f"--config.file={write_configuration(simulator)}",
        ANYWHERE,
        CALLTOOLS_EXPORTER_CONFIG_FILE="/nowhere/exporter.yml",
        CALLTOOLS_EXPORTER_WEB_LISTEN_ADDRESS="nonsense",
    )
    assert 'queue="sales"} 3.0' in exporter.get("/metrics").text


def test_one_account_needs_no_file(simulator: Simulator, start_command: StartCommand) -> None:
    exporter = start_command(
        ANYWHERE,
        CALLTOOLS_URL=simulator.url,
        CALLTOOLS_TOKEN=f" token {TOKEN}\n",
        CALLTOOLS_AVAILABLE_STATUS="20561",
        CALLTOOLS_QUEUES="5457,5460",
    )
    page = exporter.get("/metrics").text
    assert 'calltools_queue_available_agents{account="127.0.0.1",queue="5457"} 3.0' in page
    assert 'calltools_queue_available_agents{account="127.0.0.1",queue="5460"} 0.0' in page


def test_requests_at_a_time_can_be_limited(
    start_simulator: StartSimulator,
    write_configuration: WriteConfiguration,
    start_command: StartCommand,
) -> None:
    queues = {number: f"queue-{number}" for number in range(1, 9)}
    simulator = start_simulator(SimulatedAccount(FixedWorld(queues)), latency=0.05)
    most = 0

    def look(_: object) -> None:
        nonlocal most
        most = max(most, simulator.connections_open)

    simulator.before_answer = look
    path = write_configuration(simulator, queues)
    exporter = start_command(f"--config.file={path}", ANYWHERE, "--scrape.max-parallel-requests=2")
    assert exporter.get("/metrics").text.count("\ncalltools_queue_available_agents{") == 8
    assert most == 2


def test_serve_warns_of_certificates_that_are_not_checked(
    start_simulator: StartSimulator,
    write_configuration: WriteConfiguration,
    start_command: StartCommand,
) -> None:
    simulator = start_simulator(tls=True)
    path = write_configuration(simulator, tls={"insecure_skip_verify": True})
    exporter = start_command(f"--config.file={path}", ANYWHERE)
    assert 'queue="sales"} 0.0' in exporter.get("/metrics").text
    (warning,) = re.findall("level=warning .*", exporter.written())
    assert warning.startswith('level=warning msg="Certificate verification disabled" account=acme')


def test_serve_tells_all_mistakes_and_does_not_start(run_main: RunMain, tmp_path: Path) -> None:
    (tmp_path / "exporter.yml").write_text("accounts:\n  - nam: acme\n    queues: []\n")
    said = run_main()
    assert said.code == 1
    assert said.out == ""
    assert "exporter.yml:2:5: accounts[0].nam: unknown key, did you mean 'name'?\n" in said.err
    assert said.err.splitlines() == run_main("check").err.splitlines()[:-1]


def test_no_failure_of_a_reload_ends_the_automatic_ones() -> None:
    class EndOfTest(BaseException):
        pass

    failures = iter([RuntimeError("not thought of"), ConfigurationError([]), EndOfTest()])

    def reload() -> None:
        raise next(failures)

    with capture_logs() as logs, pytest.raises(EndOfTest):
        follow(partial(reload_if_changed, lambda: True, reload), 0.001)
    assert [log["event"] for log in logs] == ["Internal error while following files"]
