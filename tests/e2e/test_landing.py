"""The page for people, in the browser that they use."""

from __future__ import annotations

import re
import struct
import threading
import zlib
from pathlib import Path

import pytest
import yaml

from exporter.history import AccountStatus
from exporter.simulator import SimulatedAccount
from tests.e2e.browser import Browser
from tests.integration.web.web_fixtures import FakeRuntime, running
from tests.process_fixtures import ROOT, Command, StartCommand, WriteConfiguration
from tests.simulator import FixedWorld, Simulator
from tests.simulator_fixtures import StartSimulator

QUEUES = {5457: "sales", 5460: "support", 5461: "billing"}
LIGHT, DARK = (0xF6, 0xF7, 0xF9), (0x10, 0x13, 0x17)


@pytest.fixture
def simulator(start_simulator: StartSimulator) -> Simulator:
    world = FixedWorld(QUEUES)
    world.set_available(5457, 3)
    return start_simulator(SimulatedAccount(world))


@pytest.fixture
def exporter(
    simulator: Simulator, write_configuration: WriteConfiguration, start_command: StartCommand
) -> Command:
    """An exporter that was scraped once: sales are staffed, support is empty, billing fails."""
    simulator.faults.set("status", queue=5461, code=503)
    path = write_configuration(simulator, QUEUES)
    started = start_command(f"--config.file={path}", "--web.listen-address=127.0.0.1:0")
    started.get("/metrics")
    return started


def pixel(picture: Path) -> tuple[int, ...]:
    """Return the colour in a PNG's upper left corner, where every filter leaves it as it is."""
    data = picture.read_bytes()
    pixels = b""
    at = 8
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IDAT":
            pixels += data[at + 8 : at + 8 + length]
        at += 12 + length
    return tuple(zlib.decompress(pixels)[1:4])


def text(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html.partition("<body")[2]).split())


def test_a_browser_shows_who_can_take_a_call(exporter: Command, chromium: Browser) -> None:
    shown = text(chromium.html(f"{exporter.url}/?refresh=off"))
    assert "1 open queue has nobody available 1 empty 1 unreadable 0 low 1 staffed" in shown
    assert re.search(r"support acme 0 \(needs 1\) \d+ s ago open, empty for", shown)
    assert re.search(
        r"billing acme unknown never read open, unreadable for \d+ s, since [\d:]+ UTC"
        r" the API failed \(503\)",
        shown,
    )
    assert re.search(r"sales 3 \(needs 1\) \d+ s ago", shown)


def test_it_is_as_light_or_dark_as_its_reader_likes(
    exporter: Command, chromium: Browser, tmp_path: Path
) -> None:
    # The colours are the style sheet's: its own policy lets it be used.
    url = f"{exporter.url}/"
    assert pixel(chromium.screenshot(url, tmp_path / "light.png")) == LIGHT
    assert pixel(chromium.screenshot(url, tmp_path / "dark.png", dark=True)) == DARK


def test_it_makes_itself_anew(chromium: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = threading.Semaphore(0)

    class Watched(FakeRuntime):
        def status(self, account: str | None) -> list[AccountStatus]:
            shown.release()
            return []

    monkeypatch.setattr("exporter.web.landing.page.REFRESH_SECONDS", 1)
    with running(Watched()) as web, chromium.open(web.url + "/?account=acme"):
        for _ in range(3):
            assert shown.acquire(timeout=60)


def test_six_hundred_queues_are_one_page(
    simulator: Simulator,
    write_configuration: WriteConfiguration,
    start_command: StartCommand,
    chromium: Browser,
    tmp_path: Path,
) -> None:
    path = write_configuration(simulator)
    (account,) = yaml.safe_load(path.read_text())["accounts"]
    queues = [{"id": 5457, "name": "sales"}, {"id": 5460, "name": "support"}]
    accounts = [{**account, "name": f"client {n}", "queues": queues} for n in range(300)]
    path.write_text(yaml.safe_dump({"accounts": accounts}))
    exporter = start_command(f"--config.file={path}", "--web.listen-address=127.0.0.1:0")
    exporter.get("/metrics", X_Prometheus_Scrape_Timeout_Seconds="60")
    shown = text(chromium.html(f"{exporter.url}/?refresh=off"))
    assert "300 open queues have nobody available 300 empty 0 unreadable" in shown
    assert shown.count("3 (needs 1)") == 300
    picture = chromium.screenshot(f"{exporter.url}/", tmp_path / "page.png", width=500)
    assert pixel(picture) == LIGHT
    narrowed = text(chromium.html(f"{exporter.url}/?account=client%20299&refresh=off"))
    assert "1 empty 0 unreadable 0 low 1 staffed" in narrowed


def test_the_picture_in_readme_is_small() -> None:
    picture = ROOT / "docs/images/landing.png"
    assert f"]({picture.relative_to(ROOT)})" in (ROOT / "README.md").read_text()
    assert picture.stat().st_size < 200_000
    assert pixel(picture) == LIGHT
