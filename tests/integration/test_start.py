"""Signals, reloads and taken addresses at any moment of the start."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
import requests

from exporter.simulator import SimulatedAccount
from tests.process_fixtures import PROGRAM, UNTRACED, WriteConfiguration
from tests.simulator import FixedWorld
from tests.simulator_fixtures import StartSimulator


def start(path: Path, folder: Path, address: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROGRAM, f"--config.file={path}", f"--web.listen-address={address}"],
        cwd=folder,
        env=UNTRACED,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def path(start_simulator: StartSimulator, write_configuration: WriteConfiguration) -> Path:
    return write_configuration(start_simulator(SimulatedAccount(FixedWorld())))


def wait_for_handler(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """Wait until the process handles this signal: before, no line of ours has run."""
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
        caught = re.search(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
        if caught and int(caught[1], 16) >> (number - 1) & 1:
            return
        time.sleep(0.002)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="signals are read from /proc")
@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.3, 0.6, 0.9])
def test_a_hangup_at_any_moment_of_the_start_is_safe(
    path: Path, tmp_path: Path, seconds: float
) -> None:
    with start(path, tmp_path, "127.0.0.1:0") as process:
        wait_for_handler(process, signal.SIGHUP)
        time.sleep(seconds)
        process.send_signal(signal.SIGHUP)
        assert process.stderr
        written = ""
        while not (url := re.search(r"http://127\.0\.0\.1:\d+/", written)):
            line = process.stderr.readline()
            assert line, f"it ended: {process.poll()}, {written}"
            written += line
        assert requests.get(f"{url[0]}-/ready", timeout=20).status_code == 200
        process.terminate()
        assert process.wait(20) == 0


@pytest.mark.parametrize("seconds", [0.15, 0.5, 1.0])
def test_the_end_at_any_moment_of_the_start_is_quiet(
    path: Path, tmp_path: Path, seconds: float
) -> None:
    with start(path, tmp_path, "127.0.0.1:0") as process:
        time.sleep(seconds)
        process.terminate()
        assert process.wait(20) in (0, -signal.SIGTERM)
        assert process.stderr
        assert "Traceback" not in process.stderr.read()


def test_a_taken_address_is_one_line(path: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with start(path, tmp_path, address) as process:
            _, written = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "the port is already in use" in written
    assert "Traceback" not in written
