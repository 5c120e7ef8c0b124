"""The server: uvicorn on our own sockets; signals end it once open requests are answered.

systemd, where it started the process, is notified when clients are served and when shutdown begins.
"""

import asyncio
import contextlib
import signal
import socket
import ssl
import threading
from asyncio.sslproto import SSLProtocol
from collections.abc import Awaitable, Callable, Generator, Sequence
from functools import partial

import structlog
import uvicorn
from starlette.applications import Starlette

from exporter import signals, systemd
from exporter.errors import ConfigurationError
from exporter.web.server.listeners import url_of
from exporter.web.server.process import ShortageLog, connection_limit
from exporter.web.server.protocol import ConnectionTracker, LimitedProtocol, Limits

#: Connections that are accepted in a row, before others are served again.
_ACCEPTED_AT_ONCE = 4
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

log = structlog.get_logger(__name__)


class TlsHandshake(asyncio.Protocol):
    """Shake hands with one client, then hand the connection over.

    asyncio's own TLS server has a single context, lets any number of clients stay silent, and does
    not report those that fail.
    """

    def __init__(
        self,
        tracker: ConnectionTracker,
        context: Callable[[], ssl.SSLContext],
        make_protocol: Callable[[], LimitedProtocol],
    ) -> None:
        self._tracker = tracker
        self._context = context
        self._make_protocol = make_protocol
        self._early = b""
        self._transport: asyncio.Transport
        self._task: asyncio.Task[None]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        # Anything read before TLS takes over would be lost.
        transport.pause_reading()
        self._transport = transport
        if self._tracker.stopping:
            self.end()
            return
        self._tracker.add(self)
        self._task = asyncio.get_running_loop().create_task(self._shake_hands())

    async def _shake_hands(self) -> None:
        tls = None
        try:
            tls = await asyncio.get_running_loop().start_tls(
                self._transport,
                self,
                self._context(),
                server_side=True,
                ssl_handshake_timeout=self._tracker.limits.tls_handshake_timeout,
                ssl_shutdown_timeout=self._tracker.limits.tls_shutdown_timeout,
            )
        except OSError:
            self._tracker.record_drop("tls_handshake")
        finally:
            self._tracker.remove(self)
        if tls is not None and not tls.is_closing():
            protocol = self._make_protocol()
            tls.set_protocol(protocol)
            protocol.connection_made(tls)
            protocol.data_received(self._early)

    def data_received(self, data: bytes) -> None:
        """Keep what arrives together with the end of the handshake."""
        self._early += data

    def drop(self, reason: str) -> None:
        """End the connection before it is established."""
        self._tracker.remove(self)
        self._tracker.record_drop(reason)
        self._transport.abort()

    def end(self) -> None:
        """End the connection as shutdown begins: since Python 3.12, a server waits for it."""
        self._transport.abort()


class Server(uvicorn.Server):
    """uvicorn with limits for each client, until a signal or `stop` ends it.

    It does not raise the signal again at the end, which would make the process end with 143 instead
    of 0.

    Args:
        app: the application; its ``state.stopping`` is set when shutdown begins.
        listeners: sockets from `exporter.web.server.listeners.listen`; they are closed at the end.
        ssl_context: for HTTPS: gives the context of each handshake.
        on_hangup: called on SIGHUP; without it, SIGHUP ends the server.
        limits: limits for clients.
        api_connections: how many descriptors connections to the API may need; the other clients
            get what the process has beyond these, unless limits are given.
        record_drop: is called with the reason of each connection that is dropped.
    """

    def __init__(  # noqa: PLR0913 - all but two have a default
        self,
        app: Starlette,
        listeners: Sequence[socket.socket],
        *,
        ssl_context: Callable[[], ssl.SSLContext] | None = None,
        on_hangup: Callable[[], Awaitable[object]] | None = None,
        limits: Limits | None = None,
        api_connections: int = 256,
        record_drop: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.serving = threading.Event()
        self.connections = ConnectionTracker(
            limits or Limits(max_connections=connection_limit(api_connections)), record_drop
        )
        self._app = app
        self._listeners = list(listeners)
        self._ssl_context = ssl_context
        self._on_hangup = on_hangup
        self._hangups: set[asyncio.Task[None]] = set()
        # Otherwise each TLS connection, idle or not, holds a buffer of 256 KiB.
        SSLProtocol.max_size = 32 * 1024
        super().__init__(
            uvicorn.Config(
                app,
                http=LimitedProtocol,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                # Its warnings are a line for every piece of garbage received.
                log_level="error",
                access_log=False,
                # Otherwise it reads WEB_CONCURRENCY.
                workers=1,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=self.connections.limits.idle_timeout,
                h11_max_incomplete_event_size=self.connections.limits.max_header_bytes,
            )
        )

    @property
    def urls(self) -> list[str]:
        """Where a person can reach the server, one for each socket."""
        tls = self._ssl_context is not None
        return [url_of(listener, tls=tls) for listener in self._listeners]

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve; return when everything in flight at the end has been answered."""
        asyncio.run(self.serve(sockets or self._listeners))

    def stop(self) -> None:
        """Do what SIGTERM does; from any thread."""
        self._app.state.stopping = True
        self.should_exit = True
        systemd.notify(systemd.STOPPING)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve the sockets, each connection with our protocol."""
        await super().startup(sockets=[])
        serve = partial(
            LimitedProtocol, self.connections, self.config, self.server_state, self.lifespan.state
        )
        make_protocol: Callable[[], asyncio.Protocol] = serve
        if self._ssl_context:
            make_protocol = partial(TlsHandshake, self.connections, self._ssl_context, serve)
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(ShortageLog())
        for listener in sockets or []:
            server = await loop.create_server(
                make_protocol, sock=listener, backlog=_ACCEPTED_AT_ONCE
            )
            self.servers.append(server)
        self.serving.set()
        if signals.take_hangup():
            # It arrived while the process was starting, maybe after the configuration was read.
            self._signalled(signal.SIGHUP)
        systemd.notify(systemd.READY)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Notify the application, then answer requests in flight."""
        self.connections.stopping = True
        for connection in self.connections.connections:
            if isinstance(connection, TlsHandshake):
                connection.end()
        self._app.state.shutdown.set()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Handle signals on the event loop while it runs; only a main thread can."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._signalled, number)
        try:
            yield
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)
            # The process is about to end: a SIGHUP must not kill it now.
            signals.expect_signals()

    def _signalled(self, number: signal.Signals) -> None:
        """Reload or stop; at the second call to stop, without waiting for anything."""
        if number == signal.SIGHUP and self._on_hangup is not None:
            self._hung_up(self._on_hangup)
            return
        if number == signal.SIGHUP and signals.ignores_hangup():
            return
        if self._app.state.stopping:
            signals.end_by(number)
        self.stop()

    def _hung_up(self, on_hangup: Callable[[], Awaitable[object]]) -> None:
        task = asyncio.get_running_loop().create_task(_call(on_hangup))
        self._hangups.add(task)
        task.add_done_callback(self._hangups.discard)


async def _call(on_hangup: Callable[[], Awaitable[object]]) -> None:
    try:
        await on_hangup()
    except ConfigurationError:
        pass  # Its mistakes are already in the log, the only place for those of a signal.
    except Exception:
        log.exception("Internal error during a reload")
