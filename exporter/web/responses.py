"""Answers."""

from __future__ import annotations

from typing import Final

from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

__all__ = ["PageResponse", "plain"]

_PIECE_BYTES: Final = 64 * 1024


def plain(status: int, words: str) -> Response:
    """Answer with one line of text."""
    return PlainTextResponse(f"{words}\n", status)


class PageResponse(Response):
    """A large answer, sent in pieces.

    The server waits with each piece until the client has taken the one before, and so sees who
    does not read, over TLS as well; in one piece, all of it would be copied to the socket's buffer.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send the answer."""
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        for at in range(0, max(len(self.body), 1), _PIECE_BYTES):
            piece, end = self.body[at : at + _PIECE_BYTES], at + _PIECE_BYTES
            more = end < len(self.body)
            await send({"type": "http.response.body", "body": bytes(piece), "more_body": more})
