"""Accounts on the simulator, and what asks for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pytest

from exporter.clock import Clock
from exporter.runtime import Runtime
from exporter.settings import Account, Configuration, Queue, TlsFiles, TokenEnvironment
from exporter.simulator import AVAILABLE, TOKEN
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
