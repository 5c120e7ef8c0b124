"""Middleware for every request: its target, its password, the headers of its response."""

from collections.abc import Mapping

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from exporter.web.auth import BasicAuth, BusyError, credentials
from exporter.web.available_users import AvailableUser
from exporter.web.config import WebConfig
from exporter.web.follow import FollowedUsers, FollowedWebFile
from exporter.web.responses import CALLER, plain

AVAILABLE_PATH = "/available"

#: For Kubernetes and load balancers; they reveal nothing that needs a password.
_OPEN_PATHS = frozenset({"/-/healthy", "/-/ready"})
_MOST_PARAMETERS = 500
_CHALLENGE = 'Basic realm="calltools-exporter", charset="UTF-8"'


class TargetMiddleware:
    """Accept a target that is a whole URL, as servers must (RFC 9112, 3.2.2).

    A query with too many parameters is refused before it is parsed.
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
    """Require a password if there are any, and add the headers to each response.

    Users of the second file may request `/available` only; if there is one, that path always needs
    a password.
    """

    def __init__(
        self,
        app: ASGIApp,
        web_file: FollowedWebFile | None,
        available_users: FollowedUsers | None = None,
    ) -> None:
        self._app = app
        self._web_file = web_file
        self._available_users = available_users
        self._auth: tuple[BasicAuth | None, Mapping[str, AvailableUser], BasicAuth]
        self._auth = None, {}, BasicAuth({})
        # One for all requests: what its passwords remember is to be remembered by the next.
        self._unprotected = WebConfig()
        self._full = self._unprotected.passwords

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        config = self._web_file.current() if self._web_file else self._unprotected
        if config.passwords is not self._full:
            config.passwords.remember_as(self._full)
            self._full = config.passwords

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *config.headers]
            await send(message)

        refusal = await self._check(config.passwords, scope)
        await (refusal or self._app)(scope, receive, send_with_headers)

    async def _check(self, full: BasicAuth, scope: Scope) -> Response | None:
        """Return why a request is refused, or None."""
        path = scope["path"]
        users = self._available_users.current() if self._available_users else {}
        if path in _OPEN_PATHS or not (full or (users and path == AVAILABLE_PATH)):
            return None
        sent = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        given = credentials(sent.decode("latin-1"))
        try:
            accepted = given and await self._all_users(full, users).accept(*given)
        except BusyError:
            return plain(503, "too many passwords are being checked; try again")
        if not given or not accepted:
            answer = plain(401, "401 Unauthorized: user and password required")
            answer.headers["WWW-Authenticate"] = _CHALLENGE
            return answer
        name = given[0].decode()
        if name in full.users:
            return None
        if path != AVAILABLE_PATH:
            return plain(403, f"403 Forbidden: this user may request {AVAILABLE_PATH} only")
        scope["state"][CALLER] = users[name]
        return None

    def _all_users(self, full: BasicAuth, users: Mapping[str, AvailableUser]) -> BasicAuth:
        """Return the password check for both files, kept until one of them changes."""
        if not users:
            return full
        if self._auth[0] is not full or self._auth[1] is not users:
            hashes = {name: user.password_hash for name, user in users.items()}
            both = BasicAuth({**hashes, **full.users})
            both.remember_as(full)
            self._auth = full, users, both
        return self._auth[2]
