"""`make stack` brings up the whole chain, and leaves nothing behind."""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from exporter.cli.demo import DEMO_QUEUES
from tests.e2e import tools
from tests.e2e.browser import Browser
from tests.e2e.shell import Bash
from tests.process_fixtures import ROOT, UNTRACED
from tests.simulator.days import DayWorld, Team

PROGRAMS = ("exporter", "prometheus", "alertmanager", "notifications")


@pytest.fixture
def free_ports() -> list[str]:
    """Return a flag with a free port for each program."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in PROGRAMS]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return [f"--{name}={port}" for name, port in zip(PROGRAMS, ports, strict=True)]


@pytest.fixture
def start_stack(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the stack in a process group of its own, as a terminal does."""
    for name in ("prometheus", "alertmanager"):
        tools.require(name)
    folder = tools.require("prometheus").parents[2]
    if not (folder.name == "native" and folder.parent.name == "tools"):
        pytest.skip("Prometheus is not one that `make tools` fetched")
    started: list[subprocess.Popen[str]] = []

    def start(*flags: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, ROOT / "scripts/stack.py", folder.parents[1], *flags],
            env={**UNTRACED, "TMPDIR": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def get(url: str) -> Any:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as answer:
        return json.load(answer)


def post(url: str, body: object) -> None:
    request = urllib.request.Request(url, json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.open(request, timeout=10).close()


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 90
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_every_address_shows_what_it_is_printed_for_and_ctrl_c_ends_it(
    start_stack: Callable[..., subprocess.Popen[str]],
    free_ports: list[str],
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    browser = Browser(tools.require("chromium"), tmp_path_factory.mktemp("chromium"))
    stack = start_stack(*free_ports)
    assert stack.stdout is not None
    said = "".join(
        iter(
            stack.stdout.readline,
            "Notifications are printed here as well. Ctrl-C ends all of them.\n",
        )
    )
    _, prometheus, alertmanager, _ = (flag.partition("=")[2] for flag in free_ports)

    urls = dict(re.findall(r"^  (.*?)  +(http://\S+)$", said, re.MULTILINE))
    shown = {
        "what the exporter last read": "support",
        "its numbers in Prometheus": '<b>queue</b>="retention"|queue=.*retention',
        "the alerts": "CallToolsNobodyAvailable",
        "what is sent, and to whom": r"support empties at \d\d:\d\d:\d\d",
    }
    assert urls.keys() == shown.keys(), said
    for words, url in urls.items():
        assert re.search(shown[words], browser.html(url)), url

    query = f"http://127.0.0.1:{prometheus}/api/v1/query?query="
    wait_for(lambda: get(f"{query}account_queue:calltools_queue_state")["data"]["result"])
    found = get(f"http://127.0.0.1:{prometheus}/api/v1/alertmanagers")["data"]
    assert [one["url"] for one in found["activeAlertmanagers"]] == [
        f"http://127.0.0.1:{alertmanager}/api/v2/alerts"
    ]

    # What Alertmanager sends is seen by people: printed, and on the page. This route has no wait.
    labels = {"alertname": "CallToolsWatchdog"}
    alert = {"labels": labels, "annotations": {"summary": "All <is> well"}}
    post(f"http://127.0.0.1:{alertmanager}/api/v2/alerts", [alert])
    printed = stack.stdout.readline()
    assert printed.endswith(" to dead-mans-switch: firing CallToolsWatchdog: All <is> well\n")
    page = browser.html(urls["what is sent, and to whom"])
    assert re.search("dead-mans-switch.*CallToolsWatchdog.*All &lt;is&gt; well", page, re.DOTALL)

    os.killpg(stack.pid, signal.SIGINT)
    _, complaints = stack.communicate(timeout=60)
    assert (stack.returncode, complaints) == (0, "")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.killpg(stack.pid, 0)


@pytest.mark.parametrize(
    ("program", "variable"),
    [
        ("exporter", "PORT"),
        ("prometheus", "PROMETHEUS_PORT"),
        ("alertmanager", "ALERTMANAGER_PORT"),
        ("notifications", "NOTIFICATIONS_PORT"),
    ],
)
def test_a_taken_port_says_how_to_choose_another(
    start_stack: Callable[..., subprocess.Popen[str]],
    free_ports: list[str],
    program: str,
    variable: str,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        stack = start_stack(*free_ports, f"--{program}={port}")
        said, complaints = stack.communicate(timeout=90)
    assert (stack.returncode, said) == (1, "")
    assert f"{program} cannot have port {port}: Address already in use" in complaints
    assert f"make stack {variable}={port + 100}" in complaints
    planned = subprocess.run(
        ["make", "-n", "stack", f"{variable}={port}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"--{program}={port}" in planned.stdout


def test_demo_on_a_taken_port_says_how_to_choose_another(bash: Bash) -> None:
    # An environment that is up to date, so that none is made.
    bash.program("python", f'exec {shlex.quote(sys.executable)} "$@"')
    (bash.bin.parent / ".dev").touch()  # the mark for a Python that gives it no name
    demo = f"make -C {shlex.quote(str(ROOT))} demo VENV={bash.bin.parent} PYTHON=true"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = bash.run(f"{demo} PORT={port} 2>&1 || true")
    assert f"cannot listen on '127.0.0.1:{port}'" in said
    assert "For another port: make demo PORT=15458" in said


def test_a_queue_empties_for_good_and_the_others_stay_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(ROOT / "scripts")
    stack = importlib.import_module("stack")
    kept, queue = 5457, 5460
    plain = DayWorld(DEMO_QUEUES, (Team(4, (queue,)), Team(4, (kept,)), Team(2, (kept, queue))))
    noon = datetime(2026, 7, 27, 12, tzinfo=UTC).timestamp()
    world = stack.EmptiedWorld(plain, queue)

    def ready(number: int, at: float) -> int:
        return sum(agent.ready for agent in world.at(at).agents(number))

    before = [ready(queue, noon + second) for second in range(600)]
    world.since = noon + 60
    after = [ready(queue, noon + second) for second in range(600)]
    assert after[:60] == before[:60]
    assert any(before[60:])
    assert not any(after[60:])
    assert any(ready(kept, noon + second) for second in range(60, 600))
