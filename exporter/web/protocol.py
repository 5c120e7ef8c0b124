"""What a client may take of the server: time for a head, its size, time to read an answer."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import h11
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

__all__ = ["DROP_REASONS", "Client", "Crowd", "LimitedProtocol", "Limits"]

#: Why the server ended a connection, so that a counter can be there from the start.
DROP_REASONS: Final = (
    "tls_handshake",
    "slow_request",
    "large_head",
    "bad_request",
    "slow_reader",
    "crowded",
)

_ANSWERS: Final = {
    "bad_request": b"400 Bad Request",
    "large_head": b"431 Request Header Fields Too Large",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What clients may take, one by one and together.

    ``request_seconds`` and ``head_bytes`` are for the head of each request, and the seconds also
    for a body that is still to come when the answer is sent; ``reader_seconds`` for each piece of
    an answer, and ``slow_readers`` clients at most may be behind with one.
    ``farewell_seconds`` is how long the end of TLS waits for the client's own.
    ``idle_seconds`` is above the five minutes after which Prometheus closes a connection that it
    does not use, so that it never sends a scrape into one that is just being closed here.
    """

    request_seconds: float = 10.0
    head_bytes: int = 16 * 1024
    reader_seconds: float = 30.0
    slow_readers: int = 50
    idle_seconds: int = 310
    handshake_seconds: float = 10.0
    farewell_seconds: float = 5.0
    connections: int = 2048


class Client(Protocol):
    """A connection that can be ended."""

    def drop(self, reason: str) -> None:
        """End it, for one of `DROP_REASONS`."""


@dataclass(slots=True)
class Crowd:
    """All clients of a server: who is idle, who does not read, how many were dropped and why.

    The dictionaries are ordered sets: whoever has been waiting longest comes first, and goes
    first where there is no room.
    """

    limits: Limits
    clients: set[Client] = field(default_factory=set)
    idle: dict[Client, None] = field(default_factory=dict)
    behind: dict[Client, None] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)

    def enter(self, client: Client) -> None:
        """Note who has come, and end the one that was idle longest if that is one too many."""
        self.clients.add(client)
        self.idle[client] = None
        if len(self.clients) > self.limits.connections:
            next(iter(self.idle)).drop("crowded")

    def leave(self, client: Client) -> None:
        """Forget who has gone."""
        self.clients.discard(client)
        self.idle.pop(client, None)
        self.behind.pop(client, None)


class LimitedProtocol(H11Protocol):
    """uvicorn's protocol, with the limits that it does not have."""

    def __init__(
        self, crowd: Crowd, config: Config, server_state: ServerState, app_state: dict[str, Any]
    ) -> None:
        super().__init__(config=config, server_state=server_state, app_state=app_state)
        self._crowd = crowd
        self._limits = crowd.limits
        self._head_bytes = 0
        self._request_timer: asyncio.TimerHandle | None = None
        self._reader_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock for the first request."""
        super().connection_made(transport)
        # Told of every byte that the client leaves, not only of those above the usual 64 KiB.
        transport.set_write_buffer_limits(high=1, low=0)
        self._crowd.enter(self)
        self._start_request_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client; uvicorn keeps its timer, and so its memory, after a reset."""
        self._crowd.leave(self)
        self._stop_request_timer()
        self._stop_reader_timer()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take the head in pieces that fit the limit, a body as it is, and nothing behind it."""
        while data and not self.transport.is_closing():
            if self.conn.their_state is h11.IDLE:
                data = self._receive_head(data)
            elif self.conn.their_state is h11.SEND_BODY:
                self._receive_body(data)
                return
            else:
                self._end_after_answer()
                return
        if self._is_answering() and self.conn.trailing_data[0]:
            self._end_after_answer()

    def _receive_head(self, data: bytes) -> bytes:
        """Take what may belong to a head and return the rest.

        h11 counts only while a head is incomplete, and one that comes at once is never that.
        """
        room = self._limits.head_bytes - self._head_bytes
        if room <= 0:
            self.drop("large_head")
            return b""
        if self._request_timer is None:
            self._start_request_timer()
        self._head_bytes += min(room, len(data))
        super().data_received(data[:room])
        if self.conn.their_state is not h11.IDLE:
            self._head_bytes = 0
            self._stop_request_timer()
            self._crowd.idle.pop(self, None)
        return data[room:]

    def _receive_body(self, data: bytes) -> None:
        """Take a body, which nothing here reads; one that outlasts its answer ends the connection.

        Ended at once, it would be reset, and the client might never see the answer.
        """
        answered = not self._is_answering()
        super().data_received(data)
        if answered and self.conn.their_state is not h11.SEND_BODY:
            self.transport.close()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _end_after_answer(self) -> None:
        """Give up pipelining: what came behind a request is not kept while it is worked on."""
        if self.cycle is not None:
            self.cycle.keep_alive = False

    def on_response_complete(self) -> None:
        """Wait for the next request, or not so long for the rest of this one."""
        if not self.transport.is_closing():
            self._crowd.idle[self] = None
            if self.conn.their_state is h11.SEND_BODY:
                self._start_request_timer()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Start the clock for a client that has not read what it was sent."""
        super().pause_writing()
        self._crowd.behind[self] = None
        self._reader_timer = self.loop.call_later(
            self._limits.reader_seconds, self.drop, "slow_reader"
        )
        if len(self._crowd.behind) > self._limits.slow_readers:
            next(iter(self._crowd.behind)).drop("slow_reader")

    def resume_writing(self) -> None:
        """Stop that clock."""
        self._crowd.behind.pop(self, None)
        self._stop_reader_timer()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        """Answer what is no HTTP without a line in the log for each."""
        self.drop("bad_request")

    def drop(self, reason: str) -> None:
        """End the connection, with an answer where the client may still read one."""
        self._crowd.idle.pop(self, None)
        self._crowd.behind.pop(self, None)
        self._crowd.dropped[reason] += 1
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

    def _start_request_timer(self) -> None:
        self._request_timer = self.loop.call_later(
            self._limits.request_seconds, self.drop, "slow_request"
        )

    def _stop_request_timer(self) -> None:
        if self._request_timer is not None:
            self._request_timer.cancel()
            self._request_timer = None

    def _stop_reader_timer(self) -> None:
        if self._reader_timer is not None:
            self._reader_timer.cancel()
            self._reader_timer = None
