"""Connections to the API: kept alive, and not used again if they are old, idle or out of step."""

from __future__ import annotations

import errno
import http.client
import socket
import ssl
from contextlib import suppress
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.wait import wait_for_read

from exporter.clock import boot_seconds
from exporter.transport.deadline import DeadlineSocket, current_request, time_left

#: The longest that a connection may be idle and still be used, in seconds. What stands between
#: (NAT, load balancers) forgets idle connections without a word, after 240 s or 350 s as a rule.
LONGEST_IDLE = 60.0
#: The longest that a connection is used, in seconds: then its name is looked up anew.
LONGEST_LIFE = 180.0
#: Probes on idle connections, in seconds: they also find a peer that is gone while it is awaited.
_KEEP_ALIVE = {"TCP_KEEPIDLE": 20, "TCP_KEEPALIVE": 20, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}


class _FinalResponse(http.client.HTTPResponse):
    """Wait for the final answer: of interim ones (RFC 9110, 15.2) Python passes over only 100.

    An interim answer taken for the final one leaves that on the connection, where it would be taken
    for the answer to the next request.
    """

    def __init__(self, sock: socket.socket, *arguments: Any, **keywords: Any) -> None:
        super().__init__(sock, *arguments, **keywords)
        self._sock = sock

    def begin(self) -> None:
        super().begin()
        while self.status < 200:
            self.headers = None  # type: ignore[assignment]  # what `begin` knows a new answer by
            super().begin()

    def _close_conn(self) -> None:
        """Record on the socket whether more was read than the answer: nobody asked for that."""
        request = current_request()
        if request is not None and self.fp is not None:
            request.peeking = True
            with suppress(OSError):  # one that has timed out is not used again anyway
                self._sock.has_leftover = bool(self.fp.peek(1))  # type: ignore[attr-defined]
            request.peeking = False
        super()._close_conn()  # type: ignore[misc]


class _DeadlineConnection(HTTPConnection):
    """Connect within the deadline, all addresses of the name together.

    `urllib3` gives each address the whole timeout; one that swallows packets would use up the time
    of the others, so each is given its share of what is left.
    """

    response_class = _FinalResponse
    opened_at = 0.0
    used_at = 0.0

    @property
    def is_connected(self) -> bool:
        """Whether it may be used again: not if it is old, nor with bytes that nobody asked for."""
        now = boot_seconds()
        if now - self.used_at > LONGEST_IDLE or now - self.opened_at > LONGEST_LIFE:
            return False
        if self.sock is None or getattr(self.sock, "has_leftover", False):
            return False
        # Else only `request` looks at the socket: later, and once is enough.
        return self._is_silent() if self.proxy_is_tunneling else True

    def _is_silent(self) -> bool:
        """Return whether nothing came on it, neither bytes nor its end."""
        return not wait_for_read(self.sock, timeout=0.0)

    def request(self, *arguments: Any, **keywords: Any) -> None:
        """Send a request; on a new connection if something came on this one meanwhile."""
        request = current_request()
        used_before = self.sock is not None and request is not None and not request.opened
        if used_before and not self._is_silent():
            if self.proxy_is_tunneling:  # which only `urllib3` can open
                raise ConnectionResetError(errno.ECONNRESET, "bytes came that nobody asked for")
            self.close()
        super().request(*arguments, **keywords)

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
            sock = DeadlineSocket(family, kind, protocol)
            try:
                _set_options(sock)
                sock.settimeout(time_left() / (len(addresses) - index))
                sock.connect(address)
            except OSError as error:
                sock.close()
                failure = error
                continue
            self.opened_at = self.used_at = boot_seconds()
            if (request := current_request()) is not None:
                request.opened = True
                request.on_connect()
            return sock
        if isinstance(failure, TimeoutError):
            raise ConnectTimeoutError(self, "no connection in time") from failure
        raise NewConnectionError(self, str(failure)) from failure


def _set_options(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE.items():
        if hasattr(socket, name):  # each system has its own
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class _DeadlineTlsConnection(_DeadlineConnection, HTTPSConnection):
    """The same under TLS; the SSL context brings its own socket class."""

    def _is_silent(self) -> bool:
        """Return whether nothing came, nor was read ahead by TLS, which the socket hides."""
        ahead = isinstance(self.sock, ssl.SSLSocket) and self.sock.pending()
        return not ahead and super()._is_silent()


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _DeadlineConnection

    def _put_conn(self, conn: HTTPConnection | None) -> None:  # type: ignore[override]
        if isinstance(conn, _DeadlineConnection):
            conn.used_at = boot_seconds()
        super()._put_conn(conn)


class _TlsPool(_PlainPool, HTTPSConnectionPool):
    ConnectionCls = _DeadlineTlsConnection


def pool_classes() -> dict[str, type[HTTPConnectionPool]]:
    """Return the pools for ``PoolManager.pool_classes_by_scheme``."""
    return {"http": _PlainPool, "https": _TlsPool}
