"""The addresses that the server listens on."""

import contextlib
import errno
import os
import socket
from collections.abc import Iterable, Iterator

from exporter.errors import ExporterError

_BACKLOG = 2048

_REASONS = {
    errno.EADDRINUSE: (
        "the port is already in use, by another program or another address given here"
    ),
    errno.EACCES: "this user may not listen there; ports below 1024 often need a privilege",
    errno.EADDRNOTAVAIL: "this machine does not have that address",
}


class _Listener(socket.socket):
    """A socket that keeps a long queue.

    asyncio has one number for how many connections may wait in the kernel and how many it accepts
    in a row; the server passes the second.
    """

    def listen(self, _: int = _BACKLOG, /) -> None:
        """Listen, with room for a burst."""
        super().listen(_BACKLOG)


class ListenError(ExporterError):
    """An address cannot be listened on."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"cannot listen on {address!r}: {reason}")


def _split(address: str) -> tuple[str, int]:
    """Split ``host:port``, ``:port`` and ``[IPv6]:port``."""
    host, colon, port = address.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or (":" in host and not bracketed):
        expected = "expected host:port, :port for every address, or [IPv6 address]:port"
        raise ListenError(address, expected)
    if not (port.isascii() and port.isdigit() and int(port) <= 0xFFFF):
        raise ListenError(address, f"the port is {port!r}; expected a number from 0 to 65535")
    return host[1:-1] if bracketed else host, int(port)


def _bind(family: socket.AddressFamily, host: str, port: int, *, dual: bool) -> socket.socket:
    bound = socket.create_server((host, port), family=family, backlog=_BACKLOG, dualstack_ipv6=dual)
    # Connections inherit it. asyncio sets it only for sockets that name their protocol, which this
    # one does not; without it, every answer on a kept connection waits 40 ms for an
    # acknowledgement.
    bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return _Listener(bound.family, bound.type, bound.proto, fileno=bound.detach())


def _listen_on(address: str) -> Iterator[socket.socket]:
    host, port = _split(address)
    if host in ("", "::"):
        if socket.has_dualstack_ipv6():
            yield _bind(socket.AF_INET6, "::", port, dual=True)
            return
        host = host or "0.0.0.0"
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    # A name may have several addresses, as localhost does, of which one is enough.
    names = dict.fromkeys((family, str(name[0])) for family, _, _, _, name in found)
    errors = []
    for family, name in names:
        try:
            yield _bind(family, name, port, dual=False)
        except OSError as error:
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                raise
            errors.append(error)
    if len(errors) == len(names):
        raise errors[0]


def listen(addresses: Iterable[str]) -> list[socket.socket]:
    """Listen on all addresses, so that clients can connect from now on.

    ``:15457`` and ``[::]:15457`` are every address, IPv6 and IPv4; ``0.0.0.0:15457`` is IPv4 only.

    Raises:
        ListenError: one of them is malformed, in use or not this machine's; then all are closed.
    """
    listeners: list[socket.socket] = []
    with contextlib.ExitStack() as undo:
        for address in addresses:
            try:
                listeners.extend(map(undo.enter_context, _listen_on(address)))
            except (socket.gaierror, UnicodeError):
                raise ListenError(address, "that name has no address") from None
            except OSError as error:
                code = error.errno or 0
                raise ListenError(address, _REASONS.get(code, os.strerror(code))) from None
        undo.pop_all()
    return listeners


def url_of(listener: socket.socket, *, tls: bool) -> str:
    """Return the URL of a listener, for a person to open."""
    host, port = listener.getsockname()[:2]
    host = {"::": "localhost", "0.0.0.0": "localhost"}.get(host, host)
    host = f"[{host}]" if ":" in host else host
    return f"{'https' if tls else 'http'}://{host}:{port}/"
