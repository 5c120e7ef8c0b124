"""Each fault as a client sees it on its socket."""

from __future__ import annotations

import socket
import ssl
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from exporter.simulator import TOKEN, FixedWorld, SimulatedAccount, Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulator_fixtures import StartSimulator, TlsAuthority


class Client:
    """A socket that asks and hands out the bytes that come back."""

    def __init__(self, simulator: Simulator, context: ssl.SSLContext | None = None) -> None:
        address = urlsplit(simulator.url)
        self.socket = socket.create_connection((address.hostname, address.port), timeout=10)
        if context is not None:
            # without a TLS goodbye the end of the stream is then an error, as a reset is
            self.socket = context.wrap_socket(
                self.socket, server_hostname=address.hostname, suppress_ragged_eofs=False
            )

    def ask(self, query: str = "queue=5457") -> None:
        self.socket.sendall(
            f"GET /api/agentstatuses/?{query} HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Token {TOKEN}\r\n\r\n".encode()
        )

    def read(self, until: bytes = b"", seconds: float = 10.0) -> bytes:
        """Read until these bytes came, else until the end, a reset (noted as such) or the time."""
        data = b""
        end = time.monotonic() + seconds
        while not (until and until in data):
            self.socket.settimeout(max(0.001, end - time.monotonic()))
            try:
                piece = self.socket.recv(65536)
            except (ConnectionResetError, ssl.SSLEOFError):
                return data + b"<reset>"
            except TimeoutError:
                return data + b"<time>"
            if not piece:
                return data + b"<end>"
            data += piece
        return data


@pytest.fixture(params=["plain", "tls"])
def simulator(start_simulator: StartSimulator, request: pytest.FixtureRequest) -> Simulator:
    world = FixedWorld()
    world.set_available(5457, 3)
    return start_simulator(SimulatedAccount(world), tls=request.param == "tls")


@pytest.fixture
def client(simulator: Simulator, tls_authority: TlsAuthority) -> Iterator[Client]:
    client = Client(simulator, tls_authority.client_context() if simulator.tls else None)
    yield client
    client.socket.close()


def test_a_status(simulator: Simulator, client: Client) -> None:
    simulator.faults.set("status", code=503, body="html", retry_after="120", times=1)
    client.ask()
    answer = client.read(b"</html>")
    assert answer.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nRetry-After: 120\r\n" in answer
    client.ask()
    assert client.read(b"]}").startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_hang(simulator: Simulator, client: Client) -> None:
    simulator.faults.set("hang", queue=5457)
    client.ask("queue=5460")
    assert b'"count":0' in client.read(b"]}")
    client.ask()
    assert client.read(seconds=0.3) == b"<time>"


def test_a_hang_that_ends(simulator: Simulator, client: Client) -> None:
    simulator.faults.set("hang", seconds=0.2)
    client.ask()
    assert b'"count":3' in client.read(b"]}")


@pytest.mark.parametrize(
    ("name", "start"),
    [("reset", b""), ("reset-in-head", b"HTTP/1.1 200 OK"), ("reset-in-body", b'"count":3')],
)
def test_a_reset(simulator: Simulator, client: Client, name: str, start: bytes) -> None:
    simulator.faults.set(name)
    client.ask()
    answer = client.read()
    assert answer.endswith(b"<reset>")
    assert start in answer
    assert not answer.endswith(b"]}<reset>")


def test_a_close(simulator: Simulator, client: Client) -> None:
    simulator.faults.set("close")
    client.ask()
    assert client.read() == b"<end>"


@pytest.mark.parametrize(("name", "whole"), [("drip-head", b""), ("drip-body", b"\r\n\r\n")])
def test_a_drip(simulator: Simulator, client: Client, name: str, whole: bytes) -> None:
    simulator.faults.set(name, seconds=0.05)
    client.ask()
    dripped = client.read(seconds=0.5).removesuffix(b"<time>")
    assert whole in dripped
    assert 1 <= len(dripped.partition(whole)[2] if whole else dripped) <= 20
    simulator.faults.set(name, seconds=0)
    fresh = Client(simulator) if simulator.tls is None else None
    if fresh is not None:
        fresh.ask()
        assert b'"count":3' in fresh.read(b"]}")
        fresh.socket.close()


def test_a_body_without_an_end(simulator: Simulator, client: Client) -> None:
    simulator.faults.set("endless-body")
    client.ask()
    assert client.read(b" " * 5_000_000).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_fault_that_is_not_there(simulator: Simulator) -> None:
    with pytest.raises(KeyError):
        simulator.faults.set("hung")
    with pytest.raises(TypeError):
        simulator.faults.set("hang", minutes=1)


def test_the_last_fault_set_goes_first(simulator: Simulator, client: Client) -> None:
    simulator.faults.set("status", account="acme", code=500)
    simulator.faults.set("status", path="/api/agentstatuses/", code=404)
    simulator.faults.set("status", queue=5457, code=429, times=1)
    simulator.faults.set("status", account="other", code=418)
    for status in (b"429", b"404", b"404"):
        client.ask()
        assert client.read(b"}").startswith(b"HTTP/1.1 " + status)
    simulator.faults.set("status", account="acme", code=502)
    client.ask()
    assert client.read(b"}").startswith(b"HTTP/1.1 502")
    simulator.faults.clear()
    client.ask()
    assert client.read(b"]}").startswith(b"HTTP/1.1 200")
