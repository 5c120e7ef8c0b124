"""TLS handshakes: counted, limited, and each with the current certificates."""

import asyncio
import ssl
from collections.abc import Callable

from exporter.web.server.protocol import ConnectionTracker, LimitedProtocol


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
