"""The simulator over real sockets."""

from __future__ import annotations

import dataclasses
import http.client
import json
import socket
import ssl
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from exporter.simulator import TOKEN, SimulatedAccount
from tests.simulator import FixedWorld, Simulator
from tests.simulator.dialect import ALL_FILTERS
from tests.simulator_fixtures import StartSimulator, TlsAuthority

HEADERS = {"Authorization": f"Token {TOKEN}"}
SALES = "/api/agentstatuses/?queue=5457&agent_status_id=20561&ready=true&page_size=1"


def connect(
    simulator: Simulator, context: ssl.SSLContext | None = None
) -> http.client.HTTPConnection:
    address = urlsplit(simulator.url)
    assert address.hostname is not None
    if address.scheme == "https":
        return http.client.HTTPSConnection(
            address.hostname, address.port, timeout=10, context=context
        )
    return http.client.HTTPConnection(address.hostname, address.port, timeout=10)


def count(connection: http.client.HTTPConnection, target: str = SALES) -> int:
    connection.request("GET", target, headers=HEADERS)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200
    number = json.loads(body)["count"]
    assert isinstance(number, int)
    return number


@pytest.mark.parametrize("tls", [False, True])
def test_a_world_is_served_on_one_connection(
    start_simulator: StartSimulator, tls_authority: TlsAuthority, tls: bool
) -> None:
    world = FixedWorld()
    simulator = start_simulator(SimulatedAccount(world), tls=tls)
    connection = connect(simulator, tls_authority.client_context())
    for number in (0, 3, 1):
        world.set_available(5457, number)
        assert count(connection) == number
    assert (simulator.connections_opened, simulator.connections_open) == (1, 1)
    connection.close()
    assert simulator.wait_until(lambda: simulator.connections_open == 0)


def test_requests_are_logged(start_simulator: StartSimulator) -> None:
    simulator = start_simulator()
    simulator.clock.set(1_800_000_000.0, speed=0)
    connection = connect(simulator)
    connection.request("PUT", "/api/queues/?queue=1&queue=2", body=b"x" * 70_000, headers=HEADERS)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 405
    assert count(connection) == 0
    connection.close()
    put, get = simulator.requests
    assert (put.method, put.path, put.query) == ("PUT", "/api/queues/", {"queue": "2"})
    assert put.headers["authorization"] == f"Token {TOKEN}"
    assert (put.connection, put.time) == (1, 1_800_000_000.0)
    assert get.query["queue"] == "5457"
    simulator.forget_requests()
    assert simulator.requests == []
    assert simulator.requests_total == 2


def test_accounts_have_their_own_worlds(start_simulator: StartSimulator) -> None:
    worlds = [FixedWorld(), FixedWorld()]
    worlds[1].set_available(5457, 4)
    simulator = start_simulator(
        SimulatedAccount(worlds[0]), SimulatedAccount(worlds[1], token="b" * 40, name="other")
    )
    connection = connect(simulator)
    assert count(connection) == 0
    connection.request("GET", SALES, headers={"Authorization": f"Token {'b' * 40}"})
    assert json.load(connection.getresponse())["count"] == 4
    connection.close()


def test_latency_holds_one_connection_not_the_others(start_simulator: StartSimulator) -> None:
    simulator = start_simulator(latency=0.3)
    began = time.monotonic()

    def ask() -> None:
        connection = connect(simulator)
        count(connection)
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # One after another would take 15 seconds.
    assert 0.3 <= time.monotonic() - began < 10


def test_it_can_be_killed_and_come_back(start_simulator: StartSimulator) -> None:
    simulator = start_simulator()
    connection = connect(simulator)
    count(connection)
    simulator.stop()
    assert simulator.connections_open == 0
    connection.close()
    with pytest.raises(ConnectionRefusedError):
        count(connection)
    connection.close()
    simulator.start()
    assert count(connection) == 0
    connection.close()


def test_stopping_twice_is_stopping(start_simulator: StartSimulator) -> None:
    simulator = start_simulator()
    simulator.stop()
    simulator.stop()


def test_another_authority_is_refused(
    start_simulator: StartSimulator, tls_authority: TlsAuthority, tmp_path: Path
) -> None:
    simulator = start_simulator(tls=True)
    stranger = type(tls_authority).create(tmp_path)
    connection = connect(simulator, stranger.client_context())
    with pytest.raises(ssl.SSLCertVerificationError):
        count(connection)
    connection = connect(simulator, tls_authority.client_context())
    assert count(connection) == 0
    connection.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"garbage\r\n\r\n",
        b"GET /api/queues/ HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a" * 70_000,
    ],
)
def test_garbage_closes_the_connection(start_simulator: StartSimulator, sent: bytes) -> None:
    simulator = start_simulator()
    address = urlsplit(simulator.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as client:
        client.sendall(sent)
        answer = client.makefile("rb").read()
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")
    assert simulator.requests == []


def test_two_requests_in_one_piece_are_answered_in_turn(start_simulator: StartSimulator) -> None:
    simulator = start_simulator(latency=0.01)
    address = urlsplit(simulator.url)
    first = b"GET /api/queues/ HTTP/1.1\r\n\r\n"
    last = b"GET /api/nothing HTTP/1.1\r\nConnection: close\r\n\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=10) as client:
        client.sendall(first + last)
        answer = client.makefile("rb").read()
    assert answer.index(b"HTTP/1.1 401 Unauthorized") < answer.index(b"HTTP/1.1 404 Not Found")


def test_before_answer_may_change_the_world(start_simulator: StartSimulator) -> None:
    world = FixedWorld()
    simulator = start_simulator(SimulatedAccount(world))
    simulator.before_answer = lambda request: world.set_available(int(request.query["queue"]), 2)
    connection = connect(simulator)
    assert count(connection) == 2
    connection.close()


def test_a_defect_of_the_simulator_itself_is_not_silent() -> None:
    simulator = Simulator()
    simulator.start()
    simulator.before_answer = lambda request: request.query["nothing"]
    connection = connect(simulator)
    with pytest.raises(http.client.RemoteDisconnected):
        count(connection)
    connection.close()
    with pytest.raises(RuntimeError, match="KeyError"):
        simulator.stop()


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("fault", ["silent", "hang", "endless-body", "drip-body"])
def test_stopping_ends_what_is_under_way(
    start_simulator: StartSimulator, tls_authority: TlsAuthority, tls: bool, fault: str
) -> None:
    simulator = start_simulator(tls=tls)
    idle = connect(simulator, tls_authority.client_context())
    count(idle)
    simulator.faults.set(fault)
    address = urlsplit(simulator.url)
    waiting = socket.create_connection((address.hostname, address.port), timeout=10)
    if tls and fault != "silent":
        waiting = tls_authority.client_context().wrap_socket(waiting, server_hostname="127.0.0.1")
    waiting.sendall(f"GET {SALES} HTTP/1.1\r\nAuthorization: Token {TOKEN}\r\n\r\n".encode())
    there = 1 if fault == "silent" else 2
    assert simulator.wait_until(lambda: simulator.requests_total == there)
    simulator.stop()
    assert simulator.connections_open == 0
    idle.close()
    waiting.close()


def test_a_fault_that_cannot_be_made_is_not_silent() -> None:
    simulator = Simulator()
    simulator.start()
    simulator.faults.set("redirect-elsewhere", location="{nowhere}")
    connection = connect(simulator)
    connection.request("GET", "/")
    simulator.wait_until(lambda: simulator.requests_total == 1)
    with pytest.raises(RuntimeError, match="nowhere"):
        simulator.stop()
    connection.close()


def test_the_dialect_may_change(start_simulator: StartSimulator) -> None:
    world = FixedWorld()
    world.set_available(5460, 2)
    simulator = start_simulator(SimulatedAccount(world))
    connection = connect(simulator)
    assert count(connection) == 0
    simulator.dialect = dataclasses.replace(simulator.dialect, ignored_filters=ALL_FILTERS)
    assert count(connection) == 2
    connection.close()


def test_connections_are_numbered(start_simulator: StartSimulator) -> None:
    simulator = start_simulator()
    connections = [connect(simulator) for _ in range(5)]
    for connection in connections:
        connection.connect()
    for connection in reversed(connections):
        count(connection)
        connection.close()
    assert sorted(request.connection for request in simulator.requests) == [1, 2, 3, 4, 5]
