"""Failures from the errors of `requests`, `urllib3`, `http.client`, `ssl` and `socket`."""

import http.client
import re
import socket
import ssl
from collections.abc import Iterator
from http import HTTPStatus

from urllib3.exceptions import NameResolutionError, NewConnectionError, SSLError
from urllib3.exceptions import TimeoutError as PoolTimeoutError

from exporter.errors import Failure
from exporter.transport.http1 import AnswerTooLarge

#: A reset is one of these, too: under TLS, the version of Python decides how it is reported.
_CLOSED = (
    http.client.RemoteDisconnected,
    http.client.IncompleteRead,
    ssl.SSLEOFError,
    ConnectionResetError,
    BrokenPipeError,
)


def failure_of(
    error: BaseException, host: str, waited_seconds: float, *, received: bool
) -> Failure:
    """Return the code and the message for a request that ended without a complete answer.

    The libraries wrap each other's errors up to four deep; the innermost known one decides.

    Args:
        error: ended the request.
        host: was asked.
        waited_seconds: how long it took.
        received: whether a part of the answer had come.
    """
    causes = tuple(_causes(error))
    if any(isinstance(cause, NameResolutionError | socket.gaierror) for cause in causes):
        reason = next((c.strerror for c in causes if isinstance(c, socket.gaierror)), None)
        # The name may be that of the proxy.
        name = next((c.conn.host for c in causes if isinstance(c, NameResolutionError)), host)
        return Failure("dns", f"no address for {name}: {reason or 'the name cannot be resolved'}")
    if any(_is_timeout(cause) for cause in causes):
        return late(host, waited_seconds)
    if too_large := next(filter(None, map(_too_large, causes)), ""):
        return Failure("too_large", f"the answer of {host} has {too_large}")
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Failure("tls", f"the certificate of {host} is refused: {cause.verify_message}")
    if any(_is_tls(cause) for cause in causes):
        reason = next((c.reason for c in causes if isinstance(c, ssl.SSLError) and c.reason), "")
        words = str(reason).lower().replace("_", " ")
        return Failure("tls", f"TLS with {host} failed: {words or 'the handshake failed'}")
    return Failure("connection", f"{host}: {_reason(causes, received=received)}")


def late(host: str, waited_seconds: float) -> Failure:
    """Return the failure of a request that was not completely answered by its deadline."""
    return Failure("timeout", f"no complete answer from {host} within {waited_seconds:.3g} s")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and all errors that it wraps, in whatever way."""
    pending: list[object] = [error]
    seen: set[int] = set()
    while pending:
        current = pending.pop(0)
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        pending += [current.__cause__, current.__context__, getattr(current, "reason", None)]
        pending += current.args


def _is_timeout(cause: BaseException) -> bool:
    """Return whether it is a timeout; `urllib3` derives a refused connection from one."""
    return isinstance(cause, TimeoutError | PoolTimeoutError) and not isinstance(
        cause, NewConnectionError
    )


def _is_tls(cause: BaseException) -> bool:
    """Return whether a handshake failed; a connection that ended later is `connection`."""
    if isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return False
    return isinstance(cause, ssl.SSLError) or (
        isinstance(cause, SSLError) and not any(isinstance(arg, OSError) for arg in cause.args)
    )


def _too_large(cause: BaseException) -> str:
    """Return what exceeds a limit around a body, or "" if nothing does."""
    if isinstance(cause, AnswerTooLarge):
        return str(cause)
    # `http.client` reads only what a proxy says before it lets a connection through.
    proxy = isinstance(cause, http.client.HTTPException) and "got more than" in str(cause)
    return "a head of the proxy that is larger than allowed" if proxy else ""


def _reason(causes: tuple[BaseException, ...], *, received: bool) -> str:
    """Return the plainest message for a connection that failed."""
    for cause in causes:
        if isinstance(cause, _CLOSED):
            when = "in the middle of the answer" if received else "before an answer came"
            return f"the connection was closed {when}"
        if isinstance(cause, http.client.BadStatusLine):
            return "the answer is not HTTP"
        if isinstance(cause, OSError) and cause.errno and cause.strerror:
            return cause.strerror.lower()
        if isinstance(cause, OSError) and str(cause).startswith("Tunnel connection failed"):
            return "the proxy refused the connection: " + _status_of(str(cause))
    return "the connection failed"


def _status_of(refusal: str) -> str:
    """Return the status of a proxy's refusal; its own text may repeat the password."""
    found = re.search(r": (\d{3})\b", refusal)
    code = int(found[1]) if found else 0
    phrase = HTTPStatus(code).phrase if code in set(HTTPStatus) else "it does not speak HTTP"
    return f"{code} {phrase}" if code else phrase
