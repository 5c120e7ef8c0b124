"""An answer is only ever taken for the request that it answers."""

from __future__ import annotations

import json
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar, cast

import pytest

from exporter.calltools.client import Client
from exporter.calltools.requester import RequestContext
from exporter.errors import ApiError
from exporter.settings import Account, Queue, TlsFiles, TokenEnvironment
from exporter.snapshot import RequestObserver
from exporter.transport.deadline import Deadline
from exporter.transport.transports import Transports
from tests.raw_server import RawServer
from tests.simulator_fixtures import TlsAuthority

T = TypeVar("T")
STATUS = 20561
Reads = list[int | str]


def answer(count: int, *, padding: int = 0, length: int = 0) -> bytes:
    """Return a whole answer of that many agents; ``length`` lies about its own."""
    row = {"app_user": "x", "ready": True, "agent_status": STATUS, "name": "x" * padding}
    document = {"count": count, "next": None, "previous": None, "results": [row][:count]}
    body = json.dumps(document).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {length or len(body)}\r\n\r\n"
    return head.encode() + body


class TlsInside:
    """The API's side of TLS within the TLS of a proxy, which passes on whole answers at once."""

    def __init__(self, outside: socket.socket, context: ssl.SSLContext) -> None:
        self._outside = outside
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._when_received(self._tls.do_handshake)

    def recv(self, size: int) -> bytes:
        return self._when_received(lambda: self._tls.read(size))

    def sendall(self, content: bytes) -> None:
        for piece in re.findall(rb"HTTP/.*?(?=HTTP/|\Z)", content, re.DOTALL):
            self._tls.write(piece)
        self._outside.sendall(self._outgoing.read())

    def _when_received(self, operation: Callable[[], T]) -> T:
        while True:
            try:
                return operation()
            except ssl.SSLWantReadError:
                self._outside.sendall(self._outgoing.read())
                received = self._outside.recv(65536)
                if not received:  # else this thread would ask again and again, for good
                    raise ConnectionError("the client has left") from None
                self._incoming.write(received)


@pytest.fixture(params=["plain", "TLS", "TLS within a proxy's"])
def read(
    request: pytest.FixtureRequest, tls_authority: TlsAuthority, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Callable[[int, socket.socket], bool | None]], Reads]]:
    """Return what three queues read one after the other, all on one connection if it is kept."""
    monkeypatch.setenv("TEST_TOKEN", "a-key")
    transports = Transports()

    def read(send: Callable[[int, socket.socket], bool | None]) -> Reads:
        context = tls_authority.server_context() if "TLS" in request.param else None
        found: Reads = []

        def tunnel(queue: int, client: socket.socket) -> bool | None:
            if context is None or not server.heads[-1].startswith("CONNECT"):
                return send(queue, client)
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            server._talk(cast("socket.socket", TlsInside(client, context)))
            return True

        with RawServer(tunnel, context) as server:
            proxy = server.url if "proxy" in request.param else None
            tls = TlsFiles(ca_file=tls_authority.ca_file) if context else TlsFiles()
            queues = tuple(Queue(id_, str(id_), (STATUS,)) for id_ in (1, 2, 3))
            key = TokenEnvironment("TEST_TOKEN")
            account = Account("acme", server.url, key, queues, tls=tls, proxy=proxy)
            client, transport = Client(account), transports.get(account)
            for queue in queues:
                deadline = Deadline.after(10)
                asked = RequestContext(transport, account.token.read(), deadline, RequestObserver())
                try:
                    found.append(client.count_available(queue, asked))
                except ApiError as error:
                    found.append(error.failure.code)
        return found

    yield read
    transports.close()


@pytest.mark.parametrize("status", [100, 102, 103, 199])
def test_the_answer_after_an_interim_one_is_waited_for(
    read: Callable[..., Reads], status: int
) -> None:
    """Were the first taken for the answer, each queue would show the number of another."""

    def send(queue: int, client: socket.socket) -> None:
        if queue == 1:
            interim = f"HTTP/1.1 {status} Interim\r\nLink: </x>; rel=preload\r\n\r\n".encode()
            client.sendall(interim)
            client.sendall(interim)
            threading.Event().wait(0.05)
        client.sendall(answer(queue * 10))

    assert read(send) == [10, 20, 30]


def test_who_changes_the_protocol_is_no_longer_listened_to(read: Callable[..., Reads]) -> None:
    def send(queue: int, client: socket.socket) -> None:
        if queue == 1:
            client.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nanother\r\n\r\n")
        else:
            client.sendall(answer(queue * 10))

    assert read(send) == ["connection", 20, 30]


@pytest.mark.parametrize("padding", [0, 4000, 8000, 12_000])
def test_what_comes_after_an_answer_is_not_the_next_one(
    read: Callable[..., Reads], padding: int
) -> None:
    """The second one lies in what was read ahead: by Python, by TLS, or still in the socket."""

    def send(queue: int, client: socket.socket) -> None:
        more = answer(99) * 10 if queue == 1 else b""
        client.sendall(answer(queue * 10, padding=padding) + more)

    assert read(send) == [10, 20, 30]


@pytest.mark.parametrize("padding", [0, 8000, 12_000])
def test_a_length_that_is_too_short_spoils_only_its_own_answer(
    read: Callable[..., Reads], padding: int
) -> None:
    def send(queue: int, client: socket.socket) -> None:
        length = 200 + padding // 2 if queue == 1 else 0
        client.sendall(answer(queue * 10, padding=100 + padding, length=length))

    assert read(send) == ["invalid_json", 20, 30]
