"""The key goes to the configured origin and nowhere else; a proxy's password to the proxy."""

from __future__ import annotations

import http.client
import logging
import socket
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exporter.errors import Failure
from exporter.runtime import Runtime
from exporter.simulator import TOKEN, SimulatedAccount
from exporter.snapshot import QueueResult
from tests.integration.conftest import MakeAccount
from tests.process_fixtures import RunMain, StartCommand, WriteConfiguration, run_program
from tests.raw_server import RawServer
from tests.simulator import Dialect, FixedWorld, Simulator
from tests.simulator_fixtures import StartSimulator

PASSWORD = "hunter2-of-the-proxy"


@pytest.fixture
def elsewhere() -> Iterator[RawServer]:
    """Return a server that nobody should ever connect to."""

    def answer(_: int, client: socket.socket) -> bool:
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        return True

    with RawServer(answer) as server:
        yield server


@pytest.fixture
def read(
    make_account: MakeAccount, make_runtime: Callable[..., Runtime]
) -> Callable[..., QueueResult]:
    """Return what one queue of a fresh exporter says."""

    def read(simulator: Simulator, **settings: object) -> QueueResult:
        account = make_account(simulator, **settings)
        return make_runtime(account).snapshot([account], 20).queues[0].result

    return read


@pytest.mark.parametrize("code", [302, 308])
@pytest.mark.parametrize("detail", ["count", "agents"])
def test_a_redirect_is_not_followed(
    start_simulator: StartSimulator,
    read: Callable[..., QueueResult],
    elsewhere: RawServer,
    code: int,
    detail: str,
) -> None:
    simulator = start_simulator(tls=True)
    simulator.faults.set("redirect-elsewhere", location=f"{elsewhere.url}{{target}}", code=code)
    failure = read(simulator, detail=detail).failure
    assert failure is not None
    assert failure.code == "redirect"
    assert elsewhere.url in failure.message
    assert elsewhere.connections == 0


def test_a_link_to_the_next_page_is_not_followed(
    start_simulator: StartSimulator, read: Callable[..., QueueResult], elsewhere: RawServer
) -> None:
    world = FixedWorld()
    world.set_available(5457, 600)
    simulator = start_simulator(SimulatedAccount(world), tls=True)
    simulator.faults.set(
        "count-missing", queue=5457, count="600", next=f'"{elsewhere.url}/api/?page=2"'
    )
    assert read(simulator, detail="agents").available == 600
    assert elsewhere.connections == 0


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_no_other_headers_go_with_the_key_and_nothing_is_changed_in_the_api(
    start_simulator: StartSimulator,
    read: Callable[..., QueueResult],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    tls: bool,
) -> None:
    """A `.netrc` that names the host would otherwise put its password in the key's place."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    simulator = start_simulator(tls=tls)
    assert read(simulator).available == 0
    for request in simulator.requests:
        assert request.method == "GET"
        assert request.headers["authorization"] == f"Token {TOKEN}"
        assert set(request.headers) == {
            *("host", "user-agent", "accept", "accept-encoding", "cache-control"),
            "authorization",
        }


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
def test_a_proxys_password_goes_to_the_proxy_and_is_told_to_nobody(
    start_simulator: StartSimulator, read: Callable[..., QueueResult], tls: bool
) -> None:
    def refuse(_: int, client: socket.socket) -> bool:
        client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        return True

    simulator = start_simulator(tls=tls)
    with RawServer(refuse) as proxy:
        url = f"http://me:{PASSWORD}@127.0.0.1:{proxy.port}"
        failure = read(simulator, proxy=url).failure
        assert failure is not None
        assert PASSWORD not in failure.message
        sent = b64encode(f"me:{PASSWORD}".encode()).decode()
        assert all(f"Proxy-Authorization: Basic {sent}" in head for head in proxy.heads)
        # Through a tunnel the proxy does not see the key.
        assert any(TOKEN in head for head in proxy.heads) is not tls
    gone = read(simulator, proxy=f"http://me:{PASSWORD}@no-such-host.invalid:3128").failure
    assert isinstance(gone, Failure)
    assert gone.message.startswith("no address for no-such-host.invalid: ")
    assert PASSWORD not in gone.message
    assert simulator.requests == []


def test_debugging_shows_no_key(
    start_simulator: StartSimulator, write_configuration: WriteConfiguration
) -> None:
    """The libraries' own debug logs hold heads; ours at the level of debugging do not ask them."""
    simulator = start_simulator(tls=True)
    for fault in (None, "redirect-elsewhere"):
        if fault:
            simulator.faults.set(fault)
        path = write_configuration(simulator)
        done = run_program(
            *("ping", f"--config.file={path}", "--log.level=debug", "--timeout=0.5s"),
            PYTHONWARNINGS="default",
            PYTHONFAULTHANDLER="1",
        )
        assert "acme" in done.out, done.err
        assert TOKEN not in done.out + done.err
        assert "Authorization" not in done.out + done.err


def test_the_libraries_debug_logs_name_no_key(
    start_simulator: StartSimulator,
    read: Callable[..., QueueResult],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Even where somebody turns urllib3's on, which the exporter never does."""
    assert http.client.HTTPConnection.debuglevel == 0
    simulator = start_simulator(tls=True)
    simulator.faults.set("count-missing", queue=5457)
    logger = logging.getLogger("urllib3")
    level = logger.level
    try:
        with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, logger="urllib3"):
            read(simulator)
    finally:
        logger.setLevel(level)
    assert "Starting new HTTPS connection" in caplog.text, "they do speak"
    assert TOKEN not in caplog.text
    assert TOKEN not in "".join(capfd.readouterr())


def test_the_key_is_no_argument_and_not_in_the_help(
    start_simulator: StartSimulator,
    write_configuration: WriteConfiguration,
    start_command: StartCommand,
    run_main: RunMain,
) -> None:
    path = write_configuration(start_simulator())
    command = start_command(f"--config.file={path}", "--web.listen-address=127.0.0.1:0")
    arguments = Path(f"/proc/{command.process.pid}/cmdline").read_bytes()
    assert str(path).encode() in arguments
    assert TOKEN.encode() not in arguments
    for words in ([], ["serve"], ["check"], ["ping"], ["init"]):
        done = run_main(*words, "--help", CALLTOOLS_TOKEN=TOKEN)
        assert done.out.startswith("Usage: ")
        assert TOKEN not in done.out + done.err


def test_an_account_of_another_dialect_gets_no_other_request(
    start_simulator: StartSimulator, read: Callable[..., QueueResult], elsewhere: RawServer
) -> None:
    """Whatever the API writes into its links, they are not asked."""
    world = FixedWorld()
    world.set_available(5457, 300)
    for scheme in ("http", "https", "none"):
        dialect = Dialect(next_scheme=scheme)
        simulator = start_simulator(SimulatedAccount(world), tls=True, dialect=dialect)
        assert read(simulator, detail="agents").available == 300
        assert {request.path for request in simulator.requests} <= {
            *("/api/agentstatuses/", "/api/statuses/", "/api/queues/"),
        }
    assert elsewhere.connections == 0


def test_a_mistake_of_ours_shows_no_key(
    start_simulator: StartSimulator,
    write_configuration: WriteConfiguration,
    run_main: RunMain,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A fault of the exporter itself, in the midst of a request, with the key at hand."""
    simulator = start_simulator()
    path = write_configuration(simulator)

    def fail(*_: object, **__: object) -> None:
        raise ValueError(f"Authorization: Token {TOKEN}")

    monkeypatch.setattr("requests.adapters.HTTPAdapter.send", fail)
    done = run_main("ping", f"--config.file={path}", "--log.level=debug", CALLTOOLS_TOKEN=TOKEN)
    assert "internal error of the exporter (ValueError)" in done.out
    assert TOKEN not in done.out + done.err
