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

from exporter.web.app import create_app
from exporter.web.server.listeners import listen
from exporter.web.server.server import Server
from tests.integration.web.web_fixtures import FakeRuntime

PROGRAM = Path(__file__).with_name("serving.py")
ROOT = PROGRAM.parents[3]


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
    server = Server(app, listen(["127.0.0.1:0"]), on_hangup=hung_up.set)

    def send() -> None:
        assert server.started.wait(20)
        os.kill(os.getpid(), signal.SIGHUP)
        assert hung_up.wait(20)
        os.kill(os.getpid(), signal.SIGTERM)

    sender = threading.Thread(target=send)
    sender.start()
    server.run()
    sender.join(20)
    assert hung_up.is_set()
    assert app.state.stopping
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_hook_that_fails_is_logged() -> None:
    failed = threading.Event()

    def hook() -> None:
        failed.set()
        raise ValueError("a fault")

    server = Server(create_app(FakeRuntime()), listen(["127.0.0.1:0"]), on_hangup=hook)

    def send() -> None:
        assert server.started.wait(20)
        os.kill(os.getpid(), signal.SIGHUP)
        assert failed.wait(20)
        server.stop()

    sender = threading.Thread(target=send)
    sender.start()
    with capture_logs() as logs:
        server.run()
    sender.join(20)
    assert [entry["event"] for entry in logs] == ["what SIGHUP asks for failed"]
