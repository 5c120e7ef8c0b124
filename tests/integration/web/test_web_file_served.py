"""TLS, client certificates, passwords and headers on a running server, and their change."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import bcrypt
import pytest
import requests
import trustme
from structlog.testing import capture_logs

from exporter.cli.serve import ServeOptions, make_server
from exporter.files import Watched
from exporter.runtime import Runtime
from exporter.settings import Configuration
from exporter.web.follow import FollowedWebFile
from exporter.web.server.protocol import Limits
from tests.integration.web.conftest import Serve
from tests.integration.web.web_fixtures import FakeRuntime, Running, read_all, read_answer, until

GET = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n"
SALT = b"$2b$04$......................"
HASH = bcrypt.hashpw(b"secret", SALT).decode()
OTHER_HASH = bcrypt.hashpw(b"changed", SALT).decode()
SERVER = "tls_server_config:\n  cert_file: server.pem\n  key_file: server.pem\n"
CLIENTS = "  client_ca_file: clients.pem\n  client_auth_type: {}\n"
USERS = f"basic_auth_users:\n  prometheus: {HASH}\n"


@dataclass
class Folder:
    """A folder with a web file, a server's certificate and authorities."""

    path: Path
    authority: trustme.CA
    clients: trustme.CA
    followed: FollowedWebFile | None = None

    def write(self, name: str, text: str) -> None:
        """Replace a file at once, as whoever renews certificates should."""
        (self.path / "new").write_text(text)
        (self.path / "new").rename(self.path / name)
        self.look()

    def look(self) -> None:
        """See the change of a file, as the thread of a server does."""
        if self.followed:
            self.followed.look()

    def write_server(self, authority: trustme.CA) -> None:
        certificate = authority.issue_cert("localhost", "127.0.0.1")
        self.write("server.pem", certificate.private_key_and_cert_chain_pem.bytes().decode())

    def client(self, authority: trustme.CA) -> str:
        path = self.path / "client.pem"
        authority.issue_cert("prometheus").private_key_and_cert_chain_pem.write_to_path(path)
        return str(path)

    def follow(self, text: str) -> FollowedWebFile:
        self.write("web.yml", text)
        self.followed = FollowedWebFile(self.path / "web.yml")
        return self.followed


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    authority, clients = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    clients.cert_pem.write_to_path(tmp_path / "clients.pem")
    folder = Folder(tmp_path, authority, clients)
    folder.write_server(authority)
    return folder


def get(
    web: Running,
    folder: Folder,
    path: str = "/metrics",
    *,
    cert: str | None = None,
    auth: tuple[str, str] | None = None,
) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        ca = str(folder.path / "ca.pem")
        return session.get(web.url + path, verify=ca, cert=cert, auth=auth, timeout=20)


def test_tls(serve: Serve, folder: Folder) -> None:
    web = serve(web_file=folder.follow(SERVER))
    assert web.url.startswith("https://")
    assert get(web, folder).status_code == 200
    assert get(web, folder, "/-/healthy").status_code == 200
    assert "\n    scheme: https\n" in get(web, folder, "/").text, "what Prometheus needs"
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(web.url, verify=str(folder.path / "clients.pem"), timeout=20)


def test_large_pages_over_tls(serve: Serve, folder: Folder) -> None:
    web = serve(web_file=folder.follow(SERVER), runtime=FakeRuntime(help_bytes=3_000_000))
    assert len(get(web, folder).content) > 3_000_000


@pytest.mark.parametrize(
    ("versions", "spoken", "refused"),
    [
        ("  min_version: TLS13\n", ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2),
        ("  max_version: TLS12\n", ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3),
    ],
)
def test_versions(
    serve: Serve,
    folder: Folder,
    versions: str,
    spoken: ssl.TLSVersion,
    refused: ssl.TLSVersion,
) -> None:
    web = serve(web_file=folder.follow(SERVER + versions), limits=Limits(tls_handshake_timeout=0.5))
    for version in (spoken, refused):
        context = ssl.create_default_context(cafile=str(folder.path / "ca.pem"))
        context.minimum_version = context.maximum_version = version
        context.set_alpn_protocols(["h2", "http/1.1"])
        with web.connect() as plain:
            if version is refused:
                with pytest.raises(ssl.SSLError):
                    context.wrap_socket(plain, server_hostname="localhost")
                continue
            with context.wrap_socket(plain, server_hostname="localhost") as client:
                assert client.selected_alpn_protocol() == "http/1.1"
                client.sendall(GET)
                assert read_answer(client).startswith(b"HTTP/1.1 200 ")
    until(lambda: web.dropped("tls_handshake") == 1)


def test_a_required_client_certificate(serve: Serve, folder: Folder) -> None:
    web = serve(web_file=folder.follow(SERVER + CLIENTS.format("RequireAndVerifyClientCert")))
    assert get(web, folder, cert=folder.client(folder.clients)).status_code == 200
    for cert in (None, folder.client(folder.authority)):
        for path in ("/metrics", "/-/healthy"):
            with pytest.raises((requests.exceptions.SSLError, requests.ConnectionError)):
                get(web, folder, path, cert=cert)
    assert get(web, folder, cert=folder.client(folder.clients)).status_code == 200


def test_a_client_certificate_that_is_verified_if_given(serve: Serve, folder: Folder) -> None:
    web = serve(web_file=folder.follow(SERVER + CLIENTS.format("VerifyClientCertIfGiven")))
    assert get(web, folder).status_code == 200
    assert get(web, folder, cert=folder.client(folder.clients)).status_code == 200
    with pytest.raises((requests.exceptions.SSLError, requests.ConnectionError)):
        get(web, folder, cert=folder.client(folder.authority))


def test_a_new_certificate_is_used_without_dropping_a_scrape(serve: Serve, folder: Folder) -> None:
    runtime = FakeRuntime(gate=threading.Event())
    web = serve(web_file=folder.follow(SERVER), runtime=runtime)
    context = ssl.create_default_context(cafile=str(folder.path / "ca.pem"))
    with (
        ThreadPoolExecutor(1) as pool,
        context.wrap_socket(web.connect(), server_hostname="localhost") as kept,
    ):
        kept.sendall(GET)
        assert read_answer(kept).startswith(b"HTTP/1.1 200 ")
        scrape = pool.submit(get, web, folder)
        assert runtime.entered.acquire(timeout=20)

        renewed = trustme.CA()
        with capture_logs() as logs:
            folder.write_server(renewed)
            with pytest.raises(requests.exceptions.SSLError):
                get(web, folder, "/-/healthy")
        assert [entry["event"] for entry in logs] == ["Web file reloaded"]
        assert runtime.gate
        runtime.gate.set()
        assert scrape.result().status_code == 200
        kept.sendall(GET)
        assert read_answer(kept).startswith(b"HTTP/1.1 200 ")
        renewed.cert_pem.write_to_path(folder.path / "ca.pem")
        assert get(web, folder).status_code == 200


def test_a_client_authority_that_is_taken_away_is_not_trusted_any_more(
    serve: Serve, folder: Folder
) -> None:
    web = serve(web_file=folder.follow(SERVER + CLIENTS.format("RequireAndVerifyClientCert")))
    before, others = folder.client(folder.clients), trustme.CA()
    assert get(web, folder, cert=before).status_code == 200
    folder.write("clients.pem", others.cert_pem.bytes().decode())
    with pytest.raises((requests.exceptions.SSLError, requests.ConnectionError)):
        get(web, folder, cert=before)
    assert get(web, folder, cert=folder.client(others)).status_code == 200


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("server.pem", "half a certif", "server.pem is not usable; expected a PEM certificate"),
        ("web.yml", "tls_server_config: [", "is not YAML"),
        ("web.yml", USERS, "TLS cannot be switched on or off while the server runs; restart it"),
    ],
)
def test_a_file_that_has_become_wrong_changes_nothing(
    serve: Serve, folder: Folder, name: str, text: str, told: str
) -> None:
    web = serve(web_file=folder.follow(SERVER))
    before = (folder.path / name).read_text()
    with capture_logs() as logs:
        folder.write(name, text)
        for _ in range(3):
            assert get(web, folder).status_code == 200
        (entry,) = logs
        assert entry["log_level"] == "error"
        assert told in str(entry)
        (folder.path / name).unlink()
        folder.look()
        assert get(web, folder).status_code == 200
        folder.write(name, before)
        assert get(web, folder).status_code == 200
    assert logs[-1]["event"] == "Web file reloaded"


def test_passwords(serve: Serve, folder: Folder) -> None:
    web = serve(web_file=folder.follow(USERS))
    assert get(web, folder, auth=("prometheus", "secret")).status_code == 200
    for auth in (None, ("prometheus", "wrong"), ("nobody", "secret"), ("prometheus", "x" * 73)):
        for path in ("/metrics", "/", "/nowhere"):
            answer = get(web, folder, path, auth=auth)
            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
    for path in ("/-/healthy", "/-/ready"):
        assert get(web, folder, path).status_code == 200
    for path in ("/-/healthy/", "//-/healthy", "/-/healthy/../../metrics", "/%2D/healthy%2F"):
        assert get(web, folder, path).status_code in (401, 404)
    assert len(web.runtime.asked) == 1


def test_users_are_followed(serve: Serve, folder: Folder) -> None:
    web = serve(web_file=folder.follow(USERS))
    assert get(web, folder, auth=("prometheus", "secret")).status_code == 200
    folder.write("web.yml", f"basic_auth_users:\n  prometheus: {OTHER_HASH}\n")
    assert get(web, folder, auth=("prometheus", "secret")).status_code == 401
    assert get(web, folder, auth=("prometheus", "changed")).status_code == 200
    folder.write("web.yml", "http_server_config: {http2: true}\n")
    assert get(web, folder).status_code == 200


def test_passwords_over_tls(serve: Serve, folder: Folder) -> None:
    web = serve(web_file=folder.follow(SERVER + USERS))
    assert get(web, folder).status_code == 401
    assert get(web, folder, auth=("prometheus", "secret")).status_code == 200


def test_a_storm_of_guesses_stops_no_scrape(serve: Serve, folder: Folder) -> None:
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(8)).decode()
    web = serve(web_file=folder.follow(f"basic_auth_users:\n  prometheus: {hashed}\n"))
    assert get(web, folder, auth=("prometheus", "secret")).status_code == 200
    with ThreadPoolExecutor(20) as pool:
        guesses = [
            pool.submit(get, web, folder, auth=("prometheus", f"guess {guess}"))
            for guess in range(60)
        ]
        for _ in range(5):
            assert get(web, folder, auth=("prometheus", "secret")).status_code == 200
            assert get(web, folder, "/-/healthy").status_code == 200
        assert {guess.result().status_code for guess in guesses} <= {401, 503}


def test_headers_are_on_every_answer(serve: Serve, folder: Folder) -> None:
    text = USERS + "http_server_config:\n  headers:\n    X-Frame-Options: deny\n"
    web = serve(web_file=folder.follow(text))
    for path, auth in (
        ("/metrics", ("prometheus", "secret")),
        ("/nowhere", ("prometheus", "secret")),
        ("/metrics", None),
        ("/-/healthy", None),
    ):
        assert get(web, folder, path, auth=auth).headers["X-Frame-Options"] == "deny"


def test_keys_without_effect_are_logged_at_the_start(folder: Folder) -> None:
    with capture_logs() as logs:
        folder.follow("http_server_config:\n  http2: true\n")
    (entry,) = logs
    assert entry["event"].endswith("http2: has no effect: only HTTP/1.1 is supported")


def test_what_does_not_finish_its_handshake_is_dropped(
    serve: Serve, folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    web = serve(web_file=folder.follow(SERVER), limits=Limits(tls_handshake_timeout=0.5))
    with web.connect() as silent, web.connect() as garbage, web.connect() as reset:
        garbage.sendall(b"GET / HTTP/1.1\r\n\r\n")
        reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        reset.close()
        assert get(web, folder).status_code == 200
        read_all(garbage)
        read_all(silent)
    until(lambda: web.dropped("tls_handshake") == 3)
    assert caplog.text == ""


def test_a_client_that_does_not_read_over_tls_is_dropped(serve: Serve, folder: Folder) -> None:
    runtime = FakeRuntime(help_bytes=32 * 1024 * 1024)
    web = serve(web_file=folder.follow(SERVER), runtime=runtime, limits=Limits(write_timeout=0.5))
    context = ssl.create_default_context(cafile=str(folder.path / "ca.pem"))
    with context.wrap_socket(web.connect(), server_hostname="localhost") as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: web.dropped("slow_reader") == 1)
        until(lambda: not web.server.connections.slow_readers)
        assert get(web, folder, "/-/healthy").status_code == 200


def test_silent_clients_make_room_when_there_are_too_many(serve: Serve, folder: Folder) -> None:
    web = serve(web_file=folder.follow(SERVER), limits=Limits(max_connections=10))
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(web.connect()) for _ in range(30)]
        until(lambda: web.dropped("too_many_connections") == 20)
        assert get(web, folder).status_code == 200
        assert read_all(silent[0]) == b""
    until(lambda: not web.server.connections.connections)


def test_files_that_are_named_anew_are_followed_too(serve: Serve, folder: Folder) -> None:
    web = serve(web_file=folder.follow(SERVER))
    renewed = trustme.CA()
    for authority in (folder.authority, renewed):
        own = authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem
        folder.write("other.pem", own.bytes().decode())
        folder.write("web.yml", SERVER.replace("server.pem", "other.pem"))
        authority.cert_pem.write_to_path(folder.path / "ca.pem")
        assert get(web, folder).status_code == 200


def test_storage_that_hangs_stops_no_request(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs, gate = threading.Event(), threading.Event()

    def look(_: object) -> bool:
        hangs.set()
        return gate.wait(20)

    monkeypatch.setattr(Watched, "has_changed", look)
    monkeypatch.setattr("exporter.cli.serve.follow", lambda look, _: look())
    folder.write("web.yml", USERS)
    options = ServeOptions(("127.0.0.1:0",), 40, 0.5, web_config_file=folder.path / "web.yml")
    server = make_server(Runtime(Configuration(())), options)
    thread = threading.Thread(target=server.run)
    thread.start()
    assert hangs.wait(20)
    assert server.serving.wait(20)
    user = ("prometheus", "secret")
    assert requests.get(server.urls[0] + "metrics", auth=user, timeout=20).status_code == 200
    gate.set()
    server.stop()
    thread.join()


def test_a_client_that_shakes_hands_does_not_hold_a_server_that_stops(
    serve: Serve, folder: Folder
) -> None:
    """Servers end connections that have a protocol; a handshake comes before that."""
    gate = threading.Event()
    runtime = FakeRuntime(gate=gate)
    limits = Limits(tls_handshake_timeout=60, tls_shutdown_timeout=0.1)
    web = serve(web_file=folder.follow(SERVER), runtime=runtime, limits=limits)
    with ThreadPoolExecutor(1) as client, web.connect() as silent:
        scrape = client.submit(get, web, folder)
        assert runtime.entered.acquire(timeout=20)
        until(lambda: len(web.server.connections.connections) == 2)
        web.server.stop()
        assert read_all(silent) == b""
        gate.set()
        assert scrape.result().status_code == 200
        web.thread.join(20)
        assert not web.thread.is_alive()


@pytest.mark.parametrize("tls", [True, False])
def test_a_connection_that_was_accepted_but_not_yet_served_does_not_hold_it_either(
    serve: Serve, folder: Folder, *, tls: bool
) -> None:
    limits = Limits(read_header_timeout=60, tls_handshake_timeout=60)
    web = serve(web_file=folder.follow(SERVER) if tls else None, limits=limits)
    web.server.connections.stopping = True
    with web.connect() as late:
        assert read_all(late) == b""


def test_a_changed_file_does_not_make_prometheus_wait_among_guesses(
    serve: Serve, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after each renewal of the certificate, which is loaded with the passwords."""
    web = serve(web_file=folder.follow(SERVER + USERS))
    assert get(web, folder, auth=("prometheus", "secret")).status_code == 200
    folder.write_server(folder.authority)
    checked: list[bytes] = []
    monkeypatch.setattr(bcrypt, "checkpw", lambda password, _: checked.append(password))
    assert get(web, folder, auth=("prometheus", "secret")).status_code == 200
    assert get(web, folder, auth=("prometheus", "guess")).status_code == 401
    folder.write("web.yml", SERVER + USERS.replace(HASH, OTHER_HASH))
    assert get(web, folder, auth=("prometheus", "secret")).status_code == 401
    assert b"secret" in checked
