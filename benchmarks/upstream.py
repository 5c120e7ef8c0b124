"""The API that everybody is measured against: real TLS, kept connections, a set latency."""

from __future__ import annotations

import multiprocessing
import ssl
import time
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Self

import trustme

from benchmarks.processes import API_CORES, pin
from exporter.simulator import AVAILABLE, TOKEN, SimulatedAccount
from tests.simulator import FixedWorld, Simulator


@dataclass(frozen=True)
class Seen:
    """What the API has seen so far; `handshakes` counts those that were resumed as well."""

    requests: int = 0
    connections: int = 0
    handshakes: int = 0
    resumed: int = 0
    cpu_seconds: float = 0.0

    def __sub__(self, earlier: Seen) -> Seen:
        return Seen(
            self.requests - earlier.requests,
            self.connections - earlier.connections,
            self.handshakes - earlier.handshakes,
            self.resumed - earlier.resumed,
            self.cpu_seconds - earlier.cpu_seconds,
        )


@dataclass(frozen=True)
class _Settings:
    """What the process of the silos is given."""

    ca_file: str
    queues: int
    latency: float
    keys: list[str]
    silos: int


class Upstream:
    """Simulated silos in a process of their own, on other cores than who is measured.

    Every account has the same queues, of which the first has three agents. Accounts take the
    silos in turn.
    """

    def __init__(
        self, folder: Path, queues: int, latency: float, accounts: int = 1, silos: int = 1
    ) -> None:
        self.ca_file = folder / "ca.pem"
        self.queues = queues
        self.latency = latency
        self.keys = [TOKEN, *(f"{TOKEN}{number}" for number in range(1, accounts))]
        method = multiprocessing.get_context("spawn")
        self._pipe, theirs = method.Pipe()
        settings = _Settings(str(self.ca_file), queues, latency, self.keys, silos)
        self._process = method.Process(target=_serve, args=(theirs, settings))
        self._process.start()
        self.urls: list[str] = self._pipe.recv()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._pipe.send(None)
        self._process.join()

    def seen(self) -> Seen:
        """Return what it has seen so far."""
        self._pipe.send("seen")
        seen: Seen = self._pipe.recv()
        return seen

    def hang(self) -> None:
        """Let the last silo answer nothing any more."""
        self._pipe.send("hang")
        self._pipe.recv()

    def target(self, queue: int) -> str:
        """Return the URL that counts one queue's agents, as the vendor's guide has it."""
        return (
            f"{self.urls[0]}/api/agentstatuses/?queue={queue}"
            f"&agent_status_id={AVAILABLE}&ready=true&page_size=1"
        )


def _serve(pipe: Connection, settings: _Settings) -> None:
    pin(API_CORES)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(settings.ca_file)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    world = FixedWorld({number: f"queue-{number}" for number in range(1, settings.queues + 1)})
    world.set_available(1, 3)
    accounts = [
        SimulatedAccount(world, token=key, name=f"client-{number}")
        for number, key in enumerate(settings.keys)
    ]
    with ExitStack() as stack:
        started = [
            Simulator(*accounts[silo :: settings.silos], tls=context, latency=settings.latency)
            for silo in range(settings.silos)
        ]
        for silo in started:
            stack.enter_context(silo)
        pipe.send([silo.url for silo in started])
        while (asked := pipe.recv()) is not None:
            if asked == "hang":
                started[-1].faults.set("hang")
            stats = context.session_stats()
            pipe.send(
                Seen(
                    sum(silo.requests_total for silo in started),
                    sum(silo.connections_opened for silo in started),
                    stats["accept_good"],
                    stats["hits"],
                    time.process_time(),
                )
            )
