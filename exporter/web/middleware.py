"""What every request goes through: its target, its password, the headers of its response."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporter.web.auth import BusyError, credentials
from exporter.web.config import WebConfig
from exporter.web.follow import FollowedWebFile
from exporter.web.responses import plain

__all__ = ["AuthMiddleware", "TargetMiddleware"]

#: What Kubernetes and load balancers ask; it tells nothing that needs a password.
_OPEN_PATHS: Final = frozenset({"/-/healthy", "/-/ready"})
_MOST_PARAMETERS: Final = 500


class TargetMiddleware:
    """Accept a target that is a whole URL, as servers must (RFC 9112, 3.2.2).

    One with more parameters than anybody needs is refused before they are taken apart.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["query_string"].count(b"&") >= _MOST_PARAMETERS:
            await plain(400, "the query has too many parameters")(scope, receive, send)
            return
        if not scope["path"].startswith("/"):
            scheme, separator, rest = scope["path"].partition("://")
            if separator and scheme.lower() in {"http", "https"}:
                path = "/" + rest.partition("/")[2]
                scope = {**scope, "path": path, "raw_path": path.encode()}
        await self._app(scope, receive, send)


class AuthMiddleware:
    """Require a password where there are any, and add the headers to each response."""

    def __init__(self, app: ASGIApp, web_file: FollowedWebFile) -> None:
        self._app = app
        self._web_file = web_file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        web_file = self._web_file.current()

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *web_file.headers]
            await send(message)

        refusal = None
        if web_file.passwords and scope["path"] not in _OPEN_PATHS:
            refusal = await _refusal(web_file, scope)
        await (refusal or self._app)(scope, receive, send_with_headers)


async def _refusal(web_file: WebConfig, scope: Scope) -> Response | None:
    sent = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    given = credentials(sent.decode("latin-1"))
    try:
        if given and await web_file.passwords.accept(*given):
            return None
    except BusyError:
        return plain(503, "too many passwords are being checked; ask again")
    answer = plain(401, "401 Unauthorized: a user and a password are needed")
    answer.headers["WWW-Authenticate"] = 'Basic realm="calltools-exporter", charset="UTF-8"'
    return answer
