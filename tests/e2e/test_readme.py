"""What README says is run: every block of it, and nothing in it is out of date."""

from __future__ import annotations

import os
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from exporter.simulator import TOKEN, SimulatedAccount
from tests.e2e.conftest import RunsTool
from tests.e2e.shell import Bash
from tests.process_fixtures import ROOT, StartCommand
from tests.simulator import FixedWorld, Simulator
from tests.simulator_fixtures import StartSimulator
from tests.terminal_fixtures import OpenTerminal

CLONE = shlex.quote(str(ROOT))
README = (ROOT / "README.md").read_text()
URL = "https://east-2.calltools.io"
KEY = "paste-the-key-here"


@dataclass(frozen=True)
class Block:
    language: str
    text: str

    @property
    def command(self) -> str:
        """The command of a console block."""
        return self.text.partition("\n")[0].removeprefix("$ ")

    @property
    def output(self) -> str:
        """What the command of a console block printed."""
        return self.text.partition("\n")[2]


BLOCKS = [
    Block(*found)
    for found in re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
]

#: How each block begins, in the order of README; each one has a test below.
TESTED = (
    ("sh", "python3 -m venv"),
    ("sh", "make demo"),
    ("console", "$ curl -s localhost:15457/metrics | grep"),
    ("console", "$ calltools-exporter init"),
    ("sh", "export CALLTOOLS_URL="),
    ("console", "$ CALLTOOLS_QUEUES=5457,5460,5461 calltools-exporter ping"),
    ("console", "$ calltools-exporter check"),
    ("sh", "docker build"),
    ("yaml", "scrape_configs:"),
)


def test_every_block_is_tested() -> None:
    assert len(BLOCKS) == len(TESTED)
    for block, (language, beginning) in zip(BLOCKS, TESTED, strict=True):
        assert block.language == language
        assert block.text.startswith(beginning)


def block(beginning: str) -> Block:
    (found,) = (one for one in BLOCKS if one.text.startswith(beginning))
    return found


@pytest.fixture
def simulator(start_simulator: StartSimulator) -> Simulator:
    world = FixedWorld()
    world.set_available(5457, 3)
    return start_simulator(SimulatedAccount(world))


def shape(table: str) -> list[list[str]]:
    """Return the words of each line, with any time as N."""
    return [re.sub(r"\b\d+\.\d\d\b", "N", line).split() for line in table.splitlines()]


def test_the_picture_is_what_the_demo_answers(start_command: StartCommand, bash: Bash) -> None:
    demo = start_command("demo", "--web.listen-address=127.0.0.1:0")
    shown = block("$ curl")
    address = demo.url.removeprefix("http://")
    answered = bash.run(shown.command.replace("localhost:15457", address))
    assert re.sub(r" \d+\.0$", " N", answered, flags=re.MULTILINE) == re.sub(
        r" \d+\.0$", " N", shown.output, flags=re.MULTILINE
    )


def test_make_knows_the_targets(bash: Bash) -> None:
    for line in block("make").text.splitlines():
        target = line.partition("#")[0].split()[1]
        planned = bash.run(f"make -C {CLONE} --dry-run {target}")
        runs = {"demo": "-m exporter demo", "stack": "stack.py", "test": "-m pytest"}
        assert runs[target] in planned


def test_it_can_be_installed(bash: Bash, tmp_path: Path) -> None:
    pytest.importorskip("ensurepip", reason="this Python cannot make environments with pip")
    place = tmp_path / "calltools-exporter"
    shown, found, _ = block("python3 -m venv").text.partition("mkdir")
    assert found
    script = shown.replace("/opt/calltools-exporter", str(place))
    # What it needs is here already: nothing is fetched.
    (bash.folder / "environment").write_text(
        script.replace("pip install .", f"pip install {CLONE}")
    )
    (bash.bin / "python3").symlink_to(sys.executable)
    libraries = os.pathsep.join(path for path in sys.path if path.endswith("site-packages"))
    version = bash.run(
        "source ./environment >/dev/null; hash -r; type -p calltools-exporter;"
        " calltools-exporter --version",
        PIP_NO_DEPS="1",
        PIP_NO_BUILD_ISOLATION="0",
        PIP_DISABLE_PIP_VERSION_CHECK="1",
        PIP_ROOT_USER_ACTION="ignore",
        PYTHONPATH=libraries,
    )
    assert version.startswith(f"{place}/bin/calltools-exporter\ncalltools-exporter ")


def test_init_is_asked_and_answers_as_shown(
    simulator: Simulator, open_terminal: OpenTerminal
) -> None:
    shown = block("$ calltools-exporter init")
    screen = open_terminal(*shown.command.split()[1:])
    for line in shown.output.splitlines()[:4]:
        question, _, answer = line.rstrip(":").partition(": ")
        typed = {URL: simulator.url, "": TOKEN}.get(answer, answer)
        screen.answer(question.replace("[east-2]", "[127.0.0.1]"), typed)
    assert screen.end() == 0, screen.everything
    host = simulator.url.removeprefix("http://")

    def shape_of(text: str) -> list[str]:
        text = re.sub(r"\r.*\x1b\[K", "", text)
        text = text.replace(simulator.url, URL).replace(host, URL.removeprefix("https://"))
        text = text.replace("[127.0.0.1]", "[east-2]")
        return [re.sub(r"\d\.\d\d s", "N s", line).rstrip() for line in text.splitlines()]

    assert shape_of(screen.everything) == shape_of(shown.output)


def test_five_lines_are_enough(simulator: Simulator, bash: Bash) -> None:
    lines = block("export CALLTOOLS_URL").text
    assert len(lines.splitlines()) == 5
    assert URL in lines
    assert KEY in lines
    asked = lines.replace(URL, simulator.url).replace(KEY, TOKEN)
    answered = bash.run(asked)
    assert [row[1:4] for row in shape(answered)] == [
        ["QUEUE", "OPEN", "AVAILABLE"],
        ["5457", "yes", "3"],
        ["5460", "yes", "0"],
    ]

    # The example that follows is asked with the same variables.
    shown = block("$ CALLTOOLS_QUEUES")
    answered = bash.run(asked.rpartition("calltools-exporter ping")[0] + shown.command)
    silo = URL.removeprefix("https://").partition(".")[0]
    assert shape(answered) == shape(shown.output.replace(silo, "127.0.0.1"))


def test_check_accepts_the_example(bash: Bash) -> None:
    shown = block("$ calltools-exporter check")
    assert bash.run(f"cd {CLONE}; {shown.command}") == shown.output


def test_the_container_is_run_as_its_recipe_says(bash: Bash) -> None:
    recipe = (ROOT / "Dockerfile").read_text()
    bash.program("docker", 'printf "%s " "$@"; echo')
    bash.program("id", "echo 1234")
    build, run = bash.run(block("docker").text).splitlines()
    assert build == "build -t calltools-exporter . "
    *flags, image = run.split()
    assert image == "calltools-exporter"
    mount = flags[flags.index("-v") + 1]
    assert mount.startswith(f"{bash.folder}/calltools:")
    assert "cd ~/calltools " in block("python3 -m venv").text
    folder = mount.removesuffix(":ro").rpartition(":")[2]
    assert re.findall(r"^WORKDIR (\S+)$", recipe, re.MULTILINE)[-1] == folder
    # `init` writes the key so that only its user can read it; the image's own user cannot.
    assert flags[flags.index("--user") + 1] == "1234:1234"
    port = flags[flags.index("-p") + 1].rpartition(":")[2]
    assert f"EXPOSE {port}\n" in recipe


def test_prometheus_accepts_the_scrape_configuration(promtool: RunsTool, tmp_path: Path) -> None:
    path = tmp_path / "prometheus.yml"
    path.write_text(block("scrape_configs").text)
    checked = promtool("check", "config", "--lint-fatal", path)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_links_lead_somewhere() -> None:
    targets = re.findall(r"\]\(([^)]+)\)", README)
    assert targets
    for target in targets:
        assert target.startswith("https://") or (ROOT / target.partition("#")[0]).exists(), target


def test_the_changelog_speaks_in_its_four_words() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    entries = re.findall(r"^- (\S+)", text, re.MULTILINE)
    assert entries
    assert set(entries) <= {"[CHANGE]", "[FEATURE]", "[ENHANCEMENT]", "[BUGFIX]"}
