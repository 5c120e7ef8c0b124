"""The simulator: the API behind a real socket, in a thread of its own."""

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Self

from exporter.simulator.api import Api, SimulatedAccount
from exporter.simulator.wire import Answer, Connection, Exchange, Fault, Request, TakeFault

_BACKLOG = 2048


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
