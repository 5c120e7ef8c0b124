"""Connections to the API: kept alive, and not reused if they are old, idle or out of sync."""

import socket
from collections.abc import Mapping
from functools import partial
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.ssltransport import SSLTransport
from urllib3.util.wait import wait_for_read

from exporter.clock import boot_seconds
from exporter.transport.deadline import (
    DeadlineSocket,
    DeadlineTlsSocket,
    current_request,
    time_left,
)
from exporter.transport.http1 import StreamedAnswer, request_head

#: The longest that a connection may be idle and still be used, in seconds. NAT and load balancers
#: drop idle connections silently, usually after 240 s or 350 s.
LONGEST_IDLE = 60.0
#: The longest that a connection is used, in seconds: then its name is resolved again.
LONGEST_LIFE = 180.0
#: Keep-alive probes, in seconds: they also detect a peer that is gone during a request.
_KEEP_ALIVE = {"TCP_KEEPIDLE": 20, "TCP_KEEPALIVE": 20, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}


class _DeadlineConnection(HTTPConnection):
    """Connect within the deadline, for all addresses of the name together.

    `urllib3` gives each address the whole timeout, so that one that drops packets uses up the time
    of the others; here, each gets its share of what is left.
    """

    opened_at = 0.0
    used_at = 0.0

    @property
    def is_connected(self) -> bool:
        """Whether it may be used again; whether something has arrived on it is checked on use."""
        now = boot_seconds()
        too_old = now - self.used_at > LONGEST_IDLE or now - self.opened_at > LONGEST_LIFE
        return not (too_old or self.is_closed)

    def is_silent(self) -> bool:
        """Return whether nothing has arrived on it, neither bytes nor its end."""
        return not wait_for_read(self.sock, timeout=0.0)

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
                request.on_connect()
            return sock
        if isinstance(failure, TimeoutError):
            request = current_request()
            if request is not None and request.deadline.remaining() > 0:
                return self._new_conn()  # the deadline was moved meanwhile
            raise ConnectTimeoutError(self, "no connection in time") from failure
        raise NewConnectionError(self, str(failure)) from failure


def _set_options(sock: socket.socket) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE.items():
        if hasattr(socket, name):  # each system has its own
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


class _DeadlineTlsConnection(_DeadlineConnection, HTTPSConnection):
    """The same with TLS; the SSL context brings its own socket class."""

    def is_silent(self) -> bool:
        """Return whether nothing has arrived, nor was read ahead by TLS, which the socket hides."""
        sock: Any = self.sock
        ahead = 0
        if isinstance(sock, SSLTransport):  # TLS within that of a proxy
            ahead, sock = sock.incoming.pending + sock.sslobj.pending(), sock.socket
        ahead += sock.pending()
        if ahead or super().is_silent():
            return not ahead
        unused = self.used_at == self.opened_at
        return unused and isinstance(self.sock, DeadlineTlsSocket) and self.sock.read_tickets()


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _DeadlineConnection

    def urlopen(  # type: ignore[override]
        self, method: str, url: str, *, headers: Mapping[str, str], **_: object
    ) -> StreamedAnswer:
        """Send a request without a body, on a kept connection or a new one; read the answer's head.

        Of what `urllib3` does besides, nothing is asked for here: no retries, no redirects.
        """
        connection: Any = self._get_conn()
        try:
            request = current_request()
            fresh = request is not None and request.fresh
            if not connection.is_closed and (fresh or not connection.is_silent()):
                connection.close()
            if request is not None:
                request.reused = not connection.is_closed
            if self.proxy is not None and not self._tunnels:
                headers = {**headers, **self.proxy_headers}
            self._connect(connection)
            connection.sock.sendall(request_head(method, url, headers))
            return StreamedAnswer(connection.sock, partial(self._release, connection))
        except BaseException:
            self._release(connection, keep=False)
            raise

    def take(self, number: int) -> list[Any]:
        """Take connections out of the pool, open or not; they come back by `open_ahead`."""
        return [self._get_conn() for _ in range(number)]

    def open_ahead(self, connection: Any) -> None:  # noqa: ANN401
        """Open a connection for a request to come, unless it is open."""
        try:
            self._connect(connection)
        except BaseException:
            self._release(connection, keep=False)
            raise
        self._put_conn(connection)

    @property
    def _tunnels(self) -> bool:
        return self.proxy is not None and self.scheme == "https"

    def _connect(self, connection: Any) -> None:  # noqa: ANN401
        if not connection.is_closed:
            return
        if self._tunnels:
            self._prepare_proxy(connection)
        else:
            connection.connect()

    def _release(self, connection: _DeadlineConnection, keep: bool) -> None:  # noqa: FBT001
        """Keep a connection for the next request, or let that one open a new one."""
        if not keep:
            connection.close()
        connection.used_at = boot_seconds()
        self._put_conn(connection if keep else None)


class _TlsPool(_PlainPool, HTTPSConnectionPool):
    ConnectionCls = _DeadlineTlsConnection


def pool_classes() -> dict[str, type[HTTPConnectionPool]]:
    """Return the pools for ``PoolManager.pool_classes_by_scheme``."""
    return {"http": _PlainPool, "https": _TlsPool}
