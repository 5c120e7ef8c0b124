"""Sockets with one deadline for a whole request, however slowly its bytes arrive.

A timeout of `requests` starts again with each read, so a server that sends a byte now and then is
never late. Here, every operation on the socket gets only the time that is left.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from exporter.clock import boot_seconds

T = TypeVar("T")


class Deadline:
    """The time at which a request ends, by `boot_seconds`; it may be moved to a later one."""

    __slots__ = ("at",)

    def __init__(self, at: float) -> None:
        self.at = at

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the deadline after a number of seconds."""
        return cls(boot_seconds() + seconds)

    def remaining(self) -> float:
        """Return the seconds that are left, negative once it has passed."""
        return self.at - boot_seconds()

    def extend(self, at: float) -> None:
        """Move it to a later time; an earlier one changes nothing."""
        self.at = max(self.at, at)


class InFlightRequest:
    """What the sockets record of the request that this thread has in flight."""

    __slots__ = ("deadline", "fresh", "on_connect", "received", "reused")

    def __init__(self, deadline: Deadline, on_connect: Callable[[], None], *, fresh: bool) -> None:
        self.deadline = deadline
        self.on_connect = on_connect
        self.fresh = fresh
        self.reused = False
        self.received = False


class _Current(threading.local):
    request: InFlightRequest | None = None


_current = _Current()


@contextlib.contextmanager
def in_flight(
    deadline: Deadline, on_connect: Callable[[], None], *, fresh: bool = False
) -> Iterator[InFlightRequest]:
    """Bind what this thread sends and receives within the block to one deadline.

    ``fresh`` has it sent on a new connection.
    """
    _current.request = InFlightRequest(deadline, on_connect, fresh=fresh)
    try:
        yield _current.request
    finally:
        _current.request = None


def current_request() -> InFlightRequest | None:
    """Return the request that this thread has in flight.

    There is none while a pool closes its connections, which say goodbye under TLS.
    """
    return _current.request


def time_left() -> float:
    """Return the positive number of seconds that are left for this thread's request."""
    if _current.request is None:
        return 1.0
    remaining = _current.request.deadline.remaining()
    if remaining <= 0:
        raise TimeoutError("the deadline of the request has passed")
    return remaining


def _receive(sock: socket.socket, operation: Callable[..., T], *arguments: Any) -> T:
    """Wait for the peer within the deadline, and go on waiting if it was moved meanwhile."""
    request = _current.request
    while True:
        sock.settimeout(time_left())
        try:
            result = operation(*arguments)
        except TimeoutError:
            continue
        if result and request is not None:
            request.received = True
        return result


class DeadlineSocket(socket.socket):
    """A plain socket whose operations get only the time that is left."""

    def recv(self, *arguments: Any) -> bytes:
        """Receive within the deadline."""
        return _receive(self, super().recv, *arguments)

    def recv_into(self, *arguments: Any) -> int:
        """Receive within the deadline."""
        return _receive(self, super().recv_into, *arguments)

    def sendall(self, *arguments: Any) -> None:
        """Send within the deadline."""
        self.settimeout(time_left())
        super().sendall(*arguments)


class DeadlineTlsSocket(ssl.SSLSocket):
    """A TLS socket whose operations get only the time that is left.

    Python's own ``recv``, ``recv_into`` and ``sendall`` go through the methods overridden here.
    """

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - ssl's signature
        """Shake hands within the deadline."""
        _receive(self, super().do_handshake, block)

    def read(self, *arguments: Any) -> bytes:
        """Read what arrives within the deadline."""
        return _receive(self, super().read, *arguments)

    def send(self, *arguments: Any) -> int:
        """Send within the deadline."""
        self.settimeout(time_left())
        return super().send(*arguments)

    def read_tickets(self) -> bool:
        """Read what TLS 1.3 sends after the handshake; return whether nothing else has arrived."""
        self.settimeout(0)
        try:
            super().read(1)
        except ssl.SSLWantReadError:
            return True
        except OSError:
            pass
        return False
