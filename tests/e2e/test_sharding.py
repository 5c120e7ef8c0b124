"""Two hundred queues, spread by a real Prometheus over three exporters, one of which dies."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import yaml

from exporter.simulator import AVAILABLE, SimulatedAccount
from tests.e2e.conftest import RunsTool, StartsPrometheus
from tests.e2e.servers import Prometheus
from tests.process_fixtures import ROOT, Command, StartCommand
from tests.simulator import FixedWorld
from tests.simulator_fixtures import StartSimulator

FOLDER = ROOT / "prometheus"
EXAMPLE = FOLDER / "prometheus.sharded.yml"
ACCOUNTS, QUEUES = 10, 20
PROBES = 'up{job="calltools",instance=~".+/.+"}'
PATIENCE = 120.0


@pytest.fixture
def path(start_simulator: StartSimulator, tmp_path: Path) -> Path:
    """A configuration of ten accounts with twenty queues each, in each of which is somebody."""
    queues = {5457 + number: f"queue-{number}" for number in range(QUEUES)}
    world = FixedWorld(queues)
    for queue in queues:
        world.set_available(queue, 2)
    defaults = {
        "url": start_simulator(SimulatedAccount(world)).url,
        "token_env": "CALLTOOLS_TOKEN",
        "available_status": AVAILABLE,
        "queues": [{"id": id_, "name": name} for id_, name in queues.items()],
    }
    accounts = [{"name": f"client-{number}"} for number in range(ACCOUNTS)]
    file = tmp_path / "exporter.yml"
    file.write_text(yaml.safe_dump({"defaults": defaults, "accounts": accounts}))
    return file


def address(exporter: Command) -> str:
    return exporter.url.removeprefix("http://")


def shares(server: Prometheus) -> Counter[str]:
    """Return how many queues each exporter is asked for, by its address."""
    return Counter(
        target["scrapeUrl"].partition("://")[2].partition("/")[0]
        for target in server.targets()
        if "/probe?" in target["scrapeUrl"]
    )


def up_and_down(server: Prometheus) -> tuple[int, int]:
    up = [series.value for series in server.query(PROBES)]
    return up.count(1), up.count(0)


def test_queues_are_shared_and_survive_an_exporter(
    path: Path, start_command: StartCommand, prometheus: StartsPrometheus
) -> None:
    flag = f"--config.file={path}"
    exporters = [start_command(flag, "--web.listen-address=127.0.0.1:0") for _ in range(3)]
    text = EXAMPLE.read_text()
    for number, exporter in enumerate(exporters):
        text = text.replace(f"exporter-{number}:15457", address(exporter))
    content = yaml.safe_load(text)
    content["global"] = {"scrape_interval": "4s", "scrape_timeout": "4s"}
    del content["rule_files"]
    server = prometheus(content)

    def settled(up: int, down: int) -> None:
        server.wait(
            lambda: up_and_down(server) == (up, down),
            what=f"{up} queues up and {down} down",
            within=PATIENCE,
        )

    total = ACCOUNTS * QUEUES
    settled(total, 0)
    share = shares(server)
    assert set(share) == {address(exporter) for exporter in exporters}
    assert sum(share.values()) == total
    assert min(share.values()) > total / 6
    server.wait_for(f"count(calltools_queue_available_agents == 2) == {total}", PATIENCE)

    # Each process counts what it asked, and tells so itself.
    counted = "sum by (instance) (calltools_api_requests_total)"
    server.wait_for(f"count({counted} > 0) == 3", PATIENCE)
    assert {series.labels["instance"] for series in server.query(counted)} == set(share)

    # The first one dies: its share is seen as down, and only its share has no numbers.
    first = exporters[0]
    first.process.kill()
    first.process.wait()
    lost = share[address(first)]
    settled(total - lost, lost)
    down = {target["scrapeUrl"] for target in server.targets() if target["health"] == "down"}
    assert all(f"//{address(first)}/" in url for url in down)
    assert len([url for url in down if "/probe?" in url]) == lost
    server.wait_for(f"count(calltools_queue_available_agents) == {total - lost}", PATIENCE)
    (own,) = server.query(f'up{{instance="{address(first)}"}}')
    assert own.value == 0

    # It comes back, and so does its share.
    start_command(flag, f"--web.listen-address={address(first)}")
    settled(total, 0)
    server.wait_for(f"count(calltools_queue_available_agents == 2) == {total}", PATIENCE)
    assert shares(server) == share


def test_all_queues_of_an_account_are_watched_from_a_cold_start(
    start_simulator: StartSimulator,
    start_command: StartCommand,
    prometheus: StartsPrometheus,
    tmp_path: Path,
) -> None:
    """Nothing has read a list before service discovery is asked; one account has no key."""
    world = FixedWorld({5457: "sales", 5460: "support"})
    for queue in (5457, 5460):
        world.set_available(queue, 2)
    url = start_simulator(SimulatedAccount(world)).url
    file = tmp_path / "exporter.yml"
    blind = {"name": "blind", "token_env": "CALLTOOLS_NO_SUCH_KEY"}
    defaults = {"url": url, "token_env": "CALLTOOLS_TOKEN", "queues": "all"}
    file.write_text(yaml.safe_dump({"defaults": defaults, "accounts": [{"name": "acme"}, blind]}))
    exporters = [
        start_command(f"--config.file={file}", "--web.listen-address=127.0.0.1:0") for _ in range(3)
    ]
    text = EXAMPLE.read_text()
    for number, exporter in enumerate(exporters):
        text = text.replace(f"exporter-{number}:15457", address(exporter))
    content = yaml.safe_load(text)
    content["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s"}
    del content["rule_files"]
    server = prometheus(content)
    server.wait_for("count(calltools_queue_available_agents == 2) == 2", PATIENCE)
    server.wait_for('calltools_account_failure{account="blind", code="token"} == 1', PATIENCE)
    assert {target.labels["instance"] for target in server.query(f"{PROBES} == 1")} == {
        "acme/sales",
        "acme/support",
    }


def test_prometheus_accepts_the_example(promtool: RunsTool) -> None:
    checked = promtool("check", "config", "--lint-fatal", EXAMPLE)
    assert checked.returncode == 0, checked.stdout + checked.stderr
