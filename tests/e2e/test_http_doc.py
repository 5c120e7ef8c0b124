"""docs/http.md: each route, as curl shows it."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from exporter.simulator import SimulatedAccount
from exporter.web.app import create_app
from tests.e2e.shell import Bash
from tests.integration.web.web_fixtures import FakeRuntime
from tests.process_fixtures import ROOT, StartCommand
from tests.simulator import FixedWorld
from tests.simulator_fixtures import StartSimulator

PAGE = (ROOT / "docs/http.md").read_text()
ADDRESS = "localhost:15457"


def shown() -> list[tuple[str, str]]:
    """Return each command of the page with what it printed there."""
    blocks = re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [
        (command, output)
        for block in blocks
        for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
    ]


def alike(output: str) -> str:
    """Return an output with what differs from run to run as N, and the files by their names."""
    output = re.sub(r'(?<="age_seconds":)[\d.]+|\d{4}-\d\d-\d\dT[\d:.]+Z', "N", output)
    output = re.sub(r"\b\d+ s\b|\d\d:\d\d:\d\d UTC|\d+\.\d{2,}(e[+-]\d+)?", "N", output)
    return re.sub(r"(?:/[\w.-]+)+/(exporter\.yml)", r"\1", output)


def test_every_route_is_shown() -> None:
    paths = {route.path for route in create_app(FakeRuntime()).routes}  # type: ignore[attr-defined]
    asked = {re.sub(r".*localhost:15457(/[^?'; ]*).*", r"\1", command) for command, _ in shown()}
    assert asked == paths


def test_curl_answers_as_shown(
    start_simulator: StartSimulator, start_command: StartCommand, bash: Bash, tmp_path: Path
) -> None:
    world = FixedWorld({5457: "sales", 5460: "support", 5463: "billing"})
    world.set_available(5457, 3)
    simulator = start_simulator(SimulatedAccount(world))
    simulator.faults.set("status", queue=5463, code=503)
    (content,) = re.findall(r"^```yaml\n(accounts:.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    path = tmp_path / "exporter.yml"
    path.write_text(content.replace("https://east-2.calltools.io", simulator.url))
    assert len(yaml.safe_load(content)["accounts"][0]["queues"]) == 3
    exporter = start_command(
        f"--config.file={path}", "--web.listen-address=127.0.0.1:0", "--web.enable-lifecycle"
    )
    address = exporter.url.removeprefix("http://")
    assert len(shown()) > 10
    for command, output in shown():
        answered = bash.run(command.replace(ADDRESS, address))
        answered = answered.replace(simulator.url, "https://east-2.calltools.io")
        assert alike(answered) == alike(output), command
