"""Sockets that keep one deadline for a whole request, however its bytes drip.

A timeout of `requests` counts anew for each read, so a server that sends a byte now and then is
never late. Here every operation on the socket is given only the time that is left.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

__all__ = ["Deadline", "DeadlineTlsSocket", "InFlightRequest", "in_flight", "pool_classes"]

T = TypeVar("T")


class Deadline:
    """The moment until which an answer is waited for; it may be moved to a later one meanwhile."""

    __slots__ = ("at",)

    def __init__(self, at: float) -> None:
        self.at = at

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the deadline that many seconds from now."""
        return cls(time.monotonic() + seconds)

    def remaining(self) -> float:
        """Return the seconds that are left, negative once it has passed."""
        return self.at - time.monotonic()

    def extend(self, at: float) -> None:
        """Move it to a later moment; an earlier one changes nothing."""
        self.at = max(self.at, at)


class InFlightRequest:
    """What the sockets note of the request that this thread has under way."""

    __slots__ = ("deadline", "on_connect", "opened", "received")

    def __init__(self, deadline: Deadline, on_connect: Callable[[], None]) -> None:
        self.deadline = deadline
        self.on_connect = on_connect
        self.opened = False
        self.received = False


class _Current(threading.local):
    request: InFlightRequest | None = None


_current = _Current()


@contextlib.contextmanager
def in_flight(deadline: Deadline, on_connect: Callable[[], None]) -> Iterator[InFlightRequest]:
    """Bind what this thread sends and receives meanwhile to one deadline."""
    _current.request = InFlightRequest(deadline, on_connect)
    try:
        yield _current.request
    finally:
        _current.request = None


def _time_left() -> float:
    """Return the positive number of seconds that are left for this thread's request.

    Outside a request (a pool that closes its connections says goodbye) there is none to keep.
    """
    if _current.request is None:
        return 1.0
    remaining = _current.request.deadline.remaining()
    if remaining <= 0:
        raise TimeoutError("the deadline of the request has passed")
    return remaining


def _receive(sock: socket.socket, operation: Callable[..., T], *arguments: Any) -> T:
    """Receive within the deadline, and go on waiting when it was moved meanwhile."""
    while True:
        sock.settimeout(_time_left())
        try:
            result = operation(*arguments)
        except TimeoutError:
            continue
        if result and _current.request is not None:
            _current.request.received = True
        return result


class _DeadlineSocket(socket.socket):
    """A plain socket that gives each operation only the time that is left."""

    def recv(self, *arguments: Any) -> bytes:
        return _receive(self, super().recv, *arguments)

    def recv_into(self, *arguments: Any) -> int:
        return _receive(self, super().recv_into, *arguments)

    def sendall(self, *arguments: Any) -> None:
        self.settimeout(_time_left())
        super().sendall(*arguments)


class DeadlineTlsSocket(ssl.SSLSocket):
    """A TLS socket that gives each operation only the time that is left.

    Python's own ``recv``, ``recv_into`` and ``sendall`` go through the methods overridden here.
    """

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - ssl's signature
        """Shake hands within the deadline."""
        self.settimeout(_time_left())
        super().do_handshake(block)

    def read(self, *arguments: Any) -> bytes:
        """Read what has come within the deadline."""
        return _receive(self, super().read, *arguments)

    def send(self, *arguments: Any) -> int:
        """Send within the deadline."""
        self.settimeout(_time_left())
        return super().send(*arguments)


class _FinalResponse(http.client.HTTPResponse):
    """Wait for the final answer: of interim ones (RFC 9110, 15.2) Python passes over only 100.

    An interim answer taken for the final one leaves that on the connection, where it would be taken
    for the answer to the next request.
    """

    def begin(self) -> None:
        super().begin()
        while self.status < 200:
            self.headers = None  # type: ignore[assignment]  # what `begin` knows a new answer by
            super().begin()


class _DeadlineConnection(HTTPConnection):
    """Connect within the deadline, all addresses of the name together.

    `urllib3` gives each address the whole timeout; one that swallows packets would use up the time
    of the others, so each is given its share of what is left.
    """

    response_class = _FinalResponse

    def _new_conn(self) -> socket.socket:
        try:
            addresses = socket.getaddrinfo(
                self.host.strip("[]"), self.port, type=socket.SOCK_STREAM
            )
        except (socket.gaierror, UnicodeError) as error:
            reason = error if isinstance(error, socket.gaierror) else socket.gaierror(str(error))
            raise NameResolutionError(self.host, self, reason) from error
        failure: OSError = OSError("the name has no address")
        for index, (family, kind, protocol, _, address) in enumerate(addresses):
            sock = _DeadlineSocket(family, kind, protocol)
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(_time_left() / (len(addresses) - index))
                sock.connect(address)
            except OSError as error:
                sock.close()
                failure = error
                continue
            if _current.request is not None:
                _current.request.opened = True
                _current.request.on_connect()
            return sock
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(self, "no connection in time") from failure
        raise NewConnectionError(self, str(failure)) from failure


class _DeadlineTlsConnection(_DeadlineConnection, HTTPSConnection):
    """The same under TLS; the SSL context brings its own socket class."""

    @property
    def is_connected(self) -> bool:
        """Tell whether it may be used again: not with bytes that TLS has read ahead on it.

        They are of no answer that was asked for, and `urllib3`, which looks at the socket below,
        does not see them.
        """
        ahead = isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()
        return super().is_connected and not ahead


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _DeadlineConnection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _DeadlineTlsConnection


def pool_classes() -> dict[str, type[HTTPConnectionPool]]:
    """Return the pools for ``PoolManager.pool_classes_by_scheme``."""
    return {"http": _PlainPool, "https": _TlsPool}
