"""The simulator: the API behind a real socket, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Self, TypeAlias, cast

from exporter.simulator.api import Api, SimulatedAccount
from exporter.simulator.wire import Answer, Request, parse_request

_BACKLOG = 2048
_HEAD_LIMIT = 64 * 1024
_LINGER_ZERO = struct.pack("ii", 1, 0)


class Connection(asyncio.Protocol):
    """Read requests one by one and let the simulator answer each."""

    def __init__(self, number: int, simulator: SimulatedSilo) -> None:
        self.number = number
        self.answered = 0
        self._simulator = simulator
        self._buffer = bytearray()
        self._request: Request | None = None
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; called by asyncio once the TLS handshake, if any, is over."""
        self._transport = cast("asyncio.Transport", transport)
        self._writable.set()
        self._simulator.connection_opened(self)

    def data_received(self, data: bytes) -> None:
        """Collect a request; further ones wait until it is answered."""
        self._buffer += data
        if self._request is None:
            self._next()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's call
        """Abort what is still being written."""
        if self._task is not None:
            self._task.cancel()
        self._simulator.connection_closed(self)

    def pause_writing(self) -> None:
        """Block `drain`, as the client reads too slowly."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Release `drain`."""
        self._writable.set()

    def send(self, answer: Answer) -> None:
        """Answer the current request."""
        if not self._transport.is_closing():
            self._transport.write(answer.wire)
            self.finish()

    def finish(self) -> None:
        """End the current request and take the next one, or close if the client asks for it."""
        request, self._request = self._request, None
        self.answered += 1
        if request is not None and request.headers.get("connection", "").lower() == "close":
            self.close()
        else:
            self._next()

    def run(self, answering: Coroutine[None, None, None]) -> None:
        """Answer the current request in a coroutine that ends with the connection."""
        self._task = asyncio.get_running_loop().create_task(answering)
        self._task.add_done_callback(_report)

    def write(self, data: bytes) -> None:
        """Send bytes unchanged."""
        self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the client has read most of what was written."""
        await self._writable.wait()

    def close(self) -> None:
        """Close normally, after what was written."""
        self._transport.close()

    def reset(self) -> None:
        """Drop the connection by a TCP reset."""
        sock = self._transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
        self._transport.abort()

    def _next(self) -> None:
        end = self._buffer.find(b"\r\n\r\n") + 4
        if end < 4:
            if len(self._buffer) > _HEAD_LIMIT:
                self.close()
            return
        request = parse_request(bytes(self._buffer[:end]))
        if request is None:
            self.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            self.close()
            return
        end += int(request.headers.get("content-length", "0"))
        if len(self._buffer) >= end:
            del self._buffer[:end]
            self._request = request
            self._simulator.answer(self, request)


def _report(task: asyncio.Task[None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        context = {"message": "a fault failed", "exception": error}
        task.get_loop().call_exception_handler(context)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request, the API's answer, and the connection.

    ``ask`` returns the API's answer for another path and query with the same headers.
    """

    request: Request
    answer: Answer
    ask: Callable[[str], Answer]
    connection: Connection


#: One fault: it writes to the exchange's connection, in place of the answer.
Fault: TypeAlias = Callable[[Exchange], Awaitable[None]]
#: Returns the fault for a request, by its account, path and queue; None to answer it.
TakeFault: TypeAlias = Callable[[str | None, str, str | None], Fault | None]


class SimulatedSilo:
    """A stand-in for one CallTools silo, on loopback, for as long as the ``with`` block lasts.

    These may be changed at any time: ``latency`` (seconds before each answer) and ``tls`` (for
    later connections). ``clock`` returns the Unix time of its world.
    """

    def __init__(
        self,
        *accounts: SimulatedAccount,
        tls: ssl.SSLContext | None = None,
        latency: float = 0.0,
        take_fault: TakeFault = lambda *_: None,
    ) -> None:
        self.clock: Callable[[], float] = time.time
        self.latency = latency
        self.tls = tls
        self.connections_opened = 0
        self._api = Api(accounts)
        self._take_fault = take_fault
        self._address = ("127.0.0.1", 0)
        self._open: set[Connection] = set()
        self._connecting: dict[asyncio.Task[None], socket.socket] = {}
        self._problems: list[str] = []
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop
        self._stopping: asyncio.Event
        self._gone: asyncio.Event

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The origin to ask, once started."""
        host, port = self._address
        return f"{'https' if self.tls else 'http'}://{host}:{port}"

    def start(self) -> None:
        """Listen, on the same port again if it was stopped before."""
        listener = socket.create_server(self._address, backlog=_BACKLOG)
        listener.settimeout(0)
        self._address = listener.getsockname()[:2]
        started = threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(listener, started)),
            name="simulator",
            daemon=True,
        )
        self._thread.start()
        started.wait()

    def stop(self) -> None:
        """Close every socket and wait for the thread.

        Raises:
            RuntimeError: something went wrong in the simulator itself.
        """
        if self._thread is None:
            return
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._thread = None
        if self._problems:
            raise RuntimeError("the simulator failed: " + "; ".join(self._problems))

    async def _serve(self, listener: socket.socket, started: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._note_problem)
        self._stopping, self._gone = asyncio.Event(), asyncio.Event()
        self._loop.add_reader(listener, self._accept, listener)
        started.set()
        await self._stopping.wait()
        self._loop.remove_reader(listener)
        listener.close()
        unfinished = dict(self._connecting)
        for task in unfinished:
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
        for accepted in unfinished.values():
            accepted.close()
        for connection in tuple(self._open):
            connection.reset()
        while self._open:
            self._gone.clear()
            await self._gone.wait()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):  # the client has left already
            accepted, _ = listener.accept()
            accepted.settimeout(0)
            self.connections_opened += 1
            task = self._loop.create_task(self._connect(accepted, self.connections_opened))
            self._connecting[task] = accepted
            task.add_done_callback(self._connecting.pop)

    async def _connect(self, accepted: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError):  # the client leaves, or refuses the certificate
            await self._loop.connect_accepted_socket(
                lambda: Connection(number, self), accepted, ssl=self.tls
            )

    def connection_opened(self, connection: Connection) -> None:
        """Record a connection that is ready for requests."""
        self._open.add(connection)

    def connection_closed(self, connection: Connection) -> None:
        """Record that a connection has ended."""
        self._open.discard(connection)
        self._gone.set()

    def answer(self, connection: Connection, request: Request) -> None:
        """Answer one request, with the API's answer or with the fault for it."""
        answer = self._api.answer(request, self.clock())
        fault = self._fault(request)
        if fault is not None:
            exchange = Exchange(request, answer, partial(self._ask, request), connection)
            connection.run(self._go_wrong(fault, exchange))
        elif self.latency > 0:
            self._loop.call_later(self.latency, connection.send, answer)
        else:
            connection.send(answer)

    def _fault(self, request: Request) -> Fault | None:
        account = self._api.account(request)
        name = None if account is None else account.name
        return self._take_fault(name, request.path, request.query.get("queue"))

    async def _go_wrong(self, fault: Fault, exchange: Exchange) -> None:
        await asyncio.sleep(self.latency)
        await fault(exchange)

    def _ask(self, request: Request, target: str) -> Answer:
        return self._api.answer(request.to(target), self.clock())

    def _note_problem(self, _: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        if "_call_connection_lost" in str(context.get("message")):
            return  # asyncio ends a connection twice if it is reset while its last bytes are sent
        self._problems.append(f"{context.get('message')}: {context.get('exception')!r}")
