"""The API that everybody is measured against: real TLS, kept connections, a set latency."""

from __future__ import annotations

import multiprocessing
import ssl
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Self

import trustme

from benchmarks.processes import API_CORES, pin
from exporter.simulator import AVAILABLE, TOKEN, SimulatedAccount
from tests.simulator import FixedWorld, Simulator

__all__ = ["Seen", "Upstream"]


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


class Upstream:
    """A simulated silo in a process of its own, on other cores than who is measured.

    Every account has the same queues, of which the first has three agents.
    """

    def __init__(self, folder: Path, queues: int, latency: float, accounts: int = 1) -> None:
        self.ca_file = folder / "ca.pem"
        self.queues = queues
        self.latency = latency
        self.keys = [TOKEN, *(f"{TOKEN}{number}" for number in range(1, accounts))]
        method = multiprocessing.get_context("spawn")
        self._pipe, theirs = method.Pipe()
        self._process = method.Process(
            target=_serve, args=(theirs, str(self.ca_file), queues, latency, self.keys)
        )
        self._process.start()
        self.url: str = self._pipe.recv()

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

    def target(self, queue: int) -> str:
        """Return the URL that tells of one queue, as the vendor's guide has it."""
        return (
            f"{self.url}/api/agentstatuses/?queue={queue}"
            f"&agent_status_id={AVAILABLE}&ready=true&page_size=1"
        )


def _serve(pipe: Connection, ca_file: str, queues: int, latency: float, keys: list[str]) -> None:
    pin(API_CORES)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(ca_file)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    world = FixedWorld({number: f"queue-{number}" for number in range(1, queues + 1)})
    world.set_available(1, 3)
    accounts = [
        SimulatedAccount(world, token=key, name=f"client-{number}")
        for number, key in enumerate(keys)
    ]
    with Simulator(*accounts, tls=context, latency=latency) as simulator:
        pipe.send(simulator.url)
        while pipe.recv() is not None:
            stats = context.session_stats()
            pipe.send(
                Seen(
                    simulator.requests_total,
                    simulator.connections_opened,
                    stats["accept_good"],
                    stats["hits"],
                    time.process_time(),
                )
            )
