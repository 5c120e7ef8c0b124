"""A real Prometheus reads what deploy/ has for it, and finds the numbers in that way."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from exporter.simulator import SimulatedAccount
from tests.e2e.conftest import RunsTool, StartsPrometheus
from tests.process_fixtures import ROOT, StartCommand
from tests.simulator import FixedWorld
from tests.simulator_fixtures import StartSimulator

PLAIN = ROOT / "deploy/kubernetes/plain/prometheus.yml"


@pytest.mark.parametrize("folder", ["compose", "kubernetes/plain"])
def test_prometheus_accepts_the_configuration(
    folder: str, promtool: RunsTool, tmp_path: Path
) -> None:
    content = yaml.safe_load((ROOT / "deploy" / folder / "prometheus.yml").read_text())
    for job in content["scrape_configs"]:
        # Debian builds Prometheus without the discovery of Kubernetes' pods.
        if job.pop("kubernetes_sd_configs", None):
            job["static_configs"] = [{"targets": ["10.0.0.1:15457"]}]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(content))
    (tmp_path / "rules").symlink_to(ROOT / "prometheus/rules")
    checked = promtool("check", "config", "--lint-fatal", tmp_path / "prometheus.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_accounts_are_discovered_and_probed_through_one_address(
    start_simulator: StartSimulator,
    start_command: StartCommand,
    prometheus: StartsPrometheus,
    tmp_path: Path,
) -> None:
    world = FixedWorld()
    world.set_available(5457, 3)
    simulator = start_simulator(SimulatedAccount(world))
    defaults = {
        "url": simulator.url,
        "token_env": "CALLTOOLS_TOKEN",
        "available_status": "auto",
        "queues": [{"id": 5457, "name": "sales"}],
    }
    accounts = [{"name": "acme"}, {"name": "globex"}]
    path = tmp_path / "exporter.yml"
    path.write_text(yaml.safe_dump({"defaults": defaults, "accounts": accounts}))
    exporter = start_command(f"--config.file={path}", "--web.listen-address=127.0.0.1:0")
    address = exporter.url.removeprefix("http://")

    text = PLAIN.read_text().replace("calltools-exporter.monitoring.svc:15457", address)
    probe = yaml.safe_load(text)["scrape_configs"][0]
    server = prometheus(
        {"scrape_configs": [{**probe, "scrape_interval": "1s", "scrape_timeout": "1s"}]}
    )
    server.wait_for('count(up{job="calltools"} == 1) == 2')
    found = server.wait_for("count(calltools_queue_available_agents) == 2")
    assert found
    up = {one.labels["instance"] for one in server.query('up{job="calltools"}')}
    assert up == {"acme", "globex"}
