"""TLS for the API: how its certificate is verified, and which one the client presents."""

import re
import ssl
import threading
from collections.abc import Iterable
from pathlib import Path

import certifi

from exporter.errors import ApiError, Failure
from exporter.files import Watched, load_pem
from exporter.settings import TlsFiles
from exporter.transport.deadline import DeadlineTlsSocket

#: The names under which OpenSSL looks for certificates in a folder: hash and number.
_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")


class TlsContexts:
    """SSL contexts: one for each TLS configuration, loaded again when one of its files has changed.

    Origins share them: reading the system's certificates takes tens of milliseconds of CPU, and all
    of a process's threads wait for it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._contexts: dict[TlsFiles, Watched[ssl.SSLContext]] = {}

    def get(self, tls: TlsFiles) -> ssl.SSLContext:
        """Return the context for these files.

        Raises:
            ApiError: a file cannot be used; the code is `tls`.
        """
        with self._lock:
            known = self._contexts.get(tls)
        if known is not None and not known.has_changed():
            return known.value
        # Outside the lock: reading files may take long, which concerns only their accounts.
        made = Watched(lambda: client_context(tls))
        with self._lock:
            other = self._contexts.get(tls)
            # Another thread was faster: two contexts would mean two transports, of which one ends.
            if other is not None and other is not known:
                return other.value
            self._contexts[tls] = made
        return made.value

    def retain(self, used: Iterable[TlsFiles]) -> None:
        """Forget all other contexts."""
        with self._lock:
            for tls in self._contexts.keys() - set(used):
                del self._contexts[tls]


def client_context(tls: TlsFiles) -> ssl.SSLContext:
    """Return the client's SSL context: it trusts only the given CA file, else the system's store.

    It is not `ssl.create_default_context`, which writes TLS secrets to the file in
    ``SSLKEYLOGFILE`` and, from Python 3.13 on, refuses certificates without certain extensions.
    Many company CAs lack these; curl and Go accept them.

    Raises:
        ApiError: a file is missing, or is not a certificate or key; the code is `tls`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # As on every version of Python: trusting an intermediate is enough for what it has signed.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    mistakes = load_pem(context, tls.files)
    if tls.ca_file is None:
        mistakes |= _trust_system_store(context)
    if mistakes:
        words = "; ".join(f"{key}: {found}" for key, found in mistakes.items())
        raise ApiError(Failure("tls", words))
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.sslsocket_class = DeadlineTlsSocket
    return context


def _trust_system_store(context: ssl.SSLContext) -> dict[str, str]:
    """Trust OpenSSL's certificates, else those of certifi; return the mistakes of the latter.

    ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` name another place, as for curl.
    """
    context.load_default_certs()
    folder = ssl.get_default_verify_paths().capath
    if context.cert_store_stats()["x509"] or (folder and _holds_certificate(Path(folder))):
        return {}
    return load_pem(context, {"ca_file": Path(certifi.where())})


def _holds_certificate(folder: Path) -> bool:
    """Return whether OpenSSL would find any certificate in a folder; it reads them only later."""
    try:
        paths = [path for path in folder.iterdir() if _HASHED.fullmatch(path.name)]
    except OSError:
        return False
    return any(not load_pem(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), {"ca_file": p}) for p in paths)
