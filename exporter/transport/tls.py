"""How the API's certificate is verified, and which certificate the client shows."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

import certifi

from exporter.errors import ApiError, Failure
from exporter.files import load_pem
from exporter.settings import TlsFiles
from exporter.transport.deadline import DeadlineTlsSocket

#: The names under which OpenSSL looks for certificates in a folder: hash and number.
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")


def client_context(tls: TlsFiles) -> ssl.SSLContext:
    """Return the client's side: the given CA file is trusted alone, else the system's store.

    It is not `ssl.create_default_context`: that one writes TLS secrets to where ``SSLKEYLOGFILE``
    says, and from Python 3.13 on refuses certificates that lack extensions of no consequence,
    as those of many company CAs do, which curl and Go accept.

    Raises:
        ApiError: a file is missing or is no certificate or key; the code is `tls`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # On every version of Python: an intermediate alone is enough to trust what it has signed.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if mistakes := load_pem(context, tls.files):
        words = "; ".join(f"{key}: {found}" for key, found in mistakes.items())
        raise ApiError(Failure("tls", words))
    if tls.ca_file is None:
        _trust_system_store(context)
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.sslsocket_class = DeadlineTlsSocket
    return context


def _trust_system_store(context: ssl.SSLContext) -> None:
    """Trust what OpenSSL trusts, else what certifi does.

    The place is OpenSSL's, so ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` name another, as for curl.
    """
    context.load_default_certs()
    folder = ssl.get_default_verify_paths().capath
    if not context.cert_store_stats()["x509"] and not (folder and _holds_certificate(Path(folder))):
        context.load_verify_locations(cafile=certifi.where())


def _holds_certificate(folder: Path) -> bool:
    """Return whether OpenSSL would find any certificate in a folder; it reads them only later."""
    try:
        paths = [path for path in folder.iterdir() if _HASHED.fullmatch(path.name)]
    except OSError:
        return False
    return any(not load_pem(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), {"ca_file": p}) for p in paths)
