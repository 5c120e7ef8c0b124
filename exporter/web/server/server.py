"""The server: uvicorn, on our own sockets, ended by signals with an answer for who is waiting."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import socket
import ssl
import threading
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from typing import Final

import structlog
import uvicorn
from starlette.applications import Starlette

from exporter.web.server.listeners import url_of
from exporter.web.server.protocol import ConnectionTracker, LimitedProtocol, Limits
from exporter.web.server.tls_handshake import TlsHandshake

__all__ = ["Server"]

#: Connections that are accepted before those that are there get their turn again.
_ACCEPTED_AT_ONCE: Final = 4
_END_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

log = structlog.get_logger(__name__)


class _Uvicorn(uvicorn.Server):
    """uvicorn with limits for each client, and with signals that are not raised again at the end.

    Raised again, as uvicorn does it, they would make the process end with 143 instead of 0.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        tracker: ConnectionTracker,
        *,
        ssl_context: Callable[[], ssl.SSLContext] | None,
        signals: Mapping[signal.Signals, Callable[[], object]],
        on_started: Callable[[], object],
    ) -> None:
        super().__init__(config)
        self._tracker = tracker
        self._ssl_context = ssl_context
        self._signals = signals
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve the sockets, each connection with our protocol."""
        await super().startup(sockets=[])
        serve = partial(
            LimitedProtocol, self._tracker, self.config, self.server_state, self.lifespan.state
        )
        make_protocol: Callable[[], asyncio.Protocol] = serve
        if self._ssl_context:
            make_protocol = partial(TlsHandshake, self._tracker, self._ssl_context, serve)
        loop = asyncio.get_running_loop()
        for listener in sockets or []:
            server = await loop.create_server(
                make_protocol, sock=listener, backlog=_ACCEPTED_AT_ONCE
            )
            self.servers.append(server)
        self._on_started()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Handle signals on the event loop while it runs; only a main thread can."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        for number, handler in self._signals.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number in self._signals:
                loop.remove_signal_handler(number)


class Server:
    """Serve an application until a signal or `stop` ends it.

    Args:
        app: the application; its ``state.stopping`` is set when the end begins.
        listeners: sockets from `exporter.web.server.listeners.listen`; they are closed in the end.
        ssl_context: for HTTPS: gives the context of each handshake.
        on_hangup: what SIGHUP calls, in a thread.
        on_started: is called when clients are served.
        on_stopping: is called when the end begins.
        limits: what clients may take.
    """

    def __init__(  # noqa: PLR0913 - all but two have a default
        self,
        app: Starlette,
        listeners: Sequence[socket.socket],
        *,
        ssl_context: Callable[[], ssl.SSLContext] | None = None,
        on_hangup: Callable[[], object] | None = None,
        on_started: Callable[[], object] | None = None,
        on_stopping: Callable[[], object] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.started = threading.Event()
        self.connections = ConnectionTracker(limits or Limits())
        self._app = app
        self._listeners = list(listeners)
        self._tls = ssl_context is not None
        # Or each TLS connection, idle or not, would hold a buffer of 256 KiB.
        SSLProtocol.max_size = 32 * 1024
        self._on_hangup = on_hangup
        self._on_started = on_started
        self._on_stopping = on_stopping
        config = uvicorn.Config(
            app,
            http=LimitedProtocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            # Its warnings are a line for each piece of garbage that anybody sends.
            log_level="error",
            access_log=False,
            # Or it would read WEB_CONCURRENCY.
            workers=1,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=self.connections.limits.idle_timeout,
            h11_max_incomplete_event_size=self.connections.limits.max_header_bytes,
        )
        signals: dict[signal.Signals, Callable[[], object]]
        signals = {number: partial(self._signalled, number) for number in _END_SIGNALS}
        if on_hangup is not None:
            signals[signal.SIGHUP] = self._hung_up
        self._uvicorn = _Uvicorn(
            config,
            self.connections,
            ssl_context=ssl_context,
            signals=signals,
            on_started=self._started,
        )

    @property
    def urls(self) -> list[str]:
        """Where a person can reach the server, one for each socket."""
        return [url_of(listener, tls=self._tls) for listener in self._listeners]

    def run(self) -> None:
        """Serve; return when everything that was in flight at the end is answered."""
        _allow_open_files()
        asyncio.run(self._uvicorn.serve(sockets=self._listeners))

    def stop(self) -> None:
        """Do what SIGTERM does; from any thread."""
        self._app.state.stopping = True
        self._uvicorn.should_exit = True
        if self._on_stopping is not None:
            self._on_stopping()

    def _started(self) -> None:
        self.started.set()
        if self._on_started is not None:
            self._on_started()

    def _signalled(self, number: signal.Signals) -> None:
        """Stop; at the second time, without waiting for anything."""
        if self._app.state.stopping:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self.stop()

    def _hung_up(self) -> None:
        asyncio.get_running_loop().run_in_executor(None, self._call_on_hangup)

    def _call_on_hangup(self) -> None:
        try:
            if self._on_hangup is not None:
                self._on_hangup()
        except Exception:
            log.exception("what SIGHUP asks for failed")


def _allow_open_files() -> None:
    """Use as many descriptors as the process may have; the usual soft limit is from the 1980s."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
