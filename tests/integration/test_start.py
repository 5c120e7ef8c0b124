"""Signals, reloads and taken addresses at any moment of the start."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import bcrypt
import pytest
import requests

from exporter.simulator import TOKEN, SimulatedAccount
from exporter.web.server.server import Server
from tests.process_fixtures import PROGRAM, UNTRACED, RunMain, WriteConfiguration
from tests.simulator import FixedWorld, Simulator
from tests.simulator_fixtures import StartSimulator

HASH = bcrypt.hashpw(b"secret", b"$2b$04$......................").decode()


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
def simulator(start_simulator: StartSimulator) -> Simulator:
    return start_simulator(SimulatedAccount(FixedWorld()))


@pytest.fixture
def path(simulator: Simulator, write_configuration: WriteConfiguration) -> Path:
    return write_configuration(simulator)


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


def test_a_taken_address_is_one_line_and_no_connection(
    simulator: Simulator, path: Path, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with start(path, tmp_path, address) as process:
            _, written = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "the port is already in use" in written
    assert simulator.connections_opened == 0
    assert "Traceback" not in written


def test_pages_and_passwords_have_their_thread_before_connections_take_the_last(
    simulator: Simulator,
    write_configuration: WriteConfiguration,
    run_main: RunMain,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """The connections that are opened ahead took all threads of a container with a limit."""
    path = write_configuration(simulator)
    users = tmp_path / "users.yml"
    users.write_text(f"users: {{crm: {{password_hash: {HASH}, accounts: all}}}}")
    opened, started = threading.Event(), threading.Thread.start
    answers: list[int] = []

    def start_within_limit(thread: threading.Thread) -> None:
        if opened.is_set() and thread.name.startswith(("web", "fetch")):
            raise RuntimeError("can't start new thread")
        started(thread)

    def ask(server: Server) -> None:
        with requests.Session() as session:
            session.trust_env = False
            for page in ("", "metrics", "available?account=acme"):
                url = server.urls[0] + page
                answers.append(session.get(url, auth=("crm", "secret"), timeout=5).status_code)

    def ask_and_stop(server: Server) -> None:
        try:
            ask(server)
        finally:
            server.stop()

    def serve_and_ask(server: Server, *_: object) -> None:
        opened.set()
        asking = threading.Thread(target=ask_and_stop, args=(server,), name="asking")
        started(asking)
        asyncio.run(server.serve(server._listeners))
        asking.join()

    monkeypatch.setattr(threading.Thread, "start", start_within_limit)
    monkeypatch.setattr(Server, "run", serve_and_ask)
    said = run_main(
        f"--config.file={path}",
        "--web.listen-address=127.0.0.1:0",
        f"--web.available-users.file={users}",
        CALLTOOLS_TOKEN=TOKEN,
    )
    assert said.code == 0
    assert answers == [200, 200, 200]
