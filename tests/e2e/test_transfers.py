"""docs/transfers.md: each example is run, and answers as it says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.simulator import AVAILABLE, SimulatedAccount
from tests.e2e.shell import Bash
from tests.process_fixtures import ROOT, Command, StartCommand
from tests.simulator import FixedWorld, Simulator
from tests.simulator_fixtures import StartSimulator

PAGE = (ROOT / "docs/transfers.md").read_text()
ADDRESS = "localhost:15457"
QUEUES = {5457: "sales", 5460: "support", 5463: "billing", 5466: "claims"}

#: What a function of the page returns for a queue, or the status of the error that it raises.
Asks = Callable[..., Any]


def block(language: str) -> str:
    """Return the page's only block in a language."""
    (text,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return str(text)


@pytest.fixture
def simulator(start_simulator: StartSimulator) -> Simulator:
    """Agents for sales, and for claims, which is closed; none for support; billing fails."""
    world = FixedWorld(QUEUES)
    world.set_available(5457, 3)
    world.set_available(5466, 1)
    made = start_simulator(SimulatedAccount(world))
    made.faults.set("status", queue=5463, code=503)
    return made


@pytest.fixture
def exporter(simulator: Simulator, start_command: StartCommand, tmp_path: Path) -> Command:
    account = {
        "name": "acme",
        "url": simulator.url,
        "token_env": "CALLTOOLS_TOKEN",
        "available_status": AVAILABLE,
        "team": "inbound",
        "queues": [
            {"id": id_, "name": name, **({"schedule": "closed"} if name == "claims" else {})}
            for id_, name in QUEUES.items()
        ],
    }
    never = {
        "timezone": "UTC",
        "open": {"mon-sun": "00:00-24:00"},
        "closed": ["2020-01-01..2120-12-31"],
    }
    path = tmp_path / "exporter.yml"
    path.write_text(yaml.safe_dump({"accounts": [account], "schedules": {"closed": never}}))
    return start_command(f"--config.file={path}", "--web.listen-address=127.0.0.1:0")


@pytest.fixture(params=["python", "javascript"])
def asks(request: pytest.FixtureRequest, tmp_path: Path) -> Asks:
    """Return the function of the page, in either language."""
    if request.param == "python":
        names: dict[str, Any] = {}
        exec(compile(block("python"), "docs/transfers.md", "exec"), names)

        def in_python(*words: object, **settings: object) -> Any:
            try:
                return names["can_take_call"](*words, **settings)
            except urllib.error.HTTPError as error:
                error.close()
                return error.code

        return in_python
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    (tmp_path / "transfers.js").write_text(block("javascript"))
    script = (
        "const { canTakeCall } = require('./transfers.js');"
        "canTakeCall(...JSON.parse(process.argv[1])).catch((error) => error.status)"
        ".then((answer) => console.log(JSON.stringify(answer)));"
    )

    def in_javascript(*words: object, **settings: object) -> Any:
        named = {"maxAge" if name == "max_age" else name: value for name, value in settings.items()}
        done = subprocess.run(
            [node, "-e", script, json.dumps([*words, named])],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)

    return in_javascript


@pytest.mark.parametrize(
    ("queue", "answer"),
    [
        *(("sales", True), ("5457", True), ("support", False), ("claims", False)),
        *(("billing", None), ("sale", 404)),
    ],
)
def test_a_function_has_three_answers(
    asks: Asks, exporter: Command, queue: str, answer: object
) -> None:
    assert asks(exporter.url, "acme", queue, timeout=11.1) == answer


def test_a_function_gives_up_in_time(asks: Asks, exporter: Command, simulator: Simulator) -> None:
    """Where the API is silent the exporter says so before the function gives up."""
    simulator.faults.set("hang")
    begun = time.monotonic()
    assert asks(exporter.url, "acme", "sales", timeout=2.0) is None
    assert time.monotonic() - begun < 20


def test_a_function_does_not_know_what_nobody_answers(asks: Asks, exporter: Command) -> None:
    exporter.stop()
    assert asks(exporter.url, "acme", "sales", timeout=1.0) is None


def test_a_function_takes_an_answer_that_is_young(
    asks: Asks, exporter: Command, simulator: Simulator
) -> None:
    assert asks(exporter.url, "acme", "sales", timeout=10) is True
    asked = simulator.requests_total
    assert asks(exporter.url, "acme", "sales", timeout=10, max_age=60) is True
    assert simulator.requests_total == asked


def alike(output: str) -> str:
    """Return an answer with its times as N."""
    output = re.sub(r'"read_at":"[^"]+"', '"read_at":"N"', output)
    return re.sub(r'"age_seconds":[\d.]+', '"age_seconds":N', output)


def test_curl_answers_as_shown(exporter: Command, bash: Bash) -> None:
    blocks = re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    shown = [
        one
        for text in blocks
        for one in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE)
    ]
    assert len(shown) >= 5
    address = exporter.url.removeprefix("http://")
    for command, output in shown:
        assert alike(bash.run(command.replace(ADDRESS, address))) == alike(output), command


def test_the_platform_gets_what_the_page_says_it_enters(exporter: Command) -> None:
    """The URL of the table, and the field that it names."""
    (url,) = re.findall(r"^\| URL \| `https://[^/]+(/[^`]+)` \|$", PAGE, re.MULTILINE)
    (field,) = re.findall(r"`\$\.(\w+)` equals `true`", PAGE)
    answer = exporter.get(url)
    assert answer.status_code == 200
    assert answer.json()[field] is True
