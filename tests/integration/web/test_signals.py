from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import pytest
import requests
from structlog.testing import capture_logs

from exporter import signals
from exporter.web.app import create_app, shared_reload
from exporter.web.server.listeners import listen
from exporter.web.server.server import Server
from tests.integration.web.web_fixtures import FakeRuntime

PROGRAM = Path(__file__).with_name("serving.py")
ROOT = PROGRAM.parents[3]


@pytest.fixture(autouse=True)
def usual_signals() -> Iterator[None]:
    numbers = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    signals.take_hangup()


@contextlib.contextmanager
def started(seconds: float) -> Iterator[tuple[subprocess.Popen[str], IO[str], str]]:
    process = subprocess.Popen(
        [sys.executable, PROGRAM, str(seconds), "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "WEB_CONCURRENCY": "4"},
    )
    with process:
        assert process.stdout
        url = process.stdout.readline().strip()
        while True:
            with contextlib.suppress(requests.ConnectionError):
                assert requests.get(url + "-/ready", timeout=20).status_code == 200
                break
        try:
            yield process, process.stdout, url
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_answers_what_is_in_flight_then_ends_with_0(number: signal.Signals) -> None:
    with started(1.0) as (process, output, url), ThreadPoolExecutor(1) as client:
        answer = client.submit(requests.get, url + "metrics", timeout=20)
        assert output.readline().startswith("asked")
        with requests.Session() as idle:
            assert idle.get(url + "-/healthy", timeout=20).status_code == 200
            process.send_signal(number)
            assert answer.result().text.endswith("calltools_up 1.0\n")
            assert process.wait(20) == 0
        assert output.read() == "ended\n"
        assert process.stderr
        assert process.stderr.read() == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_waits_for_nothing(number: signal.Signals) -> None:
    with started(30) as (process, output, url), ThreadPoolExecutor(1) as client:
        answer = client.submit(requests.get, url + "metrics", timeout=20)
        assert output.readline().startswith("asked")
        process.send_signal(number)
        with contextlib.suppress(requests.RequestException):
            while requests.get(url + "-/ready", timeout=20).ok:
                pass
        process.send_signal(number)
        assert process.wait(20) == -number
        with pytest.raises(requests.ConnectionError):
            answer.result()


def test_a_hangup_calls_the_hook_and_nothing_else() -> None:
    with started(0) as (process, output, url):
        for _ in range(2):
            process.send_signal(signal.SIGHUP)
            assert "hangup\n" in output
        assert requests.get(url + "metrics", timeout=20).status_code == 200


def test_signals_reach_a_server_in_the_main_thread() -> None:
    hung_up = threading.Event()
    app = create_app(FakeRuntime())

    async def hang_up() -> None:
        hung_up.set()

    server = Server(app, listen(["127.0.0.1:0"]), on_hangup=hang_up)

    def send() -> None:
        assert server.serving.wait(20)
        os.kill(os.getpid(), signal.SIGHUP)
        assert hung_up.wait(20)
        os.kill(os.getpid(), signal.SIGTERM)

    sender = threading.Thread(target=send)
    sender.start()
    server.run()
    sender.join(20)
    assert hung_up.is_set()
    assert app.state.stopping
    # Until the process has ended, neither may kill it by surprise.
    assert signal.getsignal(signal.SIGTERM) is signals.end_by
    assert signal.getsignal(signal.SIGHUP) not in (signal.SIG_DFL, signal.SIG_IGN)


def test_a_hangup_does_not_end_what_was_started_to_outlive_its_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By `nohup`, which has the signal ignored."""
    monkeypatch.setattr(signals, "_ignores_hangup", False)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signals.expect_signals()
    signals.expect_signals()  # as at the end of a server
    app = create_app(FakeRuntime())
    server = Server(app, listen(["127.0.0.1:0"]))
    states = []

    def send() -> None:
        assert server.serving.wait(20)
        os.kill(os.getpid(), signal.SIGHUP)
        with requests.Session() as client:  # the signal is handled before the answer
            states.append(client.get(server.urls[0] + "-/ready", timeout=20).status_code)
        states.append(app.state.stopping)
        server.stop()

    sender = threading.Thread(target=send)
    sender.start()
    server.run()
    sender.join(20)
    assert states == [200, False]


def test_a_hook_that_fails_is_logged() -> None:
    failed = threading.Event()

    async def hook() -> None:
        failed.set()
        raise ValueError("a fault")

    server = Server(create_app(FakeRuntime()), listen(["127.0.0.1:0"]), on_hangup=hook)

    def send() -> None:
        assert server.serving.wait(20)
        os.kill(os.getpid(), signal.SIGHUP)
        assert failed.wait(20)
        server.stop()

    sender = threading.Thread(target=send)
    sender.start()
    with capture_logs() as logs:
        server.run()
    sender.join(20)
    assert [entry["event"] for entry in logs] == ["Internal error during a reload"]


def test_of_many_hangups_one_reload_is_in_work_and_one_to_come() -> None:
    calls: list[None] = []
    entered, gate = threading.Event(), threading.Event()

    def reload() -> None:
        calls.append(None)
        entered.set()
        assert gate.wait(30)

    server = Server(
        create_app(FakeRuntime()), listen(["127.0.0.1:0"]), on_hangup=shared_reload(reload)
    )

    def send() -> None:
        assert server.serving.wait(20)
        os.kill(os.getpid(), signal.SIGHUP)
        assert entered.wait(20)
        for _ in range(100):
            os.kill(os.getpid(), signal.SIGHUP)
        # It ends although the reload in work does not.
        os.kill(os.getpid(), signal.SIGTERM)

    sender = threading.Thread(target=send)
    sender.start()
    server.run()
    sender.join(20)
    gate.set()
    assert len(calls) <= 2


def test_a_hangup_during_the_start_is_a_reload_after_it() -> None:
    reloaded = threading.Event()

    async def reload() -> None:
        reloaded.set()
        server.stop()

    signals.expect_signals()
    os.kill(os.getpid(), signal.SIGHUP)
    server = Server(create_app(FakeRuntime()), listen(["127.0.0.1:0"]), on_hangup=reload)
    server.run()
    assert reloaded.is_set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_process_1_ends_by_a_signal_as_well(number: signal.Signals) -> None:
    program = f"import os, exporter.signals as s; os.kill = lambda *_: None; s.end_by({number})"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=False, timeout=20, capture_output=True
    )
    assert done.returncode == 128 + number


def test_an_interrupt_during_the_imports_shows_no_traceback() -> None:
    program = (
        "import os, signal, exporter.signals as s; s.expect_signals();"
        "os.kill(os.getpid(), signal.SIGINT); print('not reached')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=False, timeout=20, capture_output=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, b"", b"")
