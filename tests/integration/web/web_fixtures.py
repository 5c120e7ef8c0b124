"""A server of a made runtime, and clients that speak with it byte by byte."""

from __future__ import annotations

import contextlib
import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import requests
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.registry import Collector
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporter.counters import ServerCounters
from exporter.errors import UnknownAccountError
from exporter.history import AccountStatus
from exporter.runtime import Runtime
from exporter.settings import Configuration
from exporter.web.app import Reload, create_app
from exporter.web.follow import FollowedWebFile
from exporter.web.server.listeners import listen
from exporter.web.server.protocol import Limits
from exporter.web.server.server import Server

DROPPED = "calltools_exporter_dropped_connections_total"


class EmptyRuntime(Runtime):
    """A runtime without an account, for tests of what is before it."""

    def __init__(self) -> None:
        super().__init__(Configuration(()))

    def probe(self, *, account: str, queue: str | None, budget_seconds: float) -> Collector:
        return CollectorRegistry()

    def targets(self, *, by_account: bool, budget_seconds: float = 5.0) -> list[dict[str, object]]:
        return []

    def status(self, account: str | None) -> list[AccountStatus]:
        return []

    def reload(self) -> None:
        pass

    def configuration_text(self) -> str:
        return ""


@dataclass
class FakeRuntime(EmptyRuntime):
    """Pages of ``series`` series; they wait for ``gate`` and note what they were asked."""

    series: int = 3
    help_bytes: int = 4
    gate: threading.Event | None = None
    error: Exception | None = None
    asked: list[tuple[str | None, bool, float]] = field(default_factory=list)
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    in_work: int = 0
    most_in_work: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    texts: int = 0

    def __post_init__(self) -> None:
        super().__init__()

    def metrics(
        self, *, account: str | None, exporter_only: bool, budget_seconds: float
    ) -> Collector:
        if account not in (None, "acme"):
            raise UnknownAccountError(account, ["acme"])
        if self.error:
            raise self.error
        with self.lock:
            self.asked.append((account, exporter_only, budget_seconds))
            self.in_work += 1
            self.most_in_work = max(self.most_in_work, self.in_work)
        self.entered.release()
        if self.gate is not None:
            assert self.gate.wait(30)
        registry = CollectorRegistry()
        gauge = Gauge("calltools_queue_up", "x" * self.help_bytes, ["queue"], registry=registry)
        for number in range(self.series):
            gauge.labels(queue=f"queue {number}").set(number)
        with self.lock:
            self.in_work -= 1
        return registry

    def configuration_text(self) -> str:
        self.texts += 1
        return "accounts: []"


@dataclass
class Running:
    """A server in a thread of its own."""

    server: Server
    runtime: FakeRuntime
    thread: threading.Thread
    addresses: list[tuple[str, int]]
    answers: list[tuple[Headers, Headers]]
    registry: CollectorRegistry

    @property
    def url(self) -> str:
        return self.server.urls[0].rstrip("/")

    def dropped(self, reason: str) -> int:
        value = self.registry.get_sample_value(DROPPED, {"reason": reason})
        assert value is not None
        return int(value)

    def connect(self, address: int = 0) -> socket.socket:
        return socket.create_connection(self.addresses[address][:2], timeout=20)

    def get(self, path: str, **headers: str) -> requests.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.get(self.url + path, headers=named, timeout=20, verify=False)


class Recorder:
    """Notes the headers of each request and of its answer."""

    def __init__(self, app: ASGIApp, answers: list[tuple[Headers, Headers]]) -> None:
        self._app = app
        self._answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def record(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = Headers(raw=message["headers"])
                self._answers.append((Headers(scope=scope), answer))
            await send(message)

        await self._app(scope, receive, record)


@contextlib.contextmanager
def running(
    runtime: FakeRuntime,
    *addresses: str,
    max_requests: int = 40,
    limits: Limits | None = None,
    web_file: FollowedWebFile | None = None,
    reload: Reload | None = None,
) -> Iterator[Running]:
    """Serve a runtime until the block ends; nothing may be left running then."""
    listeners = listen(addresses or ["127.0.0.1:0"])
    names = [listener.getsockname()[:2] for listener in listeners]
    app = create_app(runtime, max_requests=max_requests, web_file=web_file, reload=reload)
    answers: list[tuple[Headers, Headers]] = []
    app.add_middleware(Recorder, answers)
    ssl_context = web_file.ssl_context if web_file else None
    registry = CollectorRegistry()
    server = Server(
        app,
        listeners,
        limits=limits,
        ssl_context=ssl_context,
        record_drop=ServerCounters(registry).record_dropped_connection,
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert server.serving.wait(20)
    try:
        yield Running(server, runtime, thread, names, answers, registry)
    finally:
        server.stop()
        thread.join(20)
        assert not thread.is_alive()


def require_files(number: int) -> None:
    """Skip a test where a process may not open as many files."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < number:
        pytest.skip(f"a process may open {hard} files here, and {number} are needed")


def read_all(client: socket.socket) -> bytes:
    """Read until the server ends the connection, however it does."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := client.recv(65536):
            received += piece
    return received


def read_answer(client: socket.socket) -> bytes:
    """Read one answer that has a Content-Length."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += client.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    while len(body) < int(lines[b"content-length"]):
        body += client.recv(65536)
    return head + b"\r\n\r\n" + body


def until(condition: Callable[[], bool]) -> None:
    """Wait for what has no event to wait for: a count on the other side of a socket."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)
