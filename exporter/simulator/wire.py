"""HTTP/1.1 of the simulator: a connection reads requests, and writes bytes, valid or not."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from typing import Protocol, TypeAlias, cast
from urllib.parse import parse_qsl

_HEAD_LIMIT = 64 * 1024
_LINGER_ZERO = struct.pack("ii", 1, 0)
_REQUEST_LINE = re.compile(r"([A-Z]+) (\S+) HTTP/1\.[01]")


@dataclass(frozen=True, slots=True)
class Request:
    """One request; header names are in lower case, ``query`` holds the last of equal names."""

    method: str
    target: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]

    def to(self, target: str) -> Request:
        """Return the same request for another path and query."""
        path, _, query = target.partition("?")
        words = dict(parse_qsl(query, keep_blank_values=True))
        return Request(self.method, target, path, words, self.headers)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; ``wire`` is all of it in bytes, with its ``Content-Length``."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    wire: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "wire", self.head() + self.body)

    def head(self, *extra: tuple[str, str]) -> bytes:
        """Return the head; an extra header takes the place of the one with its name."""
        try:
            reason = HTTPStatus(self.status).phrase
        except ValueError:
            reason = ""
        headers = {"Content-Length": str(len(self.body))} if self.status != 204 else {}
        lines = {**headers, **dict(self.headers), **dict(extra)}
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
        return f"HTTP/1.1 {self.status} {reason}\r\n{text}\r\n".encode("latin-1")


def json_answer(status: int, document: object, *headers: tuple[str, str]) -> Answer:
    """Return an answer as Django REST Framework renders it."""
    body = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    return Answer(status, (("Content-Type", "application/json"), *headers), body)


def html_answer(status: int, title: str, *headers: tuple[str, str]) -> Answer:
    """Return a page as Django, or a gateway in front of it, writes one."""
    page = f"<!doctype html>\n<html><head><title>{title}</title></head><body>{title}</body></html>"
    return Answer(status, (("Content-Type", "text/html; charset=utf-8"), *headers), page.encode())


@lru_cache(maxsize=10_000)
def parse_request(head: bytes) -> Request | None:
    """Return the request in a head up to its empty line, or None if that is not HTTP.

    Clients send the same few heads again and again, so these are cached.
    """
    first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    match = _REQUEST_LINE.fullmatch(first)
    if match is None or not all(":" in line for line in lines):
        return None
    method, target = match.groups()
    pairs = (line.split(":", 1) for line in lines)
    headers = {name.strip().lower(): value.strip() for name, value in pairs}
    if not headers.get("content-length", "0").isdecimal():
        return None
    return Request(method, "", "", {}, headers).to(target)


class Server(Protocol):
    """What a connection needs of its simulator."""

    def connection_opened(self, connection: Connection) -> None:
        """Record a connection that is ready for requests."""

    def connection_closed(self, connection: Connection) -> None:
        """Record that a connection has ended."""

    def answer(self, connection: Connection, request: Request) -> None:
        """Answer one request on its connection."""


class Connection(asyncio.Protocol):
    """Read requests one by one and let the simulator answer each."""

    def __init__(self, number: int, simulator: Server) -> None:
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
