"""The page for people, of a running exporter."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import yaml

from exporter.simulator import TOKEN, SimulatedAccount
from tests.integration.conftest import Serve
from tests.process_fixtures import WriteConfiguration
from tests.simulator import FixedWorld, Simulator
from tests.simulator_fixtures import StartSimulator

NUMBER = '<b>7777</b> <span class="needs">(needs 1)'
HOSTILE = "<script>alert(1)<img src=x>\"'&"


@pytest.fixture
def world() -> FixedWorld:
    made = FixedWorld({5457: "sales", 5460: "support", 5461: "billing"})
    made.set_available(5457, 7777)
    return made


@pytest.fixture
def simulator(start_simulator: StartSimulator, world: FixedWorld) -> Simulator:
    return start_simulator(SimulatedAccount(world))


@pytest.fixture
def path(simulator: Simulator, write_configuration: WriteConfiguration) -> Path:
    return write_configuration(simulator, {5457: "sales", 5460: "support", 5461: "billing"})


def test_it_shows_what_the_last_scrape_brought_and_asks_nothing(
    serve: Serve, path: Path, simulator: Simulator, world: FixedWorld
) -> None:
    exporter = serve(path)
    address = exporter.url.removeprefix("http://")
    before = exporter.get("/").text
    assert "No scrape yet" in before
    assert f'["{address}"]' in before
    assert simulator.requests == []

    simulator.faults.set("status", queue=5461, code=503)
    exporter.get("/metrics")
    asked = simulator.requests_total
    page = exporter.get("/").text
    assert "1 open queue has nobody available" in page
    assert NUMBER in page
    assert "the API failed (503)" in page
    assert "never read" in page

    # What has changed since is not known, and not shown, before the next scrape.
    world.set_available(5457, 0)
    assert NUMBER in exporter.get("/").text
    assert simulator.requests_total == asked


def test_probes_bring_numbers_too(serve: Serve, path: Path) -> None:
    exporter = serve(path)
    exporter.get("/probe?account=acme&queue=sales")
    page = exporter.get("/").text
    assert NUMBER in page
    assert "2 open queues have not been asked for recently" in page
    assert page.count("no scrape yet") == 2


def test_a_queue_that_cannot_be_read_any_more_loses_its_number(
    serve: Serve, path: Path, simulator: Simulator
) -> None:
    exporter = serve(path)
    exporter.get("/metrics")
    simulator.stop()
    exporter.get("/probe?account=acme&queue=sales")
    page = exporter.get("/").text
    assert "7777" not in page
    assert "connection refused" in page
    assert "last read" in page


def test_it_is_one_accounts_where_that_is_asked_for(serve: Serve, path: Path) -> None:
    content = yaml.safe_load(path.read_text())
    content["accounts"].append({**content["accounts"][0], "name": "second"})
    path.write_text(yaml.safe_dump(content))
    exporter = serve(path)
    exporter.get("/metrics")
    assert exporter.get("/").text.count("<bdi>sales</bdi>") == 2
    assert exporter.get("/?account=second").text.count("<bdi>sales</bdi>") == 1
    unknown = exporter.get("/?account=secnd")
    assert (unknown.status_code, "did you mean 'second'?" in unknown.text) == (400, True)
    assert exporter.get("/?account=second&account=acme").status_code == 400


def test_a_reload_keeps_what_is_still_true(serve: Serve, path: Path) -> None:
    exporter = serve(path)
    exporter.get("/metrics")
    content = yaml.safe_load(path.read_text())
    content["accounts"][0]["queues"][1]["required_agents"] = 9
    path.write_text(yaml.safe_dump(content))
    assert exporter.session.post(f"{exporter.url}/-/reload", timeout=20).status_code == 200
    page = exporter.get("/").text
    assert NUMBER in page
    assert page.count("no scrape yet") == 1


@pytest.mark.parametrize("queues", ["all", [{"id": 5457, "name": HOSTILE, "team": HOSTILE}]])
def test_names_and_what_the_api_says_are_text(
    serve: Serve, path: Path, world: FixedWorld, queues: object
) -> None:
    world.set_queues({5457: HOSTILE, 5460: "b"})
    content = yaml.safe_load(path.read_text())
    content["accounts"][0].update(name="<b onclick=alert(1)>", queues=queues)
    path.write_text(yaml.safe_dump(content))
    exporter = serve(path)
    exporter.get("/metrics")
    page = exporter.get("/").text
    assert "<script" not in page
    assert "<b onclick" not in page
    assert "<img" not in page
    assert "&lt;script&gt;alert(1)&lt;img" in page
    assert "&lt;b onclick=alert(1)&gt;" in page
    assert TOKEN not in page


def test_it_may_load_and_run_nothing_and_is_not_kept(serve: Serve, path: Path) -> None:
    exporter = serve(path)
    answer = exporter.get("/")
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; ")
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert '<meta http-equiv="refresh" content="15">' in answer.text
    assert "refresh" not in exporter.get("/?refresh=off").text.partition("<body")[0]


def test_head_has_no_body(serve: Serve, path: Path) -> None:
    exporter = serve(path)
    host, _, port = exporter.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as client:
        client.sendall(b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received = b""
        while piece := client.recv(65536):
            received += piece
    assert received.startswith(b"HTTP/1.1 200 ")
    assert received.endswith(b"\r\n\r\n")
    assert b"content-security-policy: " in received
