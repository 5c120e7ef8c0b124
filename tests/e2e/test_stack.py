"""`make stack` brings up the whole chain, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import tools
from tests.process_fixtures import ENVIRON, ROOT


@pytest.fixture
def free_ports() -> list[str]:
    """Return a flag with a free port for each program."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return [
        f"--{name}={port}"
        for name, port in zip(("exporter", "prometheus", "alertmanager"), ports, strict=True)
    ]


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
            env={**ENVIRON, "TMPDIR": str(tmp_path)},
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


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 90
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_numbers_and_rules_are_there_and_ctrl_c_ends_it(
    start_stack: Callable[..., subprocess.Popen[str]], free_ports: list[str], tmp_path: Path
) -> None:
    stack = start_stack(*free_ports)
    assert stack.stdout is not None
    said = "".join(stack.stdout.readline() for _ in range(4))
    assert "Ctrl-C ends all of them" in said
    exporter, prometheus, alertmanager = (flag.partition("=")[2] for flag in free_ports)
    assert re.findall(r"127\.0\.0\.1:(\d+)/", said) == [
        *(exporter, prometheus, prometheus, alertmanager),
    ]
    query = f"http://127.0.0.1:{prometheus}/api/v1/query?query="
    wait_for(lambda: get(f"{query}calltools_queue_available_agents")["data"]["result"])
    wait_for(lambda: get(f"{query}account_queue:calltools_queue_up:max")["data"]["result"])
    found = get(f"http://127.0.0.1:{prometheus}/api/v1/alertmanagers")["data"]
    assert [one["url"] for one in found["activeAlertmanagers"]] == [
        f"http://127.0.0.1:{alertmanager}/api/v2/alerts"
    ]

    os.killpg(stack.pid, signal.SIGINT)
    _, complaints = stack.communicate(timeout=60)
    assert (stack.returncode, complaints) == (0, "")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ProcessLookupError):
        os.killpg(stack.pid, 0)


def test_a_port_that_is_taken_is_told(
    start_stack: Callable[..., subprocess.Popen[str]], free_ports: list[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free_ports[1] = f"--prometheus={taken.getsockname()[1]}"
        stack = start_stack(*free_ports)
        _, complaints = stack.communicate(timeout=90)
    assert stack.returncode == 1
    assert "prometheus does not run; it said last:" in complaints
    assert "address already in use" in complaints
    with pytest.raises(ProcessLookupError):
        os.killpg(stack.pid, 0)
