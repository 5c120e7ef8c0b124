"""PEM files are loaded whole or refused in plain words; a change of a file is seen once."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from exporter import config
from exporter.config.redacted import redacted_yaml
from exporter.config.yaml_reader import read_yaml
from exporter.errors import ConfigurationError, ExporterError, TokenError
from exporter.files import Watched, load_pem, read_file
from exporter.settings import Account, Configuration, TlsFiles, TokenFile


@pytest.fixture
def load() -> Callable[..., dict[str, str]]:
    def load(**files: Path) -> dict[str, str]:
        return load_pem(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), files)

    return load


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    """Return a folder with a certificate, its key, another's key, an encrypted one, and a CA."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    for name in ("own", "other"):
        issued = authority.issue_cert(f"{name}.example")
        issued.cert_chain_pems[0].write_to_path(str(tmp_path / f"{name}.crt"))
        issued.private_key_pem.write_to_path(str(tmp_path / f"{name}.key"))
    key = serialization.load_pem_private_key((tmp_path / "own.key").read_bytes(), None)
    (tmp_path / "encrypted.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"passphrase"),
        )
    )
    (tmp_path / "text.pem").write_text("no certificate")
    return tmp_path


def test_right_files_are_loaded(load: Callable[..., dict[str, str]], pem: Path) -> None:
    files = {"ca_file": pem / "ca.pem", "cert_file": pem / "own.crt", "key_file": pem / "own.key"}
    assert load(**files) == {}


@pytest.mark.parametrize(
    ("files", "key", "words"),
    [
        ({"client_ca_file": "text.pem"}, "client_ca_file", "text.pem has no PEM"),
        ({"ca_file": "own.key"}, "ca_file", "own.key has no PEM certificate"),
        ({"ca_file": "missing"}, "ca_file", "missing cannot be read: No such file or directory"),
        ({"ca_file": "."}, "ca_file", "cannot be read: Is a directory"),
        (
            {"cert_file": "own.crt", "key_file": "encrypted.key"},
            "key_file",
            "encrypted.key is encrypted; expected a key without a passphrase",
        ),
        (
            {"cert_file": "own.crt", "key_file": "other.key"},
            "key_file",
            "other.key is not the key of the certificate in",
        ),
        (
            {"cert_file": "text.pem", "key_file": "own.key"},
            "cert_file",
            "is not usable; expected a PEM",
        ),
        ({"cert_file": "own.crt", "key_file": "missing"}, "key_file", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_used_is_said_by_its_key(
    load: Callable[..., dict[str, str]], pem: Path, files: dict[str, str], key: str, words: str
) -> None:
    mistakes = load(**{name: pem / file for name, file in files.items()})
    assert list(mistakes) == [key]
    assert words in mistakes[key]


@pytest.mark.parametrize("key_size", [1024])
def test_a_certificate_that_openssl_refuses_is_not_called_unreadable(
    load: Callable[..., dict[str, str]], tmp_path: Path, key_size: int
) -> None:
    key = rsa.generate_private_key(65537, key_size)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "weak.example")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "weak.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    words = "is too weak for OpenSSL: found a short key; expected RSA with 2048 bits or more"
    assert words in load(cert_file=path)["cert_file"]


def test_a_path_of_any_bytes_is_text_that_every_output_can_hold(
    load: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    """Linux does not ask for UTF-8; a response, a log and YAML do."""
    path = tmp_path / os.fsdecode(b"caf\xe9")
    token = TokenFile(path)
    told = [token.describe(), *load(ca_file=path).values()]
    for read in (token.read, lambda: read_yaml(path, ""), lambda: config.load(path, {})):
        with pytest.raises(ExporterError) as raised:
            read()
        told.append(str(raised.value))
    account = Account("a", "https://a", token, (), tls=TlsFiles(ca_file=path))
    told.append(redacted_yaml(Configuration((account,))))
    for text in told:
        assert rb"caf\udce9" in text.encode()


def test_every_mistake_is_said_at_once(load: Callable[..., dict[str, str]], pem: Path) -> None:
    files = {name: pem / f"no-{name}" for name in ("ca_file", "cert_file", "key_file")}
    assert list(load(**files)) == ["ca_file", "cert_file", "key_file"]


def test_a_change_is_seen_and_the_value_before_stays_if_loading_fails(tmp_path: Path) -> None:
    file = tmp_path / "value"
    file.write_text("1")
    watched = Watched(lambda: int(read_file(file)))
    assert watched.value == 1
    assert not watched.has_changed()
    file.write_text("text")
    assert watched.has_changed()
    with pytest.raises(ValueError, match="invalid literal"):
        watched.reload()
    assert watched.value == 1
    assert not watched.has_changed()
    file.unlink()
    assert watched.has_changed()
    file.write_text("22")
    assert watched.reload() == 22
    os.utime(file, ns=(1, 1))
    assert watched.has_changed()


def test_files_that_a_value_names_are_followed_from_then_on(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text(str(first))
    watched = Watched(lambda: read_file(Path(read_file(first).decode())))
    second.write_text("not followed yet")
    assert not watched.has_changed()
    first.write_text(str(second))
    watched.reload()
    second.write_text("followed")
    assert watched.has_changed()


def test_files_of_a_load_that_failed_are_followed(tmp_path: Path) -> None:
    """Otherwise what fixes it is not noticed."""
    folder, new = tmp_path / "folder", tmp_path / "folder" / "new"
    folder.mkdir()
    watched = Watched(lambda: [int(read_file(file)) for file in folder.iterdir()], [folder])
    new.write_text("text")
    with pytest.raises(ValueError, match="invalid literal"):
        watched.reload()
    new.write_text("1")
    assert watched.has_changed()
    assert watched.reload() == [1]
    new.chmod(0o600)  # it may have become readable
    assert watched.has_changed()


def test_a_change_while_the_value_is_loaded_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "value"
    file.write_text("1")

    def load() -> bytes:
        data = read_file(file)
        file.write_text("changed meanwhile")
        return data

    assert Watched(load).has_changed()


@pytest.fixture(params=["endless", "unnameable"])
def unusable(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str]:
    """Return a file that no read should end on, and one whose name this locale does not have."""
    if request.param == "unnameable":
        return tmp_path / "\ud800", "this locale has no such characters; expected one with UTF-8"
    path = tmp_path / "endless"
    with path.open("wb") as file:
        file.truncate(17 * 1024 * 1024)
    return path, "found more than 16 MiB"


def test_each_reader_refuses_a_file_that_it_cannot_read_to_its_end(
    unusable: tuple[Path, str], load: Callable[..., dict[str, str]]
) -> None:
    path, words = unusable
    with pytest.raises(TokenError, match=words):
        TokenFile(path).read()
    with pytest.raises(ConfigurationError, match=words):
        read_yaml(path, "'accounts'")
    assert words in load(ca_file=path)["ca_file"]
    assert not Watched(lambda: 1, [path]).has_changed()
