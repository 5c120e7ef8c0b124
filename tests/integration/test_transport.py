"""Deadlines, trust, proxies and cookies on real sockets."""

from __future__ import annotations

import os
import re
import socket
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from exporter.calltools.client import Client
from exporter.calltools.requester import RequestContext
from exporter.clock import boot_seconds
from exporter.errors import ApiError, Failure
from exporter.settings import Account, Queue, TlsFiles
from exporter.simulator import AVAILABLE
from exporter.snapshot import Attempt, RequestObserver
from exporter.transport.deadline import Deadline
from exporter.transport.transports import Transports
from tests.integration.conftest import MakeAccount
from tests.raw_server import RawServer
from tests.simulator_fixtures import StartSimulator, TlsAuthority


class Recorder(RequestObserver):
    def __init__(self) -> None:
        self.opened = 0
        self.codes: list[str | None] = []

    def connection_opened(self) -> None:
        self.opened += 1

    def attempt_ended(self, attempt: Attempt) -> None:
        self.codes.append(attempt.code)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def ask(recorder: Recorder) -> Iterator[Callable[..., int | Failure]]:
    transports = Transports()

    def ask(account: Account, seconds: float = 10.0) -> int | Failure:
        try:
            transport = transports.get(account)
            context = RequestContext(
                transport, account.token.read(), Deadline.after(seconds), recorder
            )
            return Client(account).count_available(account.queues[0], context)
        except ApiError as error:
            return error.failure

    yield ask
    transports.close()


def test_after_a_closed_connection_a_new_one_is_opened(
    start_simulator: StartSimulator, make_account: MakeAccount
) -> None:
    """The kind: another kept one, as of a neighbour, may be closed as well."""
    simulator = start_simulator()
    account = make_account(simulator, 5457, 5460)
    transports = Transports()

    def ask(queue: int, recorder: Recorder) -> int:
        transport = transports.get(account)
        context = RequestContext(transport, account.token.read(), Deadline.after(20), recorder)
        return Client(account).count_available(account.queues[queue], context)

    class Neighbour(Recorder):
        def attempt_ended(self, attempt: Attempt) -> None:
            super().attempt_ended(attempt)
            if len(self.codes) == 1:  # It opens a connection, and gives it back.
                ask(1, Recorder())

    ask(0, Recorder())
    simulator.faults.set("stale-connection", queue=5457)
    neighbour = Neighbour()
    assert ask(0, neighbour) == 0
    assert (neighbour.codes, neighbour.opened) == ([None] * 2, 1)
    transports.close()


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("fault", ["hang", "drip-head", "drip-body", "endless-body"])
def test_the_deadline_holds_however_the_bytes_come(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    ask: Callable[..., int | Failure],
    fault: str,
    tls: bool,
) -> None:
    simulator = start_simulator(tls=tls)
    parameters: dict[str, Any] = {} if fault == "hang" else {"seconds": 0.05}
    simulator.faults.set(fault, **parameters)
    begun = time.monotonic()
    failure = ask(make_account(simulator), seconds=0.7)
    took = time.monotonic() - begun
    assert isinstance(failure, Failure)
    assert failure.code == ("too_large" if fault == "endless-body" else "timeout") or (
        fault == "endless-body" and failure.code == "timeout"
    )
    assert took < 20
    if failure.code == "timeout":
        assert took >= 0.69


def test_an_accounts_own_timeout_is_for_each_request(
    start_simulator: StartSimulator, make_account: MakeAccount, ask: Callable[..., int | Failure]
) -> None:
    simulator = start_simulator()
    simulator.faults.set("drip-body", seconds=0.05)
    begun = time.monotonic()
    failure = ask(make_account(simulator, timeout=0.5), seconds=60)
    assert isinstance(failure, Failure)
    assert failure.code == "timeout"
    assert time.monotonic() - begun < 10


def test_a_deadline_may_be_moved_while_an_answer_is_waited_for(
    start_simulator: StartSimulator, make_account: MakeAccount, recorder: Recorder
) -> None:
    simulator = start_simulator(tls=True)
    simulator.faults.set("hang", seconds=1.0)
    account = make_account(simulator)
    deadline = Deadline.after(0.3)
    context = RequestContext(Transports().get(account), account.token.read(), deadline, recorder)
    simulator.before_answer = lambda _: deadline.extend(boot_seconds() + 20)
    assert Client(account).count_available(account.queues[0], context) == 0


def test_a_private_authority_is_trusted(
    start_simulator: StartSimulator, make_account: MakeAccount, ask: Callable[..., int | Failure]
) -> None:
    assert ask(make_account(start_simulator(tls=True))) == 0


def test_another_authority_is_refused(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    ask: Callable[..., int | Failure],
    tmp_path: Path,
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    simulator = start_simulator(tls=True)
    failure = ask(make_account(simulator, tls=TlsFiles(ca_file=other)))
    assert isinstance(failure, Failure)
    assert failure.code == "tls"
    assert "certificate" in failure.message
    assert simulator.requests == []


def test_a_certificate_for_another_host_is_refused(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    ask: Callable[..., int | Failure],
    tls_authority: TlsAuthority,
) -> None:
    simulator = start_simulator(tls=tls_authority.server_context("elsewhere.example"))
    failure = ask(make_account(simulator))
    assert isinstance(failure, Failure)
    assert failure.code == "tls"
    assert simulator.requests == []


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_the_environment_does_not_override_the_ca_file(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    ask: Callable[..., int | Failure],
    tls_authority: TlsAuthority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    simulator = start_simulator(tls=True)
    monkeypatch.setenv(variable, str(tls_authority.ca_file))
    failure = ask(make_account(simulator, tls=TlsFiles(ca_file=other)))
    assert isinstance(failure, Failure)
    assert failure.code == "tls"
    monkeypatch.setenv(variable, str(other))
    assert ask(make_account(simulator)) == 0


def test_a_private_authority_trusts_nothing_else(
    start_simulator: StartSimulator, make_account: MakeAccount, ask: Callable[..., int | Failure]
) -> None:
    account = make_account(start_simulator(tls=True))
    assert ask(account) == 0
    transports = Transports()
    transport = transports.get(account)
    adapter: Any = transport._adapter
    context = adapter.poolmanager.connection_pool_kw["ssl_context"]
    assert len(context.get_ca_certs()) == 1


def test_skipping_verification_is_possible(
    start_simulator: StartSimulator, make_account: MakeAccount, ask: Callable[..., int | Failure]
) -> None:
    simulator = start_simulator(tls=True)
    assert ask(make_account(simulator, tls=TlsFiles(insecure_skip_verify=True))) == 0


def test_a_missing_ca_file_is_said_and_one_that_comes_is_used(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    ask: Callable[..., int | Failure],
    tls_authority: TlsAuthority,
    tmp_path: Path,
) -> None:
    file = tmp_path / "ca.pem"
    account = make_account(start_simulator(tls=True), tls=TlsFiles(ca_file=file))
    failure = ask(account)
    words = f"ca_file: {file} cannot be read: No such file or directory"
    assert failure == Failure("tls", words)
    trustme.CA().cert_pem.write_to_path(str(file))
    failure = ask(account)
    assert isinstance(failure, Failure)
    assert "certificate" in failure.message
    file.write_bytes(tls_authority.ca_file.read_bytes())
    os.utime(file, ns=(1, 1))
    assert ask(account) == 0
    file.write_text("no certificate")
    failure = ask(account)
    assert isinstance(failure, Failure)
    assert failure.code == "tls"


def test_a_client_certificate_is_shown(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    ask: Callable[..., int | Failure],
    tls_authority: TlsAuthority,
    tmp_path: Path,
) -> None:
    context = tls_authority.server_context()
    context.load_verify_locations(cafile=str(tls_authority.ca_file))
    context.verify_mode = 2  # type: ignore[assignment]  # ssl.CERT_REQUIRED
    simulator = start_simulator(tls=context)
    failure = ask(make_account(simulator))
    assert isinstance(failure, Failure)
    assert failure.code in {"tls", "connection"}
    issued = tls_authority.authority.issue_cert("client.example")
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    issued.cert_chain_pems[0].write_to_path(str(certificate))
    issued.private_key_pem.write_to_path(str(key))
    files = TlsFiles(ca_file=tls_authority.ca_file, cert_file=certificate, key_file=key)
    assert ask(make_account(simulator, tls=files)) == 0


def test_no_cookie_is_kept(
    start_simulator: StartSimulator, make_account: MakeAccount, ask: Callable[..., int | Failure]
) -> None:
    simulator = start_simulator()
    simulator.faults.set("set-cookie")
    account = make_account(simulator)
    assert ask(account) == 0
    assert ask(account) == 0
    assert all("cookie" not in request.headers for request in simulator.requests)


def test_connections_are_kept_and_counted(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    ask: Callable[..., int | Failure],
    recorder: Recorder,
) -> None:
    simulator = start_simulator(tls=True)
    account = make_account(simulator)
    for _ in range(5):
        assert ask(account) == 0
    assert simulator.connections_opened == 1
    assert recorder.opened == 1


def test_a_kept_connection_that_was_closed_costs_one_silent_retry(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    ask: Callable[..., int | Failure],
    recorder: Recorder,
) -> None:
    simulator = start_simulator()
    account = make_account(simulator)
    assert ask(account) == 0
    simulator.faults.set("close", times=1)
    assert ask(account) == 0
    assert recorder.codes == [None, None, None]
    assert recorder.opened == 2


@pytest.mark.parametrize("fault", ["reset-in-head", "reset-in-body"])
def test_an_answer_that_had_begun_is_not_asked_for_again(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    ask: Callable[..., int | Failure],
    recorder: Recorder,
    fault: str,
) -> None:
    simulator = start_simulator()
    account = make_account(simulator)
    assert ask(account) == 0
    simulator.faults.set(fault)
    failure = ask(account)
    assert isinstance(failure, Failure)
    assert failure.code == "connection"
    assert recorder.codes == [None, "connection"]


def test_a_new_connection_that_is_closed_is_not_tried_again(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    ask: Callable[..., int | Failure],
    recorder: Recorder,
) -> None:
    simulator = start_simulator()
    simulator.faults.set("close")
    failure = ask(make_account(simulator))
    assert isinstance(failure, Failure)
    assert failure.code == "connection"
    assert recorder.codes == ["connection"]


def test_a_timeout_is_not_tried_again(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    ask: Callable[..., int | Failure],
    recorder: Recorder,
) -> None:
    simulator = start_simulator()
    account = make_account(simulator)
    assert ask(account) == 0
    simulator.faults.set("hang")
    failure = ask(account, seconds=0.3)
    assert isinstance(failure, Failure)
    assert failure.code == "timeout"
    assert recorder.codes == [None, "timeout"]


def test_a_refused_connection_and_an_unknown_name_are_told_apart(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    ask: Callable[..., int | Failure],
    recorder: Recorder,
) -> None:
    """Each is one attempt and one error: only a kept connection may have been closed unseen."""
    simulator = start_simulator()
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    failure = ask(make_account(simulator, url=f"http://127.0.0.1:{port}"))
    assert failure == Failure("connection", f"127.0.0.1:{port}: connection refused")
    failure = ask(make_account(simulator, url="http://no-such-host.invalid"))
    assert isinstance(failure, Failure)
    assert failure.code == "dns"
    assert recorder.codes == ["connection", "dns"]


def test_a_look_up_that_hangs_ends_as_a_timeout(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    ask: Callable[..., int | Failure],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account = make_account(start_simulator())
    look_up = socket.getaddrinfo

    def slow(*arguments: Any, **keywords: Any) -> Any:
        threading.Event().wait(0.5)
        return look_up(*arguments, **keywords)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    failure = ask(account, seconds=0.2)
    assert isinstance(failure, Failure)
    assert failure.code == "timeout"


def test_an_address_that_swallows_packets_leaves_time_for_the_next(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    ask: Callable[..., int | Failure],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    simulator = start_simulator()
    account = make_account(simulator)
    # A listener whose backlog is full swallows every further connection.
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        port = int(simulator.url.rpartition(":")[2])
        found = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", address)
            for address in (full.getsockname(), ("127.0.0.1", port))
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        assert ask(account, seconds=2.0) == 0
        for filler in fillers:
            filler.close()


class Proxy:
    """A forward proxy of a few lines: CONNECT and absolute URLs, no more."""

    def __init__(
        self, tls_context: Any = None, *, refuse: bool = False, accepts: bytes = b"HTTP/1.1 200 OK"
    ) -> None:
        self.heads: list[str] = []
        self._tls = tls_context
        self._refuse = refuse
        self._accepts = accepts
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"{'https' if tls_context else 'http'}://127.0.0.1:{self._port}"
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def _port(self) -> int:
        return int(self._listener.getsockname()[1])

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._try_to_serve, args=(client,), daemon=True).start()

    def _try_to_serve(self, client: socket.socket) -> None:
        try:
            self._serve(client)
        except OSError:
            client.close()

    def _serve(self, client: socket.socket) -> None:
        if self._tls is not None:
            client = self._tls.wrap_socket(client, server_side=True)
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(65536)
        self.heads.append(head.decode())
        method, target, _ = head.decode().split(" ", 2)
        if self._refuse:
            header = re.search("(?i)proxy-authorization: ([^\r]*)", head.decode())
            quoted = (header[1] if header else "").encode() + b" still" * 1000
            client.sendall(b"HTTP/1.1 407 \x1b[2JRequired " + quoted + b"\r\n\r\n")
            client.close()
            return
        host, _, port = target.removeprefix("http://").partition("/")[0].partition(":")
        upstream = socket.create_connection((host, int(port)))
        if method == "CONNECT":
            client.sendall(self._accepts + b"\r\n\r\n")
        else:
            path = target.removeprefix("http://").partition("/")[2]
            upstream.sendall(head.replace(target.encode(), b"/" + path.encode(), 1))
        back = threading.Thread(target=self._pump, args=(upstream, client), daemon=True)
        back.start()
        self._pump(client, upstream)
        back.join()

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
        except OSError:
            pass
        finally:
            source.close()
            target.close()


@pytest.fixture
def start_proxy() -> Iterator[Callable[..., Proxy]]:
    started: list[Proxy] = []

    def start(*arguments: Any, **keywords: Any) -> Proxy:
        started.append(Proxy(*arguments, **keywords))
        return started[-1]

    yield start
    for proxy in started:
        proxy.close()


@pytest.mark.parametrize("proxy_tls", [False, True], ids=["plain proxy", "TLS proxy"])
def test_through_a_proxy_the_private_authority_is_checked_and_the_key_stays_inside(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    ask: Callable[..., int | Failure],
    start_proxy: Callable[..., Proxy],
    tls_authority: TlsAuthority,
    tmp_path: Path,
    proxy_tls: bool,
) -> None:
    simulator = start_simulator(tls=True)
    proxy = start_proxy(tls_authority.server_context() if proxy_tls else None)
    assert ask(make_account(simulator, proxy=proxy.url)) == 0
    assert proxy.heads[0].startswith("CONNECT 127.0.0.1:")
    assert "Authorization" not in proxy.heads[0]
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    failure = ask(make_account(simulator, proxy=proxy.url, tls=TlsFiles(ca_file=other)))
    assert isinstance(failure, Failure)
    assert failure.code == "tls"
    assert len(simulator.requests) == 1


def test_a_plain_origin_is_asked_through_a_proxy_too(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    ask: Callable[..., int | Failure],
    start_proxy: Callable[..., Proxy],
) -> None:
    proxy = start_proxy()
    assert ask(make_account(start_simulator(), proxy=proxy.url)) == 0
    assert proxy.heads[0].startswith("GET http://127.0.0.1:")


def test_a_proxy_that_refuses_is_said(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    ask: Callable[..., int | Failure],
    start_proxy: Callable[..., Proxy],
) -> None:
    proxy = start_proxy(refuse=True)
    failure = ask(make_account(start_simulator(tls=True), proxy=proxy.url))
    assert isinstance(failure, Failure)
    assert failure.code == "connection"
    assert "proxy refused" in failure.message
    assert failure.message.endswith("407 Proxy Authentication Required")
    assert failure.message.isprintable()
    assert len(failure.message) < 300


def test_a_proxy_whose_own_head_is_endless_is_said(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    ask: Callable[..., int | Failure],
    start_proxy: Callable[..., Proxy],
) -> None:
    proxy = start_proxy(accepts=b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000)
    failure = ask(make_account(start_simulator(tls=True), proxy=proxy.url))
    assert isinstance(failure, Failure)
    assert failure.code == "too_large"
    assert "a head of the proxy that is larger than allowed" in failure.message


CREDENTIALS = {
    "both": ("me:hunter2", "me:hunter2"),
    "no password": ("me", "me:"),
    "not Latin-1": ("m%C3%A4:%E2%82%ACuro", "m\u00e4:\u20acuro"),
    "what a URL does not hold": ("a%3Ab:p%40%2F%3F", "a:b:p@/?"),
    "no user": (":hunter2", ":hunter2"),
}


@pytest.mark.parametrize(("user", "sent"), CREDENTIALS.values(), ids=CREDENTIALS)
@pytest.mark.parametrize("tls", [True, False], ids=["tunnel", "plain"])
def test_credentials_are_shown_to_the_proxy_as_curl_does(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    ask: Callable[..., int | Failure],
    start_proxy: Callable[..., Proxy],
    user: str,
    sent: str,
    tls: bool,
) -> None:
    proxy = start_proxy()
    simulator = start_simulator(tls=tls)
    assert ask(make_account(simulator, proxy=proxy.url.replace("://", f"://{user}@"))) == 0
    header = f"Proxy-Authorization: Basic {b64encode(sent.encode()).decode()}\r\n"
    assert header in proxy.heads[0]
    assert tls is not any("proxy-authorization" in got.headers for got in simulator.requests)


def test_a_refusal_that_quotes_the_proxys_password_is_not_repeated(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    ask: Callable[..., int | Failure],
    start_proxy: Callable[..., Proxy],
) -> None:
    proxy = start_proxy(refuse=True)
    url = proxy.url.replace("://", "://me:hunter2@")
    failure = ask(make_account(start_simulator(tls=True), proxy=url))
    assert isinstance(failure, Failure)
    assert failure.message.endswith(
        "the proxy refused the connection: 407 Proxy Authentication Required"
    )


@pytest.mark.parametrize("status", [403, 407, 502])
def test_a_page_of_a_proxy_that_quotes_its_password_is_masked(
    make_account: MakeAccount,
    start_simulator: StartSimulator,
    ask: Callable[..., int | Failure],
    status: int,
) -> None:
    """A plain origin is asked through the proxy, whose own pages look like the API's."""
    encoded = b64encode(b"me:hunter2").decode()

    def send(_: int, client: socket.socket) -> None:
        page = f"<p>Proxy-Authorization: Basic {encoded} of me:Hunter2 is wrong</p>".encode()
        head = f"HTTP/1.1 {status} No\r\nContent-Length: {len(page)}\r\n\r\n"
        client.sendall(head.encode() + page)

    with RawServer(send) as proxy:
        url = proxy.url.replace("://", "://me:hunter2@")
        failure = ask(make_account(start_simulator(), proxy=url))
    assert isinstance(failure, Failure)
    assert failure.message.endswith("Proxy-Authorization: Basic *** of me:*** is wrong")


def test_the_environments_proxies_are_not_read_at_scrape_time(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    ask: Callable[..., int | Failure],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    assert ask(make_account(start_simulator())) == 0


def test_several_statuses_share_one_deadline(
    start_simulator: StartSimulator, make_account: MakeAccount, ask: Callable[..., int | Failure]
) -> None:
    simulator = start_simulator(latency=0.4)
    queue = Queue(5457, "sales", (AVAILABLE, 20562, 20563, 20564))
    failure = ask(make_account(simulator, queues=(queue,)), seconds=0.9)
    assert isinstance(failure, Failure)
    assert failure.code == "timeout"
