"""No client, and no kind of request, takes what the others need."""

from __future__ import annotations

import contextlib
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from exporter.web.app import shared_reload
from tests.integration.web.conftest import Serve
from tests.integration.web.web_fixtures import FakeRuntime, Running, read_all, until

GET = b"GET /metrics HTTP/1.1\r\nHost: x\r\n"
LONG = b"X-Prometheus-Scrape-Timeout-Seconds: 100\r\n\r\n"
ACCEPTS = ("text/plain", "text/plain;version=1.0.0", "application/openmetrics-text")


def asked_of(web: Running) -> int:
    """Return how many connections have handed in a request."""
    found = web.server.connections.connections
    return sum(getattr(one, "cycle", None) is not None for one in list(found))


def test_a_burst_shares_pages_whatever_its_timeouts_are(serve: Serve) -> None:
    runtime = FakeRuntime(gate=threading.Event())
    web = serve(runtime=runtime)
    with ThreadPoolExecutor(60) as clients:
        answers = [
            clients.submit(
                web.get, "/metrics", X_Prometheus_Scrape_Timeout_Seconds=f"{10 + number / 10}"
            )
            for number in range(60)
        ]
        until(lambda: asked_of(web) == 60)
        assert runtime.gate
        runtime.gate.set()
        assert {answer.result().status_code for answer in answers} == {200}
    # Two that are in work and the one that all others wait for, of each of two lengths.
    assert len(runtime.asked) <= 12


def test_a_much_shorter_timeout_does_not_cut_off_the_others(serve: Serve) -> None:
    runtime = FakeRuntime(gate=threading.Event())
    web = serve(runtime=runtime)
    with ThreadPoolExecutor(20) as clients:
        for number in range(20):
            seconds = "20" if number % 2 else "2"
            clients.submit(web.get, "/metrics", X_Prometheus_Scrape_Timeout_Seconds=seconds)
        until(lambda: asked_of(web) == 20)
        assert runtime.gate
        runtime.gate.set()
    assert not [budget for _, _, budget in runtime.asked if 1.5 < budget < 15]


@pytest.mark.parametrize("reset", [False, True])
def test_clients_that_leave_give_their_slots_back(serve: Serve, *, reset: bool) -> None:
    runtime = FakeRuntime(gate=threading.Event())
    web = serve(runtime=runtime, max_requests=2)
    for path in (b"/metrics", b"/metrics?account=acme"):
        with web.connect() as client:
            if reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n" + LONG)
            assert runtime.entered.acquire(timeout=20)
    # The API is still silent for the first two when the third is begun.
    with ThreadPoolExecutor(1) as clients:
        third = clients.submit(web.get, "/metrics?collect[]=exporter")
        assert runtime.entered.acquire(timeout=5)
        assert runtime.gate
        runtime.gate.set()
        assert third.result().status_code == 200


def test_how_many_may_leave_is_limited(serve: Serve) -> None:
    runtime = FakeRuntime(gate=threading.Event())
    web = serve(runtime=runtime, max_requests=1)
    kinds = [
        b"GET %b HTTP/1.1\r\nHost: x\r\nAccept: %b\r\n%b" % (path, accept.encode(), LONG)
        for path in (b"/metrics", b"/metrics?account=acme", b"/metrics?collect[]=exporter")
        for accept in ACCEPTS
    ]
    for kind in kinds:
        with web.connect() as client:
            client.sendall(kind)
            client.shutdown(socket.SHUT_WR)
            until(lambda: not web.server.connections.idle)
    for _ in range(5):
        assert runtime.entered.acquire(timeout=20)
    assert not runtime.entered.acquire(timeout=0.3)
    assert runtime.gate
    runtime.gate.set()
    until(lambda: len(runtime.asked) == len(kinds))


@pytest.mark.parametrize("path", [b"/metrics", b"/-/healthy", b"/config"])
def test_a_client_that_half_closes_gets_its_whole_answer(serve: Serve, path: bytes) -> None:
    web = serve(runtime=FakeRuntime(series=20_000))
    with web.connect() as client:
        client.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        head, _, body = read_all(client).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"content-length: %d\r\n" % len(body) in head + b"\r\n"
    until(lambda: not web.server.connections.connections)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"http://x/-/healthy", b"200"),
        (b"HTTP://x:15457/metrics?account=acme", b"200"),
        (b"https://x", b"200"),
        (b"http://x/metric", b"404"),
        (b"ftp://x/metrics", b"404"),
        (b"*", b"404"),
    ],
)
def test_a_target_may_be_a_whole_url(serve: Serve, target: bytes, status: bytes) -> None:
    web = serve()
    with web.connect() as client:
        client.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n")
        assert read_all(client).startswith(b"HTTP/1.1 " + status)


def test_the_configuration_is_written_once(serve: Serve) -> None:
    web = serve()
    with ThreadPoolExecutor(20) as clients:
        answers = list(clients.map(lambda _: web.get("/config"), range(40)))
    assert {(answer.status_code, answer.text) for answer in answers} == {(200, "accounts: []\n")}
    assert web.runtime.texts == 1
    web.runtime._scraper = type(web.runtime)()._scraper
    assert web.get("/config").status_code == 200
    assert web.runtime.texts == 2


class SlowReload:
    """A reload that takes as long as the test says."""

    def __init__(self) -> None:
        self.calls = 0
        self.entered = threading.Semaphore(0)
        self.gate = threading.Event()

    def __call__(self) -> None:
        self.calls += 1
        self.entered.release()
        assert self.gate.wait(30)


def test_of_many_reloads_one_is_in_work_and_one_to_come(serve: Serve) -> None:
    reload = SlowReload()
    web = serve(reload=shared_reload(reload))
    with ThreadPoolExecutor(100) as clients:
        posts = [
            clients.submit(requests.post, web.url + "/-/reload", timeout=20) for _ in range(100)
        ]
        assert reload.entered.acquire(timeout=20)
        until(lambda: asked_of(web) == 100)
        for path in ("/", "/config", "/metrics", "/sd"):
            assert web.get(path).status_code == 200
        reload.gate.set()
        assert {post.result().status_code for post in posts} == {200}
    assert reload.calls <= 3


def test_a_reload_that_hangs_does_not_delay_the_end(serve: Serve) -> None:
    reload = SlowReload()
    web = serve(reload=shared_reload(reload))
    with ThreadPoolExecutor(1) as clients, contextlib.suppress(requests.ConnectionError):
        clients.submit(requests.post, web.url + "/-/reload", timeout=1)
        assert reload.entered.acquire(timeout=20)
