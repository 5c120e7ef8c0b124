"""Connections are opened before the first scrape, without a request, and no more than it needs."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from exporter.calltools.client import Client
from exporter.calltools.requester import RequestContext
from exporter.runtime import Runtime
from exporter.settings import Queue, TlsFiles
from exporter.simulator import AVAILABLE, SimulatedAccount
from exporter.transport.deadline import Deadline
from exporter.transport.transports import Transports
from tests.integration.conftest import MakeAccount
from tests.integration.test_serving import wait_until
from tests.integration.test_transport import Proxy, Recorder
from tests.process_fixtures import StartCommand, WriteConfiguration
from tests.raw_server import RawServer
from tests.simulator import FixedWorld
from tests.simulator_fixtures import StartSimulator, TlsAuthority

CHECKS = 6


def idle(transports: Transports) -> int:
    """Return how many connections of all transports are open and idle."""
    pools: list[Any] = [
        transport._adapter._pool for _, transport in tuple(transports._transports.values())
    ]
    kept = [connection for pool in pools if pool for connection in tuple(pool.pool.queue)]
    return sum(connection is not None and not connection.is_closed for connection in kept)


@pytest.mark.parametrize("way", ["plain", "TLS", "TLS through a proxy"])
def test_the_first_scrape_finds_its_connections_open(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    way: str,
) -> None:
    world = FixedWorld({number: f"queue-{number}" for number in (1, 2, 3)})
    world.set_available(2, 5)
    simulator = start_simulator(SimulatedAccount(world), tls=way != "plain")
    proxy = Proxy()
    settings = {"proxy": proxy.url} if "proxy" in way else {}
    account = make_account(simulator, 1, 2, 3, max_parallel_requests=16, **settings)
    runtime = make_runtime(account)
    runtime.open_connections(256)
    assert wait_until(lambda: idle(runtime._transports) == 3 + CHECKS)
    assert simulator.requests_total == 0
    snapshot = runtime.snapshot([account], 10)
    assert [queue.result.available for queue in snapshot.queues] == [0, 5, 0]
    assert simulator.connections_opened == 3 + CHECKS
    counted = {
        sample.name: sample.value
        for family in runtime.counters.families()
        for sample in family.samples
        if sample.name.startswith("calltools_api_") and "code" not in sample.labels
    }
    assert counted["calltools_api_connections_total"] == 3 + CHECKS
    assert counted["calltools_api_requests_total"] == 3 + CHECKS
    assert len(proxy.heads) == (3 + CHECKS if settings else 0)
    proxy.close()


BOUNDS: dict[str, tuple[int, dict[str, Any], int]] = {
    "an account's": (8, {}, 256),
    "those of all": (5, {}, 5),
    "an account's, as its queues are not known": (
        8,
        {"queues": (), "every_queue": Queue(0, "", (AVAILABLE,))},
        256,
    ),
}


@pytest.mark.parametrize(("number", "settings", "most"), BOUNDS.values(), ids=BOUNDS)
def test_no_more_are_opened_than_requests_may_run(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    number: int,
    settings: dict[str, Any],
    most: int,
) -> None:
    """Two accounts on one host share its connections."""
    simulator = start_simulator()
    accounts = [
        make_account(simulator, *range(1, 21), name=name, max_parallel_requests=8, **dict(settings))
        for name in ("one", "two")
    ]
    runtime = make_runtime(*accounts, max_parallel_requests=most)
    runtime.open_connections(256)
    assert wait_until(lambda: idle(runtime._transports) == number)
    assert wait_until(lambda: simulator.connections_opened == number)


def test_a_host_that_cannot_be_reached_is_reported_by_the_scrape_alone(
    start_simulator: StartSimulator, make_account: MakeAccount, make_runtime: Callable[..., Runtime]
) -> None:
    simulator = start_simulator()
    account = make_account(simulator)
    simulator.stop()
    runtime = make_runtime(account)
    runtime.open_connections(256)
    snapshot = runtime.snapshot([account], 10)
    assert [failure.code for failure in snapshot.accounts[0].failures] == ["connection"]
    simulator.start()
    assert runtime.snapshot([account], 10).accounts[0].up


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_what_comes_before_any_request_is_no_answer(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    tls_authority: TlsAuthority,
    tls: bool,
) -> None:
    def answer(count: int) -> bytes:
        body = b'{"count": %d, "results": [{"ready": true}]}' % count
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    sent = threading.Event()

    class Hasty(RawServer):
        def _talk(self, client: socket.socket) -> None:
            if not sent.is_set():
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client.sendall(answer(99))
                sent.set()
            super()._talk(client)

    transports = Transports()
    context = tls_authority.server_context() if tls else None
    trusted = TlsFiles(ca_file=tls_authority.ca_file) if tls else TlsFiles()
    with Hasty(lambda _, client: client.sendall(answer(1)), context) as server:
        account = make_account(start_simulator(), url=server.url, tls=trusted)
        transport = transports.get(account)
        for open_ahead in transport.connections_to_open(account.url, 1, lambda: None):
            open_ahead()
        assert sent.wait(10)
        assert idle(transports) == 1
        asked = RequestContext(transport, account.token.read(), Deadline.after(10), Recorder())
        assert Client(account).count_available(account.queues[0], asked) == 1
        assert server.connections == 2
    transports.close()


def test_the_exporter_opens_them_when_it_starts(
    start_simulator: StartSimulator,
    start_command: StartCommand,
    write_configuration: WriteConfiguration,
) -> None:
    simulator = start_simulator()
    path = write_configuration(simulator, {1: "sales"})
    start_command(f"--config.file={path}", "--web.listen-address=127.0.0.1:0")
    assert simulator.wait_until(lambda: simulator.connections_open == 1 + CHECKS)
    assert simulator.requests_total == 0
