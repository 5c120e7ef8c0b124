"""Crowds of clients that misbehave, while one asks for its page as always.

The server is a process of its own, so that its memory can be seen, and what the crowd costs on
this side is not taken for its. The bounds are wide: they are for a shared machine at its worst.
"""

from __future__ import annotations

import contextlib
import resource
import socket
import ssl
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme

from tests.integration.web.web_fixtures import read_answer, require_files

PROGRAM = Path(__file__).with_name("serving.py")
ROOT = PROGRAM.parents[3]
HEAD = b"GET /metrics HTTP/1.1\r\nHost: x\r\n"
METRICS = HEAD + b"\r\n"
HEALTHY = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"

EXTRA_SECONDS = 0.5
#: It must not be starved; by how much it is delayed is for `make bench` to say.
EXTRA_SECONDS_AMID_A_BURST = 2.0
EXTRA_MEGABYTES = 200
#: Pages of 3 MB for 400 clients that take none would be 1200.
EXTRA_MEGABYTES_OF_PAGES = 600


@dataclass
class Apart:
    """A server in a process of its own."""

    process: subprocess.Popen[str]
    address: tuple[str, int]
    client_context: ssl.SSLContext | None
    open: contextlib.ExitStack

    def connect(self) -> socket.socket:
        return self.open.enter_context(socket.create_connection(self.address, timeout=30))

    def connect_all(self, number: int) -> list[socket.socket]:
        return [self.connect() for _ in range(number)]

    def scrape(self) -> float:
        """Ask for a page on a new connection, and return the seconds that it took."""
        started = time.monotonic()
        with socket.create_connection(self.address, timeout=30) as plain:
            # As Go sets it, and so Prometheus.
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.client_context:
                with self.client_context.wrap_socket(plain, server_hostname="localhost") as client:
                    client.sendall(METRICS)
                    answer = read_answer(client)
            else:
                plain.sendall(METRICS)
                answer = read_answer(plain)
        assert answer.startswith(b"HTTP/1.1 200 ")
        return time.monotonic() - started

    def scrapes(self, number: int = 15) -> float:
        return statistics.median(self.scrape() for _ in range(number))

    def megabytes(self) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024


@contextlib.contextmanager
def apart(
    *, scrape_seconds: float = 0, help_bytes: int = 10_000, folder: Path | None = None
) -> Iterator[Apart]:
    arguments, context = [str(scrape_seconds), str(help_bytes)], None
    if folder:
        authority = trustme.CA()
        certificate = authority.issue_cert("localhost")
        certificate.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
        (folder / "web.yml").write_text(
            "tls_server_config: {cert_file: server.pem, key_file: server.pem}\n"
        )
        arguments.append(str(folder / "web.yml"))
        context = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
    process = subprocess.Popen(
        [sys.executable, PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(ROOT)},
    )
    with process, contextlib.ExitStack() as stack:
        assert process.stdout
        url = urlsplit(process.stdout.readline().strip())
        server = Apart(process, (str(url.hostname), int(url.port or 0)), context, stack)
        while True:
            with contextlib.suppress(ConnectionError):
                server.scrape()
                break
        try:
            yield server
        finally:
            process.kill()


@pytest.fixture(autouse=True)
def many_files() -> Iterator[None]:
    require_files(4096)  # a crowd here, and on the server's side
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def slow_heads(server: Apart) -> None:
    for client in server.connect_all(500):
        client.sendall(HEAD)


def slow_second_heads(server: Apart) -> None:
    for client in server.connect_all(500):
        client.sendall(HEALTHY)
        assert read_answer(client).startswith(b"HTTP/1.1 200 ")
        client.sendall(HEAD)


def idle_connections(server: Apart) -> None:
    for client in server.connect_all(1000):
        client.sendall(HEALTHY)
        assert read_answer(client).startswith(b"HTTP/1.1 200 ")


def silent_connections(server: Apart) -> None:
    server.connect_all(500)


def garbage(server: Apart) -> None:
    for client in server.connect_all(500):
        client.sendall(b"\x16\x03\x01garbage\r\n\r\n" * 100)


def large_heads(server: Apart) -> None:
    for client in server.connect_all(200):
        with contextlib.suppress(ConnectionError):
            client.sendall(HEAD + b"Long: " + b"x" * 1_000_000)


def lying_lengths(server: Apart) -> None:
    for client in server.connect_all(300):
        client.sendall(b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nx")


def clients_that_do_not_read(server: Apart) -> None:
    for client in server.connect_all(400):
        client.sendall(METRICS)


CROWDS = [
    slow_heads,
    slow_second_heads,
    idle_connections,
    silent_connections,
    garbage,
    large_heads,
    lying_lengths,
]


def behaves(server: Apart, crowd: Callable[[Apart], None], most: float = EXTRA_MEGABYTES) -> None:
    usual, megabytes = server.scrapes(), server.megabytes()
    crowd(server)
    beside, grown = server.scrapes(), server.megabytes() - megabytes
    # Shown by `pytest -rP`.
    sys.stdout.write(
        f"{crowd.__name__}: {usual * 1000:.1f} -> {beside * 1000:.1f} ms, {grown:+.1f} MB\n"
    )
    assert beside < usual + EXTRA_SECONDS
    assert grown < most
    assert server.process.poll() is None


@pytest.mark.parametrize("crowd", CROWDS)
def test_a_crowd_delays_no_scrape(crowd: Callable[[Apart], None]) -> None:
    with apart() as server:
        behaves(server, crowd)


@pytest.mark.parametrize("crowd", [silent_connections, garbage])
def test_a_crowd_before_tls_delays_no_scrape(
    crowd: Callable[[Apart], None], tmp_path: Path
) -> None:
    with apart(folder=tmp_path) as server:
        behaves(server, crowd)


def test_clients_that_do_not_read_delay_no_scrape() -> None:
    with apart(help_bytes=3_000_000) as server:
        behaves(server, clients_that_do_not_read, EXTRA_MEGABYTES_OF_PAGES)


def test_a_burst_is_answered_whole() -> None:
    with apart() as server:
        usual, megabytes = server.scrapes(), server.megabytes()
        start = threading.Barrier(500)

        def scrape(_: int) -> float:
            start.wait(30)
            return server.scrape()

        with ThreadPoolExecutor(500) as clients:
            seconds = list(clients.map(scrape, range(500)))
        grown = server.megabytes() - megabytes
        sys.stdout.write(
            f"burst: {usual * 1000:.1f} -> median {statistics.median(seconds) * 1000:.0f},"
            f" longest {max(seconds) * 1000:.0f} ms, {grown:+.1f} MB\n"
        )
        assert max(seconds) < 10
        assert grown < EXTRA_MEGABYTES
        assert server.scrapes() < usual + EXTRA_SECONDS


def test_a_kept_connection_is_answered_amid_a_burst() -> None:
    with (
        apart(scrape_seconds=0.02) as server,
        socket.create_connection(server.address, timeout=30) as kept,
    ):
        kept.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def scrape() -> float:
            started = time.monotonic()
            kept.sendall(METRICS)
            assert read_answer(kept).startswith(b"HTTP/1.1 200 ")
            return time.monotonic() - started

        def scrape_amid_a_burst() -> float:
            # Without threads, or what they cost here would be in the figure.
            first, *others = server.connect_all(500)
            for client in (first, *others):
                client.sendall(METRICS)
            assert read_answer(first).startswith(b"HTTP/1.1 200 ")
            seconds = scrape()
            assert all(read_answer(client).startswith(b"HTTP/1.1 200 ") for client in others)
            server.open.close()
            return seconds

        usual = statistics.median(scrape() for _ in range(15))
        series = []
        for _ in range(3):  # once is enough: a shared machine may be busy with others for a while
            amid = statistics.median(scrape_amid_a_burst() for _ in range(7))
            series.append(amid)
            sys.stdout.write(f"amid a burst: {usual * 1000:.1f} -> {amid * 1000:.1f} ms\n")
            if amid < usual + EXTRA_SECONDS_AMID_A_BURST:
                break
        assert min(series) < usual + EXTRA_SECONDS_AMID_A_BURST


def test_dropped_clients_give_their_memory_back() -> None:
    def come_and_go(server: Apart) -> None:
        garbage(server)
        for client in server.connect_all(200):
            client.sendall(HEALTHY)
            assert read_answer(client)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        server.open.close()

    with apart() as server:
        for _ in range(5):
            come_and_go(server)
        before = server.megabytes()
        for _ in range(15):
            come_and_go(server)
        assert server.megabytes() < before + 10
