"""Accounts on the simulator, and what asks for them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pytest
import requests

from exporter import config
from exporter.cli.serve import ServeOptions, make_server
from exporter.clock import Clock
from exporter.config import Loaded
from exporter.runtime import Runtime
from exporter.settings import Account, Configuration, Queue, TlsFiles, TokenEnvironment
from exporter.simulator import AVAILABLE, TOKEN
from tests.process_fixtures import ENVIRON
from tests.simulator import Simulator
from tests.simulator_fixtures import TlsAuthority


class MakeAccount(Protocol):
    def __call__(self, simulator: Simulator, *queues: int, **settings: Any) -> Account: ...


@pytest.fixture
def make_account(tls_authority: TlsAuthority, monkeypatch: pytest.MonkeyPatch) -> MakeAccount:
    """Return an account `acme` whose queues are named `queue-ID`."""
    monkeypatch.setenv("CALLTOOLS_TEST_TOKEN", TOKEN)

    def make(simulator: Simulator, *queues: int, **settings: Any) -> Account:
        defaults: dict[str, Any] = {
            "name": "acme",
            "url": simulator.url,
            "token": TokenEnvironment("CALLTOOLS_TEST_TOKEN"),
            "queues": tuple(
                Queue(queue, f"queue-{queue}", (AVAILABLE,)) for queue in queues or (5457,)
            ),
            "tls": TlsFiles(ca_file=tls_authority.ca_file) if simulator.tls else TlsFiles(),
        }
        return Account(**{**defaults, **settings})

    return make


@pytest.fixture
def make_runtime() -> Iterator[Callable[..., Runtime]]:
    made: list[Runtime] = []

    def make(*accounts: Account, **settings: Any) -> Runtime:
        if clock := settings.get("clock"):
            settings["clock"] = Clock(clock, settings.pop("steady_clock", clock))
        made.append(Runtime(Configuration(accounts), **settings))
        return made[-1]

    yield make
    for runtime in made:
        runtime._transports.close()


class Served:
    """An exporter in this process, with its answers over HTTP."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False

    def get(self, path: str, **headers: str) -> requests.Response:
        """Ask for a path; `_` in a header's name stands for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.session.get(self.url + path, headers=named, timeout=30)


class Serve(Protocol):
    def __call__(self, path: Path, **options: Any) -> Served: ...


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Serve a configuration as the command does, with reloads, until the test ends.

    A process of its own costs more than a second to start, and is for what only a process has.
    """
    monkeypatch.setenv("CALLTOOLS_TOKEN", TOKEN)
    usual = ServeOptions(
        web_listen_address=("127.0.0.1:0",),
        web_max_requests=40,
        scrape_timeout_offset=0.5,
        web_enable_lifecycle=True,
    )
    with contextlib.ExitStack() as running:

        def start(path: Path, **options: Any) -> Served:
            def load() -> Loaded:
                return config.load(path, ENVIRON)

            runtime = Runtime(load().configuration, load=lambda: load().configuration)
            running.callback(runtime._transports.close)
            server = make_server(runtime, replace(usual, **options), runtime.reload)
            thread = threading.Thread(target=server.run, daemon=True)
            thread.start()
            running.callback(thread.join, 20)
            running.callback(server.stop)
            assert server.serving.wait(20)
            served = Served(server.urls[0].rstrip("/"))
            running.callback(served.session.close)
            return served

        yield start
