"""The certificates that are shown to clients and asked of them."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["TlsServer", "make_context"]


@dataclass(frozen=True, slots=True)
class TlsServer:
    """The server's certificate, and what is asked of the clients'."""

    cert_file: Path
    key_file: Path
    client_ca_file: Path | None = None
    client_verification: ssl.VerifyMode = ssl.CERT_NONE
    min_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    max_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3

    @property
    def files(self) -> dict[str, Path]:
        """The files, by the key that names each."""
        files = {"cert_file": self.cert_file, "key_file": self.key_file}
        return files | ({"client_ca_file": self.client_ca_file} if self.client_ca_file else {})


def make_context(tls: TlsServer, refuse: Callable[[str, str], None]) -> ssl.SSLContext:
    """Read the files into a context of their own.

    ``refuse`` is told of each file that cannot be used: the key that names it, and why. With
    anything refused the context is of no use.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version, context.maximum_version = tls.min_version, tls.max_version
    context.set_alpn_protocols(["http/1.1"])
    unreadable = set()
    for key, path in tls.files.items():
        try:
            path.read_bytes()
        except OSError as error:
            unreadable.add(key)
            refuse(key, f"{path} cannot be read: {error.strerror}")
    if unreadable.isdisjoint({"cert_file", "key_file"}):
        try:
            # Without a passphrase of ours, OpenSSL would ask for one on the terminal, and wait.
            context.load_cert_chain(tls.cert_file, tls.key_file, password=lambda: "")
        except (OSError, ValueError):
            wanted = "a PEM certificate and, in key_file, its key without a passphrase"
            refuse("cert_file", f"{tls.cert_file} does not hold what is expected, {wanted}")
    if tls.client_ca_file and "client_ca_file" not in unreadable:
        try:
            context.load_verify_locations(tls.client_ca_file)
        except (OSError, ValueError):
            wanted = "PEM certificates"
            refuse(
                "client_ca_file", f"{tls.client_ca_file} does not hold what is expected, {wanted}"
            )
        context.verify_mode = tls.client_verification
    return context
