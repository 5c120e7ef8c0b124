"""docs/configuration.md and alerting.md: the examples with `queues: all` do what is said there."""

from __future__ import annotations

import json
import re
from pathlib import Path

from exporter import config
from exporter.simulator import TOKEN, SimulatedAccount
from tests.process_fixtures import ROOT, RunMain
from tests.simulator import FixedWorld
from tests.simulator_fixtures import StartSimulator

URL = "https://east-2.calltools.io"


def example(page: str, words: str) -> str:
    """Return the one YAML block of a page that holds these words."""
    text = (ROOT / "docs" / page).read_text()
    blocks = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (found,) = (block for block in blocks if words in block)
    return str(found)


def test_all_queues_with_exceptions(
    start_simulator: StartSimulator, run_main: RunMain, tmp_path: Path
) -> None:
    world = FixedWorld({5457: "sales", 5460: "hotline", 5461: "test", 5462: "a/b", 5463: "a/b"})
    simulator = start_simulator(SimulatedAccount(world))
    path = tmp_path / "exporter.yml"
    path.write_text(example("configuration.md", "ignore: true").replace(URL, simulator.url))
    said = run_main("ping", "--json", f"--config.file={path}", CALLTOOLS_TOKEN=TOKEN)
    found = {queue["queue"]: queue["required"] for queue in json.loads(said.out)["queues"]}
    assert found == {"sales": 3, "emergency": 2, "a-b (5462)": 2, "a-b (5463)": 2}


def test_the_smallest_file_is_enough(
    start_simulator: StartSimulator, run_main: RunMain, tmp_path: Path
) -> None:
    simulator = start_simulator()
    path = tmp_path / "exporter.yml"
    smallest = (ROOT / "docs/configuration.md").read_text().partition("This is the smallest file:")
    text = smallest[2].partition("```yaml\n")[2].partition("```")[0]
    path.write_text(text.replace(URL, simulator.url))
    said = run_main("ping", "--json", f"--config.file={path}", CALLTOOLS_TOKEN=TOKEN)
    queues = json.loads(said.out)["queues"]
    assert queues
    assert [queue["failure"] for queue in queues] == [None] * len(queues)


def test_no_agents_are_required_of_clients_queues(tmp_path: Path) -> None:
    path = tmp_path / "exporter.yml"
    path.write_text(example("alerting.md", "our-own"))
    required = {
        account.name: account.every_queue and account.every_queue.required_agents
        for account in config.load(path, {}).configuration.accounts
    }
    assert required == {"client-one": 0, "client-two": 0, "our-own": 1}
