from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from shutil import copytree

import pytest
import trustme
from cryptography.hazmat.primitives import serialization


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with all certificates that web files of the tests name."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    server = authority.issue_cert("localhost", "127.0.0.1")
    server.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    server.private_key_pem.write_to_path(folder / "server.key")
    authority.issue_cert("other").private_key_pem.write_to_path(folder / "other.key")
    key = serialization.load_pem_private_key(server.private_key_pem.bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"passphrase"),
    )
    (folder / "locked.key").write_bytes(locked)
    (folder / "text.pem").write_text("no certificate")
    return folder


@pytest.fixture
def in_folder(
    certificates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Path], Path]:
    """Return a function that puts a file beside the certificates and names it from there."""

    def put(file: Path) -> Path:
        copytree(certificates, tmp_path, dirs_exist_ok=True)
        if file.parent != tmp_path:
            (tmp_path / file.name).write_bytes(file.read_bytes())
        monkeypatch.chdir(tmp_path)
        return Path(file.name)

    return put
