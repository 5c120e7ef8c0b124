"""A simulated silo in which any fault can be set, and which remembers what it was asked."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

from exporter.simulator import SimulatedAccount
from exporter.simulator.server import Connection, SimulatedSilo
from exporter.simulator.wire import Request
from tests.simulator.clock import Clock
from tests.simulator.dialect import Dialect, DialectApi
from tests.simulator.fault_plan import FaultPlan
from tests.simulator.fixed_world import FixedWorld

_LOG_LENGTH = 100_000


class ReceivedRequest(NamedTuple):
    """One request as it arrived; ``time`` is a Unix time of the world's clock."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    connection: int
    time: float


class Simulator(SimulatedSilo):
    """A silo whose ``faults`` may be set at any time; it has one account unless some are given.

    ``dialect``, for accounts without their own, ``clock`` and ``before_answer``, which is called
    for each logged request, may be set at any time as well.
    """

    clock: Clock

    def __init__(
        self,
        *accounts: SimulatedAccount,
        tls: ssl.SSLContext | None = None,
        latency: float = 0.0,
        dialect: Dialect | None = None,
    ) -> None:
        self.faults = FaultPlan()
        self.before_answer: Callable[[ReceivedRequest], object] | None = None
        self.requests_total = 0
        self._log: deque[ReceivedRequest] = deque(maxlen=_LOG_LENGTH)
        self._changed = threading.Condition()
        accounts = accounts or (SimulatedAccount(FixedWorld()),)
        super().__init__(*accounts, tls=tls, latency=latency, take_fault=self.faults.take)
        self.clock = Clock()
        self._api: DialectApi = DialectApi(accounts, dialect or Dialect())

    @property
    def dialect(self) -> Dialect:
        """How it answers accounts without a dialect of their own."""
        return self._api.dialect

    @dialect.setter
    def dialect(self, dialect: Dialect) -> None:
        self._api.dialect = dialect

    @property
    def requests(self) -> list[ReceivedRequest]:
        """The latest 100 000 requests that arrived, oldest first."""
        return list(self._log.copy())

    @property
    def connections_open(self) -> int:
        """How many connections are open now."""
        return len(self._open)

    def forget_requests(self) -> None:
        """Empty the log of requests."""
        self._log.clear()

    def wait_until(self, true: Callable[[], bool], seconds: float = 10.0) -> bool:
        """Wait until a condition on requests or connections holds; return False if it never did."""
        with self._changed:
            return self._changed.wait_for(true, seconds)

    async def _connect(self, accepted: socket.socket, number: int) -> None:
        if not self.faults.take_silence():
            await super()._connect(accepted, number)
            return
        with contextlib.suppress(OSError), accepted:  # the client leaves
            while await self._loop.sock_recv(accepted, 65536):
                pass

    def connection_opened(self, connection: Connection) -> None:
        """Record a connection that is ready for requests."""
        super().connection_opened(connection)
        self._notify()

    def connection_closed(self, connection: Connection) -> None:
        """Record that a connection has ended."""
        super().connection_closed(connection)
        self._notify()

    def answer(self, connection: Connection, request: Request) -> None:
        """Log one request, then answer it."""
        received = ReceivedRequest(
            request.method,
            request.path,
            request.query,
            request.headers,
            connection.number,
            self.clock(),
        )
        self._log.append(received)
        self.requests_total += 1
        if self.before_answer is not None:
            self.before_answer(received)
        super().answer(connection, request)
        self._notify()

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()
