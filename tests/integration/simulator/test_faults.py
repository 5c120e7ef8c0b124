"""Each fault as a client sees it on its socket."""

from __future__ import annotations

import gzip
import json
import re
import socket
import ssl
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from exporter.simulator import TOKEN, SimulatedAccount
from tests.simulator import FAULTS, FixedWorld, Simulator
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

    def ask(self, query: str = "queue=5457", *, last: bool = False) -> None:
        """Send a request; after the `last` one the server closes."""
        self.socket.sendall(
            f"GET /api/agentstatuses/?{query} HTTP/1.1\r\nHost: x\r\n"
            f"Connection: {'close' if last else 'keep-alive'}\r\n"
            f"Authorization: Token {TOKEN}\r\n\r\n".encode()
        )

    def read(self, until: bytes = b"", seconds: float = 10.0) -> bytes:
        """Read until these bytes, the end or a reset (noted as such), the time, or far too much."""
        data = b""
        end = time.monotonic() + seconds
        while not (until and until in data) and len(data) < 5_000_000:
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


@pytest.fixture(params=["plain"])
def simulator(start_simulator: StartSimulator, request: pytest.FixtureRequest) -> Simulator:
    world = FixedWorld()
    world.set_available(5457, 3)
    return start_simulator(SimulatedAccount(world), tls=request.param == "tls")


@pytest.fixture
def client(simulator: Simulator, tls_authority: TlsAuthority) -> Iterator[Client]:
    client = Client(simulator, tls_authority.client_context() if simulator.tls else None)
    yield client
    client.socket.close()


#: What the client receives, as a pattern: until the server closes, resets, or half a second passed.
TRUE = rb'HTTP/1.1 200 OK\r\n.*{"count":3,"next":null,"previous":null,"results":\[{.*}\]}'
WAIT = rb".*\r\nRetry-After: "
EXPECTED = {
    "status": rb'HTTP/1.1 500 Internal Server Error\r\n.*{"detail":"A simulated failure."}<end>',
    "status-204": rb"HTTP/1.1 204 No Content\r\n((?!Content-Length).)*\r\n\r\n<end>",
    "status-206": TRUE.replace(b"200 OK", b"206 Partial Content") + rb"<end>",
    "status-304": rb"HTTP/1.1 304 .*\r\n\r\n<end>",
    "status-400": rb"HTTP/1.1 400 .*}<end>",
    "status-400-html": rb"HTTP/1.1 400 .*</html><end>",
    "status-401": rb"HTTP/1.1 401 .*}<end>",
    "status-401-html": rb"HTTP/1.1 401 .*</html><end>",
    "status-403": rb"HTTP/1.1 403 .*}<end>",
    "status-404-html": rb"HTTP/1.1 404 .*</html><end>",
    "status-407": rb"HTTP/1.1 407 .*</html><end>",
    "status-429": rb"HTTP/1.1 429 ((?!Retry-After).)*<end>",
    "status-429-seconds": rb"HTTP/1.1 429 " + WAIT + rb"60\r\n.*}<end>",
    "status-429-date": rb"HTTP/1.1 429 " + WAIT + rb"\w{3}, \d\d \w{3} \d{4} [0-9:]{8} GMT\r\n",
    "status-429-rubbish": rb"HTTP/1.1 429 " + WAIT + rb"soon\r\n",
    "status-429-huge": rb"HTTP/1.1 429 " + WAIT + rb"9{30}\r\n",
    "status-500-answer": TRUE.replace(b"200 OK", b"500 Internal Server Error") + rb"<end>",
    "status-502-html": rb"HTTP/1.1 502 .*</html><end>",
    "status-503-seconds": rb"HTTP/1.1 503 " + WAIT + rb"60\r\n",
    "status-503-date": rb"HTTP/1.1 503 " + WAIT + rb"\w{3}, \d\d \w{3} \d{4} [0-9:]{8} GMT\r\n",
    "status-503-rubbish": rb"HTTP/1.1 503 " + WAIT + rb"soon\r\n",
    "status-503-huge": rb"HTTP/1.1 503 " + WAIT + rb"9{30}\r\n",
    "status-504-empty": rb"HTTP/1.1 504 .*Content-Length: 0\r\n.*\r\n\r\n<end>",
    "status-530": rb"HTTP/1.1 530 \r\n.*text/plain\r\n\r\nerror code: 1016<end>",
    "redirect-to-itself": rb"HTTP/1.1 302 .*Location: /api/agentstatuses/\?queue=5457\r\n",
    "redirect-elsewhere": rb"HTTP/1.1 302 .*Location: https://elsewhere.invalid/api/agent",
    "redirect-to-http": rb"HTTP/1.1 302 .*Location: http://x/api/agentstatuses/",
    "silent": rb"<time>",
    "hang": rb"<time>",
    "drip-head": rb"HT?<time>",
    "drip-body": rb"HTTP/1.1 200 OK\r\n.*\r\n\r\n.{1,2}<time>",
    "endless-body": rb"HTTP/1.1 200 OK\r\n((?!Content-Length).)*}\]} {1000000}",
    "endless-chunks": rb"HTTP/1.1 200 OK\r\n.*chunked\r\n\r\n(1\r\n \r\n){10000}",
    "endless-trailers": rb"HTTP/1.1 200 OK\r\n.*chunked\r\n\r\n.*}\r\n0\r\n(X: y\r\n){10000}",
    "endless-continue": rb"(HTTP/1.1 100 Interim\r\n\r\n){1000}",
    "reset": rb"<reset>",
    "reset-in-head": rb"HTTP/1.1 200 OK\r\n((?!\r\n\r\n).)*<reset>",
    "reset-in-body": rb'HTTP/1.1 200 OK\r\n.*\r\n\r\n{"count":3,.*[^}]<reset>',
    "close": rb"<end>",
    "close-in-head": rb"HTTP/1.1 200 OK\r\n((?!\r\n\r\n).)*<end>",
    "close-in-body": rb'HTTP/1.1 200 OK\r\n.*\r\n\r\n{"count":3,.*[^}]<end>',
    "stale-connection": rb"<end>",
    "length-too-long": TRUE + rb"<end>",
    "length-too-short": TRUE + rb"<end>",
    "unasked-answer": TRUE + rb'HTTP/1.1 200 OK\r\n.*{"count":99,.*}<end>',
    "chunked": rb"HTTP/1.1 200 OK\r\n((?!Content-Length).)*\r\nTransfer-Encoding: chunked\r\n\r\n"
    rb'[0-9a-f]+\r\n{"count":3,.*}\r\n0\r\n\r\n<end>',
    "chunked-cut": rb'HTTP/1.1 200 OK\r\n.*\r\n\r\n[0-9a-f]+\r\n{"count":3,.*[^}\n]<end>',
    "gzip": rb"HTTP/1.1 200 OK\r\n.*Content-Encoding: gzip\r\n\r\n\x1f\x8b.*<end>",
    "gzip-cut": rb"HTTP/1.1 200 OK\r\n.*Content-Encoding: gzip\r\n\r\n\x1f\x8b.*<end>",
    "gzip-bomb": rb"HTTP/1.1 200 OK\r\n.*Content-Encoding: gzip\r\n.*0\r\n\r\n<end>",
    "header-of-200-kb": rb"HTTP/1.1 200 OK\r\n.*X-Fault: x{200000}\r\n\r\n{.*<end>",
    "headers-5000": rb"HTTP/1.1 200 OK\r\n.*X-Fault-4999: x\r\n\r\n{.*<end>",
    "set-cookie": rb"HTTP/1.1 200 OK\r\n.*Set-Cookie: session=simulated; Path=/\r\n\r\n{.*<end>",
    "continue-100": rb"HTTP/1.1 100 Interim\r\n\r\n" + TRUE + rb"<end>",
    "early-hints-103": rb"HTTP/1.1 103 Interim\r\n\r\n" + TRUE + rb"<end>",
    "not-http": rb"\x16\x03\x01 not HTTP\r\n\r\n<end>",
    "age-of-a-second": rb"HTTP/1.1 200 OK\r\n.*Age: 1\r\n\r\n{.*<end>",
    "age-of-a-day": rb"HTTP/1.1 200 OK\r\n.*Age: 86400\r\n\r\n{.*<end>",
    "stale-from-a-cache": rb'HTTP/1.1 200 OK\r\n.*Warning: 110 cache "Response is Stale"\r\n',
    "answer-without-filters": rb'HTTP/1.1 200 OK\r\n.*/api/agentstatuses/\?page=2&page_size=1"',
    "answer-of-600-kb": rb'HTTP/1.1 200 OK\r\n.*\r\n\r\n {600000}{"count":3,.*}<end>',
    "empty-body": rb"HTTP/1.1 200 OK\r\n.*Content-Length: 0\r\n.*\r\n\r\n<end>",
    "html-page": rb"HTTP/1.1 200 OK\r\n.*text/html.*</html><end>",
    "invalid-utf-8": rb'HTTP/1.1 200 OK\r\n.*"name":"\xff\xfe"}<end>',
    "byte-order-mark": rb'HTTP/1.1 200 OK\r\n.*\r\n\r\n\xef\xbb\xbf{"count":3,.*}<end>',
    "deep-json": rb'HTTP/1.1 200 OK\r\n.*"deep":\[{100000}\]{100000}}<end>',
    "nan": rb'HTTP/1.1 200 OK\r\n.*{"count":3,.*"average":NaN}<end>',
    "doubled-key": rb'HTTP/1.1 200 OK\r\n.*{"count":3,.*,"count":99}<end>',
    "json-array": rb"HTTP/1.1 200 OK\r\n.*\r\n\r\n\[1,2\]<end>",
    "json-number": rb"HTTP/1.1 200 OK\r\n.*\r\n\r\n3<end>",
    "json-null": rb"HTTP/1.1 200 OK\r\n.*\r\n\r\nnull<end>",
    "json-string": rb'HTTP/1.1 200 OK\r\n.*\r\n\r\n"3"<end>',
    "count-text": rb'HTTP/1.1 200 OK\r\n.*{"count":"3","next":null,.*}<end>',
    "count-float": rb'HTTP/1.1 200 OK\r\n.*{"count":3.0,',
    "count-bool": rb'HTTP/1.1 200 OK\r\n.*{"count":true,',
    "count-null": rb'HTTP/1.1 200 OK\r\n.*{"count":null,',
    "count-nan": rb'HTTP/1.1 200 OK\r\n.*{"count":NaN,',
    "count-infinite": rb'HTTP/1.1 200 OK\r\n.*{"count":1e999,',
    "count-negative": rb'HTTP/1.1 200 OK\r\n.*{"count":-1,',
    "count-missing": rb'HTTP/1.1 200 OK\r\n.*{"next":null,"previous":null,"results":\[{',
    "count-absurd": rb'HTTP/1.1 200 OK\r\n.*{"count":3000000000,',
    "count-of-400-digits": rb'HTTP/1.1 200 OK\r\n.*{"count":9{400},',
    "count-of-5000-digits": rb'HTTP/1.1 200 OK\r\n.*{"count":9{5000},',
    "results-missing": rb'HTTP/1.1 200 OK\r\n.*{"count":3,"next":null,"previous":null}<end>',
    "results-null": rb'HTTP/1.1 200 OK\r\n.*,"results":null}<end>',
    "results-object": rb'HTTP/1.1 200 OK\r\n.*,"results":{}}<end>',
    "rows-not-objects": rb'HTTP/1.1 200 OK\r\n.*,"results":\[1,"two",null\]}<end>',
    "row-not-ready": rb'HTTP/1.1 200 OK\r\n.*{"count":3,((?!"ready":true).)*"ready":false',
    "row-other-status": rb'HTTP/1.1 200 OK\r\n.*{"count":3,.*"agent_status":1,',
    "page-loop": rb'HTTP/1.1 200 OK\r\n.*"next":"http://x/api/agentstatuses/\?queue=5457&page=2",.*}<end>',
}


def test_every_fault_is_seen_here() -> None:
    assert set(EXPECTED) == set(FAULTS)


#: Those that end or hold up the connection may well look another way over TLS.
OVER_TLS = ("silent", "hang", "drip-body", "reset", "reset-in-body", "close", "chunked-cut", "gzip")


@pytest.mark.parametrize(
    ("simulator", "name"),
    [*(("plain", name) for name in FAULTS), *(("tls", name) for name in OVER_TLS)],
    indirect=["simulator"],
)
def test_a_fault(simulator: Simulator, client: Client, name: str) -> None:
    simulator.faults.set(name, queue=5457)
    client.ask("queue=5460")
    assert b'"count":0' in client.read(b"]}")
    client.ask(last=True)
    received = client.read(b" " * 1_000_000, seconds=0.5 if b"<time>" in EXPECTED[name] else 10)
    assert re.match(EXPECTED[name], received, re.DOTALL), received[:2000]


def test_a_fault_that_is_not_there(simulator: Simulator) -> None:
    with pytest.raises(KeyError):
        simulator.faults.set("hung")
    with pytest.raises(TypeError):
        simulator.faults.set("hang", minutes=1)


def test_a_fault_of_two_requests_lasts_for_two(simulator: Simulator, client: Client) -> None:
    simulator.faults.set("status", code=502, times=2)
    statuses = []
    for _ in range(3):
        client.ask()
        statuses.append(client.read(b"}")[9:12])
    assert statuses == [b"502", b"502", b"200"]


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


def body(received: bytes) -> bytes:
    return received.partition(b"\r\n\r\n")[2].removesuffix(b"<end>")


def test_gzip_holds_the_true_answer(simulator: Simulator, client: Client) -> None:
    simulator.faults.set("gzip")
    client.ask(last=True)
    assert json.loads(gzip.decompress(body(client.read())))["count"] == 3


def test_half_a_gzip_cannot_be_read(simulator: Simulator, client: Client) -> None:
    simulator.faults.set("gzip-cut")
    client.ask(last=True)
    with pytest.raises(EOFError):
        gzip.decompress(body(client.read()))


def test_a_gzip_bomb_is_small_until_it_is_read(simulator: Simulator, client: Client) -> None:
    simulator.faults.set("gzip-bomb", megabytes=40)
    client.ask(last=True)
    coded = body(client.read())
    assert len(coded) < 1_000_000
    pieces = []
    while coded[:3] != b"0\r\n":
        size, _, coded = coded.partition(b"\r\n")
        pieces.append(coded[: int(size, 16)])
        coded = coded[int(size, 16) + 2 :]
    whole = gzip.decompress(b"".join(pieces))
    assert len(whole) > 40_000_000
    assert json.loads(whole)["count"] == 3


def test_a_stale_connection_only_when_it_is_used_again(
    simulator: Simulator, client: Client
) -> None:
    simulator.faults.set("stale-connection")
    client.ask()
    assert b'"count":3' in client.read(b"]}")
    client.ask()
    assert client.read() == b"<end>"


def test_lengths_are_wrong_in_the_head(simulator: Simulator, client: Client) -> None:
    lengths = []
    for name in ("length-too-long", "length-too-short"):
        simulator.faults.set(name)
        client.ask()
        received = client.read(b"]}")
        said = re.search(rb"Content-Length: (\d+)", received)
        assert said is not None
        lengths.append(int(said[1]) - len(body(received)))
    assert lengths[0] > 0 > lengths[1]


def test_a_hang_may_end(simulator: Simulator, client: Client) -> None:
    simulator.faults.set("hang", seconds=0.1)
    client.ask()
    assert b'"count":3' in client.read(b"]}")


@pytest.mark.parametrize("name", ["drip-head", "drip-body"])
def test_a_drip_may_end(simulator: Simulator, client: Client, name: str) -> None:
    simulator.faults.set(name, seconds=0)
    client.ask()
    assert b'"count":3' in client.read(b"]}")


def test_a_page_loop_never_ends(simulator: Simulator, client: Client) -> None:
    simulator.faults.set("page-loop")
    for page in (1, 2, 50):
        client.ask(f"queue=5457&page_size=2&page={page}")
        received = client.read(b"]}")
        assert f"&page={page + 1}".encode() in received
        assert received.count(b'"app_user"') == 2


def test_a_field_is_changed_where_there_was_no_page(simulator: Simulator, client: Client) -> None:
    simulator.faults.set("count-float")
    client.ask("queue=none")
    assert json.loads(body(client.read(b"]}"))) == {
        "count": 3.0,
        "next": None,
        "previous": None,
        "results": [],
    }


def test_a_row_is_made_up_where_there_is_none(simulator: Simulator, client: Client) -> None:
    simulator.faults.set("row-not-ready")
    client.ask("queue=5460")
    answer = json.loads(body(client.read(b"]}")))
    assert (answer["count"], answer["results"]) == (1, [{"ready": False}])


@pytest.mark.parametrize("simulator", ["plain", "tls"], indirect=True)
def test_silence_begins_before_the_handshake(
    simulator: Simulator, tls_authority: TlsAuthority
) -> None:
    simulator.faults.set("silent")
    address = urlsplit(simulator.url)
    with (
        socket.create_connection((address.hostname, address.port), timeout=0.3) as client,
        pytest.raises(TimeoutError),
    ):
        tls_authority.client_context().wrap_socket(client, server_hostname=address.hostname)
    simulator.faults.set("silent", times=1)
    with (
        socket.create_connection((address.hostname, address.port), timeout=0.1) as client,
        pytest.raises(TimeoutError),
    ):
        client.recv(1)
    good = Client(simulator, tls_authority.client_context() if simulator.tls else None)
    good.ask()
    assert b'"count":3' in good.read(b"]}")
    good.socket.close()
