"""What clients do to a server, and what it takes from them."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from exporter.counters import DROP_REASONS
from exporter.web.server.protocol import Limits
from tests.integration.web.conftest import Serve
from tests.integration.web.web_fixtures import FakeRuntime, Running, read_all, read_answer, until

GET = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"
METRICS = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
MORE_THAN_SOCKETS_HOLD = 32 * 1024 * 1024
QUICK = Limits(read_header_timeout=0.5, write_timeout=0.5)


@contextlib.contextmanager
def connections(web: Running, number: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(web.connect()) for _ in range(number)]


@pytest.mark.parametrize("start", [b"", b"G", b"GET /metrics HTTP/1.1\r\nHost: x\r\nAcc"])
def test_a_slow_first_head_is_dropped(serve: Serve, start: bytes) -> None:
    web = serve(limits=QUICK)
    with web.connect() as client:
        client.sendall(start)
        assert read_all(client) == b""
    assert web.dropped("slow_request") == 1


def test_a_slow_second_head_is_dropped(serve: Serve) -> None:
    web = serve(limits=QUICK)
    with web.connect() as client:
        client.sendall(GET)
        assert read_answer(client).startswith(b"HTTP/1.1 200 ")
        client.sendall(b"GET /-/healthy HTTP/1.1\r\nHo")
        assert read_all(client) == b""
    assert web.dropped("slow_request") == 1


def test_a_dripping_head_is_dropped(serve: Serve) -> None:
    web = serve(limits=QUICK)
    with web.connect() as client, contextlib.suppress(ConnectionError):
        client.settimeout(0.05)
        for byte in GET * 10:
            client.sendall(bytes([byte]))
            with contextlib.suppress(TimeoutError):
                if not client.recv(1):
                    break
    assert web.dropped("slow_request") == 1


def test_the_time_between_requests_is_not_a_slow_request(serve: Serve) -> None:
    web = serve(limits=QUICK)
    with web.connect() as client:
        for _ in range(2):
            client.sendall(GET)
            assert read_answer(client).startswith(b"HTTP/1.1 200 ")
            threading.Event().wait(0.8)
        client.sendall(GET)
        assert read_answer(client).startswith(b"HTTP/1.1 200 ")
    assert web.dropped("slow_request") == 0


def test_an_idle_connection_ends_in_the_end(serve: Serve) -> None:
    web = serve(limits=Limits(idle_timeout=1))
    with web.connect() as client:
        client.sendall(GET)
        assert read_answer(client)
        assert read_all(client) == b""
    assert not any(map(web.dropped, DROP_REASONS))


@pytest.mark.parametrize("size", [17_000, 20_000, 60_000, 200_000])
@pytest.mark.parametrize(
    "head",
    [
        b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nLong: %b\r\n\r\n",
        b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n",
        b"%b",
    ],
)
def test_a_long_head_is_refused(serve: Serve, head: bytes, size: int) -> None:
    web = serve()
    for before in (b"", GET):
        with web.connect() as client:
            if before:
                client.sendall(before)
                assert read_answer(client).startswith(b"HTTP/1.1 200 ")
            with contextlib.suppress(ConnectionError):
                client.sendall(head % (b"x" * size))
            # Whoever still sends when it ends may see a reset instead.
            assert read_all(client)[:13] in (b"HTTP/1.1 431 ", b"")
    assert web.dropped("large_header") == 2


@pytest.mark.parametrize("number", [100, 5000])
def test_many_headers_are_refused(serve: Serve, number: int) -> None:
    web = serve()
    with web.connect() as client, contextlib.suppress(ConnectionError):
        client.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * number + b"\r\n")
        read_all(client)
    assert web.dropped("large_header") == 1


def test_some_headers_are_read(serve: Serve) -> None:
    web = serve()
    with web.connect() as client:
        for _ in range(3):
            client.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 99 + b"\r\n")
            assert read_answer(client).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("path", ["/metrics", "/", "/probe", "/-/healthy"])
def test_many_parameters_are_refused_unread(serve: Serve, path: str) -> None:
    answer = serve().get(path + "?" + "a&" * 7000)
    assert (answer.status_code, answer.text) == (400, "the query has too many parameters\n")


def test_a_head_within_the_limit_is_answered(serve: Serve) -> None:
    web = serve()
    head = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nLong: %b\r\n\r\n"
    for size in (1000, 16 * 1024 - len(head) + 2):
        with web.connect() as client:
            for _ in range(2):
                client.sendall(head % (b"x" * size))
                assert read_answer(client).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"hello\r\n\r\n",
        b"\r\n\r\n",
        b"\x00" * 100 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
    ],
)
def test_garbage_is_answered_and_counted(
    serve: Serve, garbage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    web = serve(limits=QUICK)
    with web.connect() as client:
        client.sendall(garbage)
        assert read_all(client)[:13] in (b"HTTP/1.1 400 ", b"")
    assert web.dropped("bad_request") + web.dropped("slow_request") == 1
    assert caplog.text == ""
    assert web.get("/metrics").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 1000000\r\n\r\nshort",
        b"Transfer-Encoding: chunked\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"Content-Length: 99999999999999999999\r\n\r\n",
        b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n",
    ],
)
def test_a_body_that_does_not_come_ends_the_connection(
    serve: Serve, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    web = serve(limits=QUICK)
    for method in (b"GET", b"POST"):
        with web.connect() as client:
            client.sendall(method + b" /metrics HTTP/1.1\r\nHost: x\r\n" + body)
            assert read_all(client)[:13] in (b"HTTP/1.1 200 ", b"HTTP/1.1 405 ", b"")
    until(lambda: not web.server.connections.idle)
    assert caplog.text == ""
    assert web.get("/metrics").status_code == 200


def test_a_body_that_comes_after_the_answer_does_not_cut_it_short(serve: Serve) -> None:
    web = serve()
    with web.connect() as client:
        head = b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"
        client.sendall(head % (100 * 10_000))
        for _ in range(100):
            client.sendall(b"x" * 10_000)
        answer = read_all(client)
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert answer.endswith(b"405 Method Not Allowed\n")


def test_a_body_does_not_spoil_the_next_request(serve: Serve) -> None:
    web = serve()
    with web.connect() as client:
        client.sendall(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
        assert read_answer(client).startswith(b"HTTP/1.1 200 ")
        client.sendall(GET)
        assert read_answer(client).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("pause", [0.0, 0.2])
def test_what_comes_behind_a_request_is_not_kept(serve: Serve, pause: float) -> None:
    runtime = FakeRuntime(gate=threading.Event())
    web = serve(runtime=runtime)
    with web.connect() as client:
        client.sendall(METRICS if pause else METRICS + METRICS)
        assert runtime.entered.acquire(timeout=20)
        if pause:
            client.sendall(METRICS * 1000)
            threading.Event().wait(pause)
        assert runtime.gate
        runtime.gate.set()
        assert read_all(client).count(b"HTTP/1.1 200 ") == 1
    assert len(runtime.asked) == 1


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET /metrics HTTP/1.0\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_connections_that_are_for_one_request(serve: Serve, request_head: bytes) -> None:
    web = serve(limits=Limits(idle_timeout=1))
    with web.connect() as client:
        client.sendall(request_head)
        assert read_all(client).startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 404 "))


def test_an_upgrade_is_not_made(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    web = serve()
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    with web.connect() as client:
        for _ in range(2):
            client.sendall(GET[:-2] + upgrade)
            assert read_answer(client).startswith(b"HTTP/1.1 200 ")
    assert caplog.text == ""


def test_a_client_that_does_not_read_is_dropped(serve: Serve) -> None:
    web = serve(runtime=FakeRuntime(help_bytes=MORE_THAN_SOCKETS_HOLD), limits=QUICK)
    with web.connect() as client:
        client.sendall(METRICS)
        until(lambda: web.dropped("slow_reader") == 1)
        assert web.get("/-/healthy").status_code == 200
        until(lambda: not web.server.connections.slow_readers)


def test_of_many_that_do_not_read_the_oldest_is_dropped(serve: Serve) -> None:
    limits = Limits(write_timeout=60, max_slow_readers=2)
    web = serve(runtime=FakeRuntime(help_bytes=MORE_THAN_SOCKETS_HOLD), limits=limits)
    with connections(web, 4) as clients:
        for client in clients:
            client.sendall(METRICS)
        until(lambda: web.dropped("slow_reader") == 2)
        assert len(web.server.connections.slow_readers) == 2
        assert web.get("/-/healthy").status_code == 200


def test_a_slow_client_that_reads_gets_it_all(serve: Serve) -> None:
    web = serve(runtime=FakeRuntime(help_bytes=MORE_THAN_SOCKETS_HOLD), limits=QUICK)
    with web.connect() as client:
        client.sendall(METRICS)
        received = client.recv(1000)
        threading.Event().wait(0.2)
        while b'{queue="queue 2"} 2.0\n' not in received[-2000:]:
            piece = client.recv(1 << 20)
            assert piece
            received += piece
    assert web.dropped("slow_reader") == 0


def test_a_client_that_reads_slowly_does_not_hold_a_server_that_stops(serve: Serve) -> None:
    """Each piece has its time, but while the server stops, all have it together."""
    runtime = FakeRuntime(help_bytes=MORE_THAN_SOCKETS_HOLD)
    web = serve(runtime=runtime, limits=Limits(write_timeout=1.0))
    with web.connect() as client:
        client.sendall(METRICS)
        assert client.recv(1000)
        web.server.stop()
        while web.thread.is_alive():
            with contextlib.suppress(ConnectionResetError):
                client.recv(64 * 1024)
            web.thread.join(0.02)
    assert web.dropped("slow_reader") == 1


def test_resets_are_forgotten_and_not_logged(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    web = serve(runtime=FakeRuntime(help_bytes=MORE_THAN_SOCKETS_HOLD))
    for request in (b"", b"GET", METRICS):
        with web.connect() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.sendall(request)
    assert web.get("/metrics").status_code == 200
    until(lambda: not web.server.connections.idle and not web.server.connections.slow_readers)
    assert caplog.text == ""


def test_idle_connections_make_room_when_there_are_too_many(serve: Serve) -> None:
    web = serve(limits=Limits(max_connections=10))
    with connections(web, 30) as clients:
        until(lambda: web.dropped("too_many_connections") == 20)
        assert web.get("/metrics").status_code == 200
        assert read_all(clients[0]) == b""
        clients[-1].sendall(GET)
        assert read_answer(clients[-1]).startswith(b"HTTP/1.1 200 ")


def test_a_burst_of_500(serve: Serve) -> None:
    web = serve(runtime=FakeRuntime(series=200))

    def get(_: int) -> int:
        with web.connect() as client:
            client.sendall(METRICS)
            return int(read_answer(client).split(b" ")[1])

    with ThreadPoolExecutor(500) as clients:
        assert list(clients.map(get, range(500))) == [200] * 500
    assert len(web.runtime.asked) < 250, "who comes while others wait shares their page"
    assert web.runtime.most_in_work <= 40


def test_a_crowd_gets_what_each_has_asked_for(serve: Serve) -> None:
    runtime = FakeRuntime(series=200, gate=threading.Event())
    web = serve(runtime=runtime)
    asked = [
        (query, accept, encoding)
        for query in ("", "?account=acme", "?account=acne", "?collect[]=exporter")
        for accept in ("text/plain;version=0.0.4", "application/openmetrics-text;version=1.0.0")
        for encoding in ("gzip", "identity")
        for _ in range(6)
    ]

    def get(query: str, accept: str, encoding: str) -> tuple[int, bool, bool]:
        answer = web.get(f"/metrics{query}", Accept=accept, Accept_Encoding=encoding)
        return (
            answer.status_code,
            answer.headers["Content-Type"].startswith(accept.partition(";")[0]),
            answer.headers.get("Content-Encoding", "identity") == encoding,
        )

    with ThreadPoolExecutor(len(asked)) as clients:
        answers = [clients.submit(get, *one) for one in asked]
        wrong = sum(query == "?account=acne" for query, _, _ in asked)
        until(lambda: len(web.server.connections.connections) == len(asked) - wrong)
        assert runtime.gate
        runtime.gate.set()
        for (query, _, _), answer in zip(asked, answers, strict=True):
            if query == "?account=acne":
                assert answer.result()[0] == 400
            else:
                assert answer.result() == (200, True, True)
    assert {(account, only) for account, only, _ in runtime.asked} == {
        (None, False),
        ("acme", False),
        (None, True),
    }
