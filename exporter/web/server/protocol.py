"""HTTP/1.1 with limits on what a client may use: time, header bytes, unread responses."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import h11
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from exporter.web.responses import CLIENT_LEFT

_ANSWERS = {
    "bad_request": b"400 Bad Request",
    "large_header": b"431 Request Header Fields Too Large",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on what clients may use, one by one and together; times are in seconds.

    ``read_header_timeout`` is for the header of each request, and for a body that is still to come
    when its response is sent. ``write_timeout`` is for each piece of a response;
    ``max_slow_readers`` connections at most may be late with one. ``tls_shutdown_timeout`` is how
    long to wait for a client's own end of TLS. ``idle_timeout`` is above the five minutes after
    which Prometheus closes an unused connection, so that it never sends a scrape into one that is
    being closed here.
    """

    read_header_timeout: float = 10.0
    max_header_bytes: int = 16 * 1024
    max_header_fields: int = 100
    write_timeout: float = 30.0
    max_slow_readers: int = 50
    idle_timeout: int = 310
    tls_handshake_timeout: float = 10.0
    tls_shutdown_timeout: float = 5.0
    max_connections: int = 2048


class Connection(Protocol):
    """A connection that can be dropped."""

    def drop(self, reason: str) -> None:
        """End the connection, for one of `exporter.counters.DROP_REASONS`."""


@dataclass(slots=True)
class ConnectionTracker:
    """All connections of a server, those that are idle, and those that do not read.

    The dictionaries are ordered sets: the connection that has waited longest comes first, and is
    dropped first when there is no room. ``record_drop`` counts it, by its reason. ``stopping`` is
    set when shutdown begins, which ends the connections of that moment.
    """

    limits: Limits
    record_drop: Callable[[str], object]
    connections: set[Connection] = field(default_factory=set)
    idle: dict[Connection, None] = field(default_factory=dict)
    slow_readers: dict[Connection, None] = field(default_factory=dict)
    stopping: bool = False

    def add(self, connection: Connection) -> None:
        """Add a new connection, and drop the longest idle one if there are too many."""
        self.connections.add(connection)
        self.idle[connection] = None
        if len(self.connections) > self.limits.max_connections:
            next(iter(self.idle)).drop("too_many_connections")

    def remove(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        self.connections.discard(connection)
        self.idle.pop(connection, None)
        self.slow_readers.pop(connection, None)


class LimitedProtocol(H11Protocol):
    """uvicorn's protocol, with the limits that it does not have."""

    def __init__(
        self,
        tracker: ConnectionTracker,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
    ) -> None:
        super().__init__(config=config, server_state=server_state, app_state=app_state)
        self._tracker = tracker
        self._limits = tracker.limits
        self._header_bytes = self._header_lines = 0
        self._client_left: asyncio.Future[None] | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the timer of the first request."""
        super().connection_made(transport)
        # So that every unread byte is reported, not only those above the usual 64 KiB.
        transport.set_write_buffer_limits(high=1, low=0)
        self._tracker.add(self)
        self._start_timer("slow_request", self._limits.read_header_timeout)
        if self._tracker.stopping:
            # It was accepted, or shook hands, meanwhile; it would keep the process from ending.
            self.shutdown()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep a half-closed connection until its response is sent; TLS has no such state."""
        self._report_that_the_client_left()
        self._end_after_answer()
        return self._is_answering() and self.scheme == "http"

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection; uvicorn keeps its timer, and so its memory, after a reset."""
        self._report_that_the_client_left()
        self._tracker.remove(self)
        self._stop_timer("slow_request")
        self._stop_timer("slow_reader")
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take the head in pieces that fit the limit, the body as it is, and nothing after it."""
        while data and not self.transport.is_closing():
            if self.conn.their_state is h11.IDLE:
                data = self._receive_header(data)
            elif self.conn.their_state is h11.SEND_BODY:
                self._receive_body(data)
                return
            else:
                self._end_after_answer()
                return
        if self._is_answering() and self.conn.trailing_data[0]:
            self._end_after_answer()

    def _receive_header(self, data: bytes) -> bytes:
        """Take what may belong to a head and return the rest.

        h11 counts only while a head is incomplete, so not one that arrives at once.
        """
        room = self._limits.max_header_bytes - self._header_bytes
        if room <= 0:
            self.drop("large_header")
            return b""
        if "slow_request" not in self._timers:
            self._start_timer("slow_request", self._limits.read_header_timeout)
        self._header_bytes += min(room, len(data))
        self._header_lines += data[:room].count(b"\n")
        if self._header_lines > self._limits.max_header_fields + 2:  # the first and the last line
            self.drop("large_header")
            return b""
        super().data_received(data[:room])
        if self.conn.their_state is not h11.IDLE:
            if self._is_answering():
                self.scope["state"][CLIENT_LEFT] = self._client_left = self.loop.create_future()
            self._header_bytes = self._header_lines = 0
            self._stop_timer("slow_request")
            self._tracker.idle.pop(self, None)
        return data[room:]

    def _receive_body(self, data: bytes) -> None:
        """Take a body, which is not used; one that outlasts its answer ends the connection.

        Closing at once would reset the connection, and the client might never see the answer.
        """
        answered = not self._is_answering()
        super().data_received(data)
        if answered and self.conn.their_state is not h11.SEND_BODY:
            self.transport.close()

    def _report_that_the_client_left(self) -> None:
        """Release the slot of a scrape whose client may never read it."""
        if self._client_left is not None and not self._client_left.done():
            self._client_left.set_result(None)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _end_after_answer(self) -> None:
        """Refuse pipelining: what follows a request is not kept while that is processed."""
        if self.cycle is not None:
            self.cycle.keep_alive = False

    def on_response_complete(self) -> None:
        """Wait for the next request, or for a shorter time for the rest of this one."""
        if not self.transport.is_closing():
            self._tracker.idle[self] = None
            if self.conn.their_state is h11.SEND_BODY:
                self._start_timer("slow_request", self._limits.read_header_timeout)
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Start the timer for a client that has not read its response."""
        super().pause_writing()
        self._tracker.slow_readers[self] = None
        if "slow_reader" not in self._timers:
            self._start_timer("slow_reader", self._limits.write_timeout)
        if len(self._tracker.slow_readers) > self._limits.max_slow_readers:
            next(iter(self._tracker.slow_readers)).drop("slow_reader")

    def resume_writing(self) -> None:
        """Stop that timer; but during shutdown it is for all pieces together."""
        self._tracker.slow_readers.pop(self, None)
        if not self._tracker.stopping:
            self._stop_timer("slow_reader")
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        """Answer invalid HTTP, without a log line for each."""
        self.drop("bad_request")

    def drop(self, reason: str) -> None:
        """End the connection, with an answer where the client may still read one."""
        self._tracker.idle.pop(self, None)
        self._tracker.slow_readers.pop(self, None)
        self._tracker.record_drop(reason)
        if reason in _ANSWERS and not self._is_answering():
            words = _ANSWERS[reason]
            self.transport.write(
                b"HTTP/1.1 %b\r\nContent-Type: text/plain; charset=utf-8\r\n"
                b"Content-Length: %d\r\nConnection: close\r\n\r\n%b\n"
                % (words, len(words) + 1, words)
            )
            self.transport.close()
        else:
            self.transport.abort()

    def _start_timer(self, reason: str, seconds: float) -> None:
        """Drop the connection for this reason unless the timer is stopped in time."""
        self._timers[reason] = self.loop.call_later(seconds, self.drop, reason)

    def _stop_timer(self, reason: str) -> None:
        if timer := self._timers.pop(reason, None):
            timer.cancel()
