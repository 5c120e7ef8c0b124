"""Connections are kept alive, and used again only while nothing speaks against it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.calltools.client import Client
from exporter.calltools.requester import RequestContext
from exporter.errors import ApiError, Failure
from exporter.settings import Account
from exporter.transport import connections
from exporter.transport.deadline import Deadline
from exporter.transport.transports import Transports
from tests.integration.conftest import MakeAccount
from tests.integration.test_transport import Recorder
from tests.raw_server import RawServer
from tests.simulator_fixtures import StartSimulator

ROOT = Path(__file__).parents[2]


@pytest.fixture
def transports() -> Iterator[Transports]:
    made = Transports()
    yield made
    made.close()


@pytest.fixture
def ask(transports: Transports) -> Callable[[Account], int | Failure]:
    def ask(account: Account) -> int | Failure:
        transport = transports.get(account)
        context = RequestContext(transport, account.token.read(), Deadline.after(10), Recorder())
        try:
            return Client(account).count_available(account.queues[0], context)
        except ApiError as error:
            return error.failure

    return ask


def kept_socket(transports: Transports, account: Account) -> socket.socket:
    """Return the one connection that is idle."""
    adapter: Any = transports.get(account)._adapter
    idle = [connection for connection in adapter._pool.pool.queue if connection is not None]
    assert len(idle) == 1
    return idle[0].sock  # type: ignore[no-any-return]


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_each_connection_is_probed_while_it_is_idle(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    transports: Transports,
    ask: Callable[[Account], int | Failure],
    tls: bool,
) -> None:
    account = make_account(start_simulator(tls=tls))
    assert ask(account) == 0
    sock = kept_socket(transports, account)
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) < 60
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) < 60


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("limit", ["LONGEST_IDLE", "LONGEST_LIFE"])
def test_a_connection_that_is_idle_or_old_is_not_used_again(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    ask: Callable[[Account], int | Failure],
    monkeypatch: pytest.MonkeyPatch,
    tls: bool,
    limit: str,
) -> None:
    """What stands between may have forgotten it, and drops whatever is sent on it."""
    simulator = start_simulator(tls=tls)
    account = make_account(simulator)
    assert ask(account) == ask(account) == 0
    assert simulator.connections_opened == 1
    monkeypatch.setattr(connections, limit, 0.0)
    assert ask(account) == 0
    assert simulator.connections_opened == 2


def test_the_limits_are_far_below_what_stands_between() -> None:
    assert connections.LONGEST_IDLE <= 60
    assert connections.LONGEST_LIFE <= 300


def test_a_name_is_looked_up_anew_with_each_connection(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    ask: Callable[[Account], int | Failure],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The old host answers on, with numbers that are no longer true."""
    old, new = start_simulator(), start_simulator()
    port = [int(old.url.rpartition(":")[2])]

    def look_up(*_: object, **__: object) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port[0]))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    account = make_account(old, url="http://silo.example")
    assert ask(account) == 0
    port[0] = int(new.url.rpartition(":")[2])
    assert ask(account) == 0
    assert (len(old.requests), len(new.requests)) == (2, 0)
    monkeypatch.setattr(connections, "LONGEST_LIFE", 0.0)
    assert ask(account) == 0
    assert (len(old.requests), len(new.requests)) == (2, 1)


def answer(count: int) -> bytes:
    body = json.dumps({"count": count, "results": [{"ready": True}][:count]}).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def test_what_comes_after_a_connection_was_taken_is_no_answer(
    make_account: MakeAccount,
    start_simulator: StartSimulator,
    ask: Callable[[Account], int | Failure],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each answer is sent twice, the second one a moment after the next request has begun."""
    clients: list[socket.socket] = []

    def send(_: int, client: socket.socket) -> None:
        clients.append(client)
        client.sendall(answer(len(clients)))

    take: Any = connections._PlainPool._get_conn

    def take_and_wait(pool: Any, timeout: float | None = None) -> Any:
        connection = take(pool, timeout)
        if clients and connection.sock is not None:
            clients[-1].sendall(answer(99))
            # Until it has come, without reading it.
            connection.sock.settimeout(10)
            socket.socket.recv(connection.sock, 1, socket.MSG_PEEK)
        return connection

    monkeypatch.setattr(connections._PlainPool, "_get_conn", take_and_wait)
    with RawServer(send) as server:
        account = make_account(start_simulator(), url=server.url)
        assert [ask(account) for _ in range(3)] == [1, 2, 3]
        assert server.connections == 3


def test_one_that_was_closed_unseen_is_followed_by_a_new_one(
    make_account: MakeAccount,
    start_simulator: StartSimulator,
    ask: Callable[[Account], int | Failure],
) -> None:
    """The request is sent only once more, so not on another idle one that may be as dead."""
    simulator = start_simulator(latency=0.3)
    account = make_account(simulator)
    together = [threading.Thread(target=ask, args=(account,)) for _ in range(4)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    assert simulator.connections_opened == 4
    simulator.faults.set("close", times=1)
    assert ask(account) == 0
    assert simulator.connections_opened == 5


STOPPED = """
import sys
from exporter.calltools.client import Client
from exporter.calltools.requester import RequestContext
from exporter.errors import ApiError
from exporter.settings import Account, Queue, Secret, TokenEnvironment
from exporter.transport.deadline import Deadline
from exporter.transport.transports import Transports

class Nobody:
    def attempt_started(self): pass
    def connection_opened(self): pass
    def attempt_ended(self, attempt): pass

queue = Queue(1, "q", (20561,))
account = Account("acme", sys.argv[1], TokenEnvironment("X"), (queue,))
transport = Transports().get(account)
context = RequestContext(transport, Secret("key"), Deadline.after(1.5), Nobody())
try:
    print(Client(account).count_available(queue, context))
except ApiError as error:
    print(error.failure.code)
"""


def test_an_answer_that_is_taken_after_its_deadline_is_none() -> None:
    """A process that was stopped meanwhile would date it with the end of the pause."""
    process: list[subprocess.Popen[str]] = []

    def send(_: int, client: socket.socket) -> None:
        os.kill(process[0].pid, signal.SIGSTOP)
        client.sendall(answer(1))
        time.sleep(2.0)  # the pause itself
        os.kill(process[0].pid, signal.SIGCONT)

    with RawServer(send) as server:
        command = [sys.executable, "-c", STOPPED, server.url]
        process.append(
            subprocess.Popen(
                command,
                cwd=ROOT,
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        said, _ = process[0].communicate(timeout=30)
    assert said == "timeout\n"
