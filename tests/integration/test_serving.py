"""What a running exporter does over HTTP: probes, discovery, reloads, the web file."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import requests
import yaml

from exporter.simulator import AVAILABLE, TOKEN, SimulatedAccount
from tests.process_fixtures import (
    Command,
    StartCommand,
    WriteConfiguration,
    account_settings,
)
from tests.simulator import Dialect, FixedWorld, Simulator
from tests.simulator_fixtures import TlsAuthority

ANYWHERE = "--web.listen-address=127.0.0.1:0"


QUEUES = {5457: "sales", 5460: "support"}


@pytest.fixture(scope="module")
def silo() -> Iterator[Simulator]:
    world = FixedWorld(QUEUES)
    world.set_available(5457, 3)
    with Simulator(SimulatedAccount(world)) as simulator:
        yield simulator


@pytest.fixture
def simulator(silo: Simulator) -> Simulator:
    """No faults and no requests at the start of each test."""
    silo.faults.clear()
    silo.dialect = Dialect()
    silo.forget_requests()
    return silo


@pytest.fixture
def path(simulator: Simulator, write_configuration: WriteConfiguration) -> Path:
    return write_configuration(simulator, QUEUES)


@pytest.fixture(scope="module")
def shared(
    start_shared_command: StartCommand, silo: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Command:
    path = tmp_path_factory.mktemp("shared") / "exporter.yml"
    path.write_text(yaml.safe_dump({"accounts": [account_settings(silo, QUEUES)]}))
    return start_shared_command(f"--config.file={path}", ANYWHERE)


@pytest.fixture
def exporter(shared: Command, simulator: Simulator) -> Command:  # noqa: ARG001
    """An exporter that others have asked, and whose configuration nobody changes."""
    return shared


def wait_until(true: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not (came := true()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return came


def change(path: Path, **account: Any) -> None:
    content = yaml.safe_load(path.read_text())
    content["accounts"][0].update(account)
    path.write_text(yaml.safe_dump(content))


def names(text: str) -> set[str]:
    return {re.split(r"[{ ]", line)[0] for line in text.splitlines() if not line.startswith("#")}


def test_a_probe_tells_of_one_queue_and_its_account_only(
    exporter: Command, simulator: Simulator
) -> None:
    page = exporter.get("/probe?account=acme&queue=sales")
    assert page.status_code == 200
    assert 'calltools_queue_available_agents{account="acme",queue="sales"} 3.0' in page.text
    assert "support" not in page.text
    of_account = {"calltools_up", "calltools_account_info", "calltools_scrape_budget_seconds"}
    found = names(page.text)
    assert {name for name in found if not name.startswith("calltools_queue_")} == of_account
    simulator.faults.set("status", code=500)
    page = exporter.get("/probe?account=acme&queue=sales")
    assert 'calltools_queue_up{account="acme",queue="sales"} 0.0' in page.text
    assert "last_success" not in page.text, "what one replica remembers, another does not"


def test_a_probe_of_an_account_tells_whether_it_answers(exporter: Command) -> None:
    text = exporter.get("/probe?account=acme").text
    assert 'calltools_up{account="acme"} 1.0' in text
    assert 'queue="sales"' in text
    assert 'queue="support"' in text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("", "expected one account=NAME"),
        ("account=acme&account=acme", "expected one account=NAME"),
        ("account=acne", "did you mean 'acme'?"),
        ("account=http://evil.example", "account 'http://evil.example' is not configured"),
        ("account=acme&queue=sale", "did you mean 'sales'?"),
        ("account=acme&queue=5458", "account 'acme' has no queue '5458'"),
        ("account=%1b%5b31m", r"account '\x1b[31m' is not configured"),
    ],
)
def test_a_probe_knows_only_configured_names(
    exporter: Command, simulator: Simulator, query: str, words: str
) -> None:
    answer = exporter.get(f"/probe?{query}")
    assert answer.status_code == 400
    assert words in answer.text
    assert "support" not in answer.text, "the nearest name, not the list"
    assert simulator.requests == []


def test_discovery_lists_what_there_is_to_probe(exporter: Command, simulator: Simulator) -> None:
    answer = exporter.get("/sd")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == [
        {
            "targets": ["acme/sales"],
            "labels": {"__param_account": "acme", "__param_queue": "sales"},
        },
        {
            "targets": ["acme/support"],
            "labels": {"__param_account": "acme", "__param_queue": "support"},
        },
    ]
    assert exporter.get("/sd?by=account").json() == [
        {"targets": ["acme"], "labels": {"__param_account": "acme"}}
    ]
    assert exporter.get("/sd?by=team").status_code == 400
    assert simulator.requests == []


def test_queues_that_the_api_names_are_discovered_from_the_start(
    start_command: StartCommand, path: Path
) -> None:
    change(path, queues="all", available_status="auto")
    exporter = start_command(f"--config.file={path}", ANYWHERE)
    assert [one["targets"] for one in exporter.get("/sd").json()] == [
        ["acme/sales"],
        ["acme/support"],
    ]
    assert exporter.get("/probe?account=acme&queue=nonsense").status_code == 400


def test_a_probe_of_queues_that_cannot_be_listed_tells_why(
    start_command: StartCommand, path: Path, simulator: Simulator
) -> None:
    simulator.dialect = Dialect(forbidden=frozenset({"queues"}))
    change(path, queues="all")
    exporter = start_command(f"--config.file={path}", ANYWHERE)
    answer = exporter.get("/probe?account=acme&queue=sales")
    assert answer.status_code == 200
    assert 'calltools_account_failure{account="acme",code="403"} 1.0' in answer.text


def requests_counted(exporter: Command) -> float:
    text = exporter.get("/metrics").text
    (number,) = re.findall(
        r'^calltools_api_requests_total\{account="acme"\} (\S+)$', text, re.MULTILINE
    )
    return float(number)


def reload_over_http(exporter: Command) -> requests.Response:
    return exporter.session.post(f"{exporter.url}/-/reload", timeout=20)


def test_a_reload_puts_a_new_configuration_in_force_and_keeps_the_counters(
    start_command: StartCommand, path: Path
) -> None:
    exporter = start_command(f"--config.file={path}", ANYWHERE, "--web.enable-lifecycle")
    before = requests_counted(exporter)
    change(path, queues=[{"id": 5457, "name": "renamed", "required_agents": 7}])
    assert reload_over_http(exporter).status_code == 200
    text = exporter.get("/metrics").text
    assert 'calltools_queue_required_agents{account="acme",queue="renamed"} 7.0' in text
    assert 'queue="sales"' not in text
    assert requests_counted(exporter) > before
    assert "calltools_exporter_config_last_reload_successful 1.0" in text


def test_a_bad_file_changes_nothing_and_says_what_is_wrong(
    start_command: StartCommand, path: Path
) -> None:
    exporter = start_command(f"--config.file={path}", ANYWHERE, "--web.enable-lifecycle")
    right = path.read_text()
    path.write_text(right.replace("queues", "queus"))
    answer = reload_over_http(exporter)
    assert answer.status_code == 400
    assert "did you mean 'queues'?" in answer.text
    text = exporter.get("/metrics").text
    assert "calltools_exporter_config_last_reload_successful 0.0" in text
    assert 'calltools_queue_available_agents{account="acme",queue="sales"} 3.0' in text
    path.write_text(right)
    assert reload_over_http(exporter).status_code == 200
    assert "last_reload_successful 1.0" in exporter.get("/metrics").text


def test_without_lifecycle_nobody_reloads_over_http(exporter: Command) -> None:
    assert reload_over_http(exporter).status_code == 403
    assert exporter.get("/-/reload").status_code == 405


def test_a_hangup_reloads(start_command: StartCommand, path: Path) -> None:
    exporter = start_command(f"--config.file={path}", ANYWHERE)
    change(path, queues=[{"id": 5457, "name": "renamed"}])
    exporter.process.send_signal(signal.SIGHUP)
    assert wait_until(lambda: "Configuration loaded" in exporter.written())
    assert 'queue="renamed"' in exporter.get("/metrics").text
    path.write_text("accounts: 7")
    exporter.process.send_signal(signal.SIGHUP)
    assert wait_until(
        lambda: "Cannot load configuration, keeping the previous one" in exporter.written()
    )
    assert 'queue="renamed"' in exporter.get("/metrics").text


def test_a_changed_file_is_followed(start_command: StartCommand, path: Path) -> None:
    exporter = start_command(f"--config.file={path}", ANYWHERE, "--config.auto-reload-interval=0.1")
    change(path, queues=[{"id": 5457, "name": "renamed"}])
    assert wait_until(lambda: 'queue="renamed"' in exporter.get("/metrics?account=acme").text)
    path.write_text("accounts: 7")
    assert wait_until(
        lambda: exporter.written().count("Cannot load configuration, keeping the previous one") == 1
    )


def test_a_new_file_in_a_folder_is_followed(
    start_command: StartCommand, path: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "accounts.d"
    folder.mkdir()
    path = path.rename(folder / "acme.yml")
    exporter = start_command(
        f"--config.file={folder}", ANYWHERE, "--config.auto-reload-interval=0.1"
    )
    content = yaml.safe_load(path.read_text())
    content["accounts"][0]["name"] = "second"
    (folder / "second.yml").write_text(yaml.safe_dump(content))
    assert wait_until(lambda: len(exporter.get("/sd?by=account").json()) == 2)


def test_a_changed_key_is_used_by_the_next_scrape(
    start_command: StartCommand, path: Path, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    key.write_text("an old key")
    content = yaml.safe_load(path.read_text())
    del content["accounts"][0]["token_env"]
    content["accounts"][0]["token_file"] = str(key)
    path.write_text(yaml.safe_dump(content))
    exporter = start_command(f"--config.file={path}", ANYWHERE)
    assert 'code="token"' in exporter.get("/metrics").text
    key.write_text(TOKEN)
    assert 'available_agents{account="acme",queue="sales"} 3.0' in exporter.get("/metrics").text


def test_the_configuration_in_force_is_shown_without_secrets(
    start_command: StartCommand, path: Path
) -> None:
    schedules = {"office": {"timezone": "Europe/Berlin", "open": {"mon": "22:00-24:00"}}}
    change(path, proxy_url="http://user:hunter2@127.0.0.1:1", schedule="office", allow_http=True)
    path.write_text(path.read_text() + yaml.safe_dump({"schedules": schedules}))
    exporter = start_command(f"--config.file={path}", ANYWHERE)
    text = exporter.get("/config").text
    shown = yaml.safe_load(text)["accounts"][0]
    assert shown["token"] == "token_env CALLTOOLS_TOKEN"
    assert shown["proxy_url"] == "http://***@127.0.0.1:1"
    assert shown["queues"][0]["schedule"] == {
        "timezone": "Europe/Berlin",
        "open": {"mon": ["22:00-24:00"]},
        "closed": [],
    }
    assert TOKEN not in text
    assert "hunter2" not in text


def test_all_queues_are_shown_as_such(start_command: StartCommand, path: Path) -> None:
    change(path, queues="all")
    exporter = start_command(f"--config.file={path}", ANYWHERE)
    shown = yaml.safe_load(exporter.get("/config").text)["accounts"][0]
    assert shown["queues"]["all"]["available_status"] == [AVAILABLE]


def test_the_web_file_brings_tls_passwords_and_headers(
    start_command: StartCommand, path: Path, tmp_path: Path, tls_authority: TlsAuthority
) -> None:
    issued = tls_authority.authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "c.pem"))
    issued.private_key_pem.write_to_path(str(tmp_path / "k.pem"))
    hashed = bcrypt.hashpw(b"hunter2", bcrypt.gensalt(4)).decode()
    web = {
        "tls_server_config": {"cert_file": "c.pem", "key_file": "k.pem"},
        "basic_auth_users": {"prometheus": hashed},
        "http_server_config": {"headers": {"X-Frame-Options": "deny"}},
    }
    (tmp_path / "web.yml").write_text(yaml.safe_dump(web))
    exporter = start_command(
        f"--config.file={path}", ANYWHERE, f"--web.config.file={tmp_path / 'web.yml'}"
    )
    assert exporter.url.startswith("https://")
    exporter.session.verify = str(tls_authority.ca_file)
    assert exporter.get("/-/healthy").status_code == 200
    assert exporter.get("/metrics").status_code == 401
    exporter.session.auth = ("prometheus", "hunter2")
    answer = exporter.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["X-Frame-Options"] == "deny"


def test_a_wrong_web_file_is_told_by_its_line(
    run_main: Callable[..., Any], path: Path, tmp_path: Path
) -> None:
    (tmp_path / "web.yml").write_text("basic_auth_usrs: {}\n")
    said = run_main("--config.file", path, "--web.config.file", tmp_path / "web.yml")
    assert said.code == 1
    assert "web.yml:1:1: basic_auth_usrs: unknown key, did you mean 'basic_auth_users'?" in said.err
