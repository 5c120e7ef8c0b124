"""Which certificates are accepted: those of company CAs as curl and Go do, on every Python."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from exporter.errors import ApiError, Failure
from exporter.settings import TlsFiles
from exporter.transport import tls
from exporter.transport.tls import client_context
from exporter.transport.transports import Transports
from tests.integration.conftest import MakeAccount
from tests.integration.test_transport import ask, recorder  # noqa: F401 - fixtures
from tests.simulator_fixtures import StartSimulator, TlsAuthority

Key = ec.EllipticCurvePrivateKey
PEM = serialization.Encoding.PEM


def certificate(
    name: str,
    key: Key,
    signer: tuple[x509.Certificate, Key] | None,
    *extensions: tuple[x509.ExtensionType, bool],
) -> x509.Certificate:
    """Return a certificate with just these extensions."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer[0].subject if signer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(signer[1] if signer else key, hashes.SHA256())


@pytest.fixture
def company(tmp_path: Path) -> Callable[[bool], ssl.SSLContext]:
    """Return a server whose CA lacks what strict verification wants; `ca.pem` is in tmp_path."""

    def make(with_intermediate: bool) -> ssl.SSLContext:
        ca_key, key = (
            ec.generate_private_key(ec.SECP256R1()),
            ec.generate_private_key(ec.SECP256R1()),
        )
        ca_extension = (x509.BasicConstraints(ca=True, path_length=None), False)  # not critical
        root = certificate("Company Root", ca_key, None, ca_extension)
        signer = (root, ca_key)
        if with_intermediate:
            between_key = ec.generate_private_key(ec.SECP256R1())
            signer = (certificate("Company TLS", between_key, signer, ca_extension), between_key)
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        leaf = certificate("silo", key, signer, (names, False))
        (tmp_path / "ca.pem").write_bytes(signer[0].public_bytes(PEM))
        chain = tmp_path / "server.pem"
        chain.write_bytes(
            key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
            + leaf.public_bytes(PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        return context

    return make


@pytest.mark.parametrize("with_intermediate", [False, True], ids=["root", "intermediate alone"])
def test_a_company_ca_without_extensions_of_no_consequence_is_trusted(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    ask: Callable[..., int | Failure],  # noqa: F811
    company: Callable[[bool], ssl.SSLContext],
    tmp_path: Path,
    with_intermediate: bool,
) -> None:
    simulator = start_simulator(tls=company(with_intermediate))
    account = make_account(simulator, tls=TlsFiles(ca_file=tmp_path / "ca.pem"))
    assert ask(account) == 0


def test_expiry_is_checked_as_before(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    ask: Callable[..., int | Failure],  # noqa: F811
    tls_authority: TlsAuthority,
) -> None:
    past = dt.datetime.now(dt.UTC) - dt.timedelta(days=2)
    server = tls_authority.server_context(
        "127.0.0.1", not_before=past, not_after=past + dt.timedelta(days=1)
    )
    failure = ask(make_account(start_simulator(tls=server)))
    assert isinstance(failure, Failure)
    assert failure.code == "tls"
    assert "expired" in failure.message


def test_flags_are_the_same_on_every_version() -> None:
    flags = client_context(TlsFiles()).verify_flags
    assert not flags & ssl.VERIFY_X509_STRICT
    assert flags & ssl.VERIFY_X509_PARTIAL_CHAIN


EMPTY_STORES = {
    "an empty bundle": ("bundle", ""),
    "a bundle of no certificate": ("bundle", "# nothing\n"),
    "an empty folder": ("folder", None),
    "a folder of something else": ("folder", "no certificate"),
}


@pytest.mark.parametrize(("kind", "content"), EMPTY_STORES.values(), ids=EMPTY_STORES)
def test_a_store_without_any_certificate_falls_back_to_certifi(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, content: str | None
) -> None:
    bundle, folder = tmp_path / "bundle.pem", tmp_path / "folder"
    folder.mkdir()
    if kind == "bundle":
        bundle.write_text(content or "")
    elif content is not None:
        (folder / "0a1b2c3d.0").write_text(content)
        (folder / "README").write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    monkeypatch.setenv("SSL_CERT_DIR", str(folder))
    assert len(client_context(TlsFiles()).get_ca_certs()) > 50


def test_without_any_certificate_the_account_fails_alone(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kind: what happens while certificates are read; without file descriptors, every page."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    monkeypatch.setattr("certifi.where", lambda: str(tmp_path / "none either.pem"))
    transports, account = Transports(), make_account(start_simulator(tls=True), tls=TlsFiles())
    ((_, found),) = transports.open([account], 1, 1)
    words = f"ca_file: {tmp_path}/none either.pem cannot be read: No such file or directory"
    assert found == Failure("tls", words)


@pytest.mark.parametrize("place", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_the_systems_store_is_where_openssl_looks(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    ask: Callable[..., int | Failure],  # noqa: F811
    tls_authority: TlsAuthority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    """As for curl and Go, the environment may name it; nothing else is then trusted."""
    folder = tmp_path / "folder"
    folder.mkdir()
    simulator = start_simulator(tls=True)
    account = make_account(simulator, tls=TlsFiles())
    if place == "SSL_CERT_FILE":
        monkeypatch.setenv("SSL_CERT_FILE", str(tls_authority.ca_file))
        monkeypatch.setenv("SSL_CERT_DIR", str(folder))
    else:
        hashed = subprocess.run(
            ["openssl", "x509", "-hash", "-noout", "-in", str(tls_authority.ca_file)],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        (folder / f"{hashed}.0").write_bytes(tls_authority.ca_file.read_bytes())
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
        monkeypatch.setenv("SSL_CERT_DIR", str(folder))
    assert ask(account) == 0
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    failure = ask(make_account(simulator, tls=TlsFiles(ca_file=other)))
    assert isinstance(failure, Failure), "a ca_file is trusted alone"


@pytest.mark.parametrize("file", [False, True], ids=["system store", "ca_file"])
def test_many_hosts_read_the_trusted_certificates_once(
    make_account: MakeAccount,
    start_simulator: StartSimulator,
    tls_authority: TlsAuthority,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    file: bool,
) -> None:
    """Each host read them: with 150 hosts, the first scrapes of a busy machine had no number."""
    loads: list[TlsFiles] = []

    def load(tls: TlsFiles) -> ssl.SSLContext:
        loads.append(tls)
        return client_context(tls)

    monkeypatch.setattr("exporter.transport.tls.client_context", load)
    path = tmp_path / "ca.pem"
    path.write_bytes(tls_authority.ca_file.read_bytes())
    tls = TlsFiles(ca_file=path) if file else TlsFiles()
    simulator = start_simulator()
    accounts = [
        make_account(simulator, url=f"https://host{number}.example", tls=tls)
        for number in range(150)
    ]
    transports = Transports()
    before = [transports.get(account) for account in accounts]
    assert loads == [tls]
    assert [transports.get(account) for account in accounts] == before
    if file:
        path.write_bytes(path.read_bytes() + b"\n")
        after = [transports.get(account) for account in accounts]
        assert loads == [tls, tls]
        assert not set(after) & set(before), "all of its hosts trust the new file"
    transports.close()


WRITE_SECRETS = """
import sys
from pathlib import Path
from exporter.settings import TlsFiles
from exporter.transport.transports import Transports
from exporter.settings import Account, TokenEnvironment
account = Account("a", "https://127.0.0.1:1", TokenEnvironment("X"), ())
transport = Transports().get(account)
adapter = transport._adapter
print(adapter.poolmanager.connection_pool_kw["ssl_context"].keylog_filename)
"""


def test_two_that_need_a_context_at_once_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each had its own, and so its own transport, which closed the connections of the other."""
    both = threading.Barrier(2)
    make = tls.client_context

    def make_at_once(files: TlsFiles) -> ssl.SSLContext:
        both.wait(10)
        return make(files)

    monkeypatch.setattr(tls, "client_context", make_at_once)
    contexts = tls.TlsContexts()
    with ThreadPoolExecutor() as threads:
        first, second = threads.map(contexts.get, [TlsFiles()] * 2)
    assert first is second
    assert contexts.get(TlsFiles()) is first


@pytest.mark.parametrize("path", ["no/such/folder/secrets", "secrets"])
def test_tls_secrets_are_written_nowhere(tmp_path: Path, path: str) -> None:
    """`SSLKEYLOGFILE` to a bad path failed every account, to a good one it wrote secrets."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", WRITE_SECRETS],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(root),
            "SSLKEYLOGFILE": str(tmp_path / path),
        },
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "None\n"
    assert not (tmp_path / "secrets").exists()


def test_an_encrypted_key_is_reported_plainly(tls_authority: TlsAuthority, tmp_path: Path) -> None:
    issued = tls_authority.authority.issue_cert("client.example")
    certificate_file, key_file = tmp_path / "c.pem", tmp_path / "k.pem"
    issued.cert_chain_pems[0].write_to_path(str(certificate_file))
    key: Any = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
    encryption = serialization.BestAvailableEncryption(b"secret")
    key_file.write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, encryption))
    with pytest.raises(ApiError) as raised:
        client_context(TlsFiles(cert_file=certificate_file, key_file=key_file))
    expected = f"key_file: {key_file} is encrypted; expected a key without a passphrase"
    assert raised.value.failure == Failure("tls", expected)
