"""Faults below the answer: the bytes come late, cut, more than said, or not at all."""

from __future__ import annotations

import asyncio
import itertools
import zlib
from collections.abc import Iterable

from exporter.simulator.server import Exchange
from exporter.simulator.wire import Answer, json_answer

_MEGABYTE = b" " * 1_000_000


async def hang(exchange: Exchange, *, seconds: float | None = None) -> None:
    """Answer only after this many seconds, or never."""
    await (asyncio.Event().wait() if seconds is None else asyncio.sleep(seconds))
    exchange.connection.send(exchange.answer)


async def silent(exchange: Exchange) -> None:
    """Say nothing; where set for everything, from the moment that a connection is accepted."""
    await hang(exchange)


async def drip_head(exchange: Exchange, *, seconds: float = 0.3) -> None:
    """Send the head a byte at a time."""
    await _drip(exchange, _bytes(exchange.answer.head()), seconds)
    exchange.connection.write(exchange.answer.body)
    exchange.connection.finish()


async def drip_body(exchange: Exchange, *, seconds: float = 0.3) -> None:
    """Send the head at once and the body a byte at a time."""
    exchange.connection.write(exchange.answer.head())
    await _drip(exchange, _bytes(exchange.answer.body), seconds)
    exchange.connection.finish()


async def endless_body(exchange: Exchange, *, seconds: float = 0.0) -> None:
    """Send a body that never ends, as fast as it is read."""
    exchange.connection.write(_head(exchange.answer) + exchange.answer.body)
    await _drip(exchange, itertools.repeat(_MEGABYTE[:65536]), seconds)


async def endless_chunks(exchange: Exchange) -> None:
    """Send a body in chunks of one byte that never ends, as fast as it is read."""
    exchange.connection.write(_head(exchange.answer, ("Transfer-Encoding", "chunked")))
    await _drip(exchange, itertools.repeat(b"1\r\n \r\n" * 8192), 0.0)


async def endless_trailers(exchange: Exchange) -> None:
    """Send the true body, and after it trailers that never end, as fast as they are read."""
    body = exchange.answer.body
    exchange.connection.write(
        _head(exchange.answer, ("Transfer-Encoding", "chunked")) + _chunk(body) + b"0\r\n"
    )
    await _drip(exchange, itertools.repeat(b"X: y\r\n" * 8192), 0.0)


async def cut(exchange: Exchange, *, after: str = "nothing", reset: bool = True) -> None:
    """End after nothing, a part of the ``head`` or of the ``body``: by a reset or in good order."""
    head, body = exchange.answer.head(), exchange.answer.body
    sent = {"nothing": b"", "head": head[: len(head) // 2], "body": head + body[: len(body) // 2]}
    exchange.connection.write(sent[after])
    if reset:
        # what was sent is to be read before the reset is
        await asyncio.sleep(0.05)
        exchange.connection.reset()
    else:
        exchange.connection.close()


async def stale(exchange: Exchange) -> None:
    """Close a kept connection just when it is used again; a new one is answered."""
    if exchange.connection.answered:
        exchange.connection.close()
    else:
        exchange.connection.send(exchange.answer)


async def wrong_length(exchange: Exchange, *, factor: float) -> None:
    """Send the whole body under a ``Content-Length`` this many times its own."""
    length = str(int(len(exchange.answer.body) * factor))
    exchange.connection.write(exchange.answer.head(("Content-Length", length)))
    exchange.connection.write(exchange.answer.body)
    exchange.connection.finish()


async def unasked_answer(exchange: Exchange, *, count: int = 99) -> None:
    """Send a second answer after the true one, which waits for whoever asks next."""
    other = json_answer(200, {"count": count, "next": None, "previous": None, "results": []})
    exchange.connection.write(exchange.answer.wire + other.wire)
    exchange.connection.finish()


async def chunked(exchange: Exchange, *, whole: bool = True) -> None:
    """Send the body in two chunks; close after half of the second one unless it is ``whole``."""
    body = exchange.answer.body
    half = len(body) // 2
    data = b"".join(_chunk(part) for part in (body[:half], body[half:], b""))
    connection = exchange.connection
    connection.write(_head(exchange.answer, ("Transfer-Encoding", "chunked")))
    if whole:
        connection.write(data)
        connection.finish()
    else:
        connection.write(data[: len(data) * 3 // 4])
        connection.close()


async def gzip_bomb(exchange: Exchange, *, megabytes: int = 500) -> None:
    """Send a true answer after so much white space, compressed to a thousandth."""
    connection, gzip = exchange.connection, zlib.compressobj(1, wbits=31)
    coded = (("Content-Encoding", "gzip"), ("Transfer-Encoding", "chunked"))
    connection.write(_head(exchange.answer, *coded))
    pieces = (gzip.compress(_MEGABYTE) for _ in range(megabytes))
    await _drip(exchange, (_chunk(piece) for piece in pieces if piece), 0)
    connection.write(_chunk(gzip.compress(exchange.answer.body) + gzip.flush()) + _chunk(b""))
    connection.finish()


async def interim(
    exchange: Exchange, *, code: int = 100, times: int | None = 1, seconds: float = 0.0
) -> None:
    """Send interim answers before the true one, each after so many seconds; None: for ever."""
    numbers = itertools.count() if times is None else range(times)
    line = f"HTTP/1.1 {code} Interim\r\n\r\n".encode()
    await _drip(exchange, (line for _ in numbers), seconds)
    exchange.connection.send(exchange.answer)


async def not_http(exchange: Exchange, *, data: bytes = b"\x16\x03\x01 not HTTP\r\n\r\n") -> None:
    """Send bytes that are no HTTP."""
    exchange.connection.write(data)
    exchange.connection.close()


async def _drip(exchange: Exchange, pieces: Iterable[bytes], seconds: float) -> None:
    for piece in pieces:
        await asyncio.sleep(seconds)
        exchange.connection.write(piece)
        await exchange.connection.drain()


def _bytes(data: bytes) -> Iterable[bytes]:
    return (data[at : at + 1] for at in range(len(data)))


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def _head(answer: Answer, *headers: tuple[str, str]) -> bytes:
    return answer.head(("Content-Length", ""), *headers)
