"""Faults below the answer: the bytes come late, cut, or not at all."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from exporter.simulator.wire import Exchange


async def hang(exchange: Exchange, *, seconds: float | None = None) -> None:
    """Answer only after this many seconds, or never."""
    await (asyncio.sleep(seconds) if seconds is not None else asyncio.Event().wait())
    exchange.connection.send(exchange.answer)


async def _drip(exchange: Exchange, data: Iterable[bytes], seconds: float) -> None:
    for piece in data:
        await asyncio.sleep(seconds)
        exchange.connection.write(piece)
        await exchange.connection.drain()


def _bytes(data: bytes) -> Iterable[bytes]:
    return (data[at : at + 1] for at in range(len(data)))


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
    exchange.connection.write(exchange.answer.head(("Content-Length", "")) + exchange.answer.body)
    await _drip(exchange, itertools.repeat(b" " * 65536), seconds)


async def reset(exchange: Exchange, *, after: str = "nothing") -> None:
    """Reset the connection after nothing, a part of the ``head`` or a part of the ``body``."""
    head, body = exchange.answer.head(), exchange.answer.body
    sent = {"nothing": b"", "head": head[: len(head) // 2], "body": head + body[: len(body) // 2]}
    exchange.connection.write(sent[after])
    # what was sent is to be read before the reset is
    await asyncio.sleep(0.05)
    exchange.connection.reset()


async def close(exchange: Exchange) -> None:
    """Close in good order instead of answering."""
    exchange.connection.close()
