"""The certificates that the server presents and requests."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from exporter.files import load_pem


@dataclass(frozen=True, slots=True)
class TlsServer:
    """The server's certificate, and the requirements for those of clients."""

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
    """Load the files into a new context.

    ``refuse`` is called for each unusable file, with the key that names it, and the reason; the
    context is then of no use.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version, context.maximum_version = tls.min_version, tls.max_version
    context.set_alpn_protocols(["http/1.1"])
    for key, words in load_pem(context, tls.files).items():
        refuse(key, words)
    if tls.client_ca_file:
        context.verify_mode = tls.client_verification
    return context
