"""Responses, and the keys of what is known of a request besides its content."""

from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from exporter.errors import ExporterError

#: The key of a request's state under which the server keeps a future that is done when the client
#: has closed its side of the connection.
CLIENT_LEFT = "client_left"
#: The key of the `AvailableUser` who asks, where that is one.
CALLER = "caller"

_PIECE_BYTES = 64 * 1024


class BadRequestError(ExporterError):
    """A parameter of a request is wrong."""


def plain(status: int, words: str) -> Response:
    """Answer with one line of text."""
    return PlainTextResponse(f"{words}\n", status)


class PageResponse(Response):
    """A large response, sent in pieces.

    The server sends each piece once the client has taken the previous one, and so notices clients
    that do not read, even over TLS; a single piece would be copied to the socket's buffer as a
    whole.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send the response."""
        start = {"type": "http.response.start", "status": self.status_code}
        await send({**start, "headers": self.raw_headers})
        for at in range(0, max(len(self.body), 1), _PIECE_BYTES):
            piece, end = self.body[at : at + _PIECE_BYTES], at + _PIECE_BYTES
            more = end < len(self.body)
            await send({"type": "http.response.body", "body": bytes(piece), "more_body": more})
