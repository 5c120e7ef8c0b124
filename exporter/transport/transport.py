"""One transport: requests to one origin, through its proxy if it has one, and complete answers."""

import contextlib
import http.client
import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
import urllib3
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, ProxyManager
from urllib3.exceptions import HTTPError, InsecureRequestWarning

from exporter.errors import ApiError
from exporter.settings import Secret
from exporter.transport.connections import pool_classes
from exporter.transport.deadline import Deadline, in_flight
from exporter.transport.failures import failure_of, late
from exporter.transport.http1 import BODY_LIMIT, BodyMemory, BodyShare, read_body

#: How long to try to open a connection that no request needs yet, in seconds.
_OPEN_SECONDS = 2.0
#: The most that large answers of one transport hold together, in bytes: a part of the limit for
#: all, so that one host cannot use up that of the others.
_BODIES = 12 * 1024 * 1024

#: A shorter password is not masked, as it would match in any text.
_SHORTEST = 4

# The configuration logs `insecure_skip_verify` once; urllib3 would warn at each connection.
urllib3.disable_warnings(InsecureRequestWarning)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A complete answer; ``body`` is decompressed. ``release`` is called once it has been read."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    release: Callable[[], None] = field(default=lambda: None, repr=False, compare=False)


class StaleConnectionError(ApiError):
    """A pooled connection was closed by the server before the first byte of the answer.

    The request was not answered and, being a GET, can be sent again.
    """


class _Adapter(HTTPAdapter):
    """An adapter with one SSL context for every pool, into which nothing more is loaded.

    It is used without a session, which would read the environment, keep cookies and look at
    redirects.

    Unless ``cert_verify`` is a no-op, each new connection reads the CA bundle again, and a private
    CA silently trusts all public ones as well.
    """

    def __init__(self, context: ssl.SSLContext, connections: int) -> None:
        self._context = context
        self._pool: Any = None  # an HTTPConnectionPool, once known
        super().__init__(pool_connections=1, pool_maxsize=connections, max_retries=0)

    def init_poolmanager(self, *arguments: Any, **keywords: Any) -> None:
        super().init_poolmanager(*arguments, ssl_context=self._context, **keywords)
        self.poolmanager.pool_classes_by_scheme = pool_classes()

    def proxy_manager_for(self, proxy: str, **keywords: Any) -> ProxyManager:
        manager: ProxyManager = super().proxy_manager_for(
            proxy, ssl_context=self._context, proxy_ssl_context=self._context, **keywords
        )
        manager.pool_classes_by_scheme = pool_classes()
        return manager

    def proxy_headers(self, proxy: str) -> dict[str, str]:
        """Return the header for the proxy's user; `requests` knows only Latin-1 and passwords."""
        found = _credentials(proxy)
        return {"Proxy-Authorization": f"Basic {found[1]}"} if found else {}

    def get_connection_with_tls_context(
        self, *arguments: Any, **keywords: Any
    ) -> HTTPConnectionPool:
        """Return the one pool, which is looked up once: that is a tenth of a request's cost."""
        pool = self._pool
        if pool is None:
            pool = self._pool = super().get_connection_with_tls_context(*arguments, **keywords)
        return pool  # type: ignore[no-any-return]

    def request_url(self, request: PreparedRequest, proxies: Mapping[str, str] | None) -> str:
        """Return path and query; only a proxy without a tunnel needs the full URL."""
        if proxies:
            return super().request_url(request, proxies)
        return "/" + (request.url or "").split("/", 3)[3]

    def build_response(self, req: PreparedRequest, resp: Any) -> Response:  # noqa: ANN401
        """Return what is read of an answer here; it has neither history, cookies nor encoding."""
        response = Response()
        response.status_code = resp.status
        response.raw = resp
        response.request = req
        return response

    def close(self) -> None:
        """Close idle connections. Requests in flight keep theirs; the next one opens a new pool."""
        self._pool = None
        super().close()

    def cert_verify(self, conn: HTTPConnectionPool, url: str, verify: object, cert: object) -> None:
        pass


class Transport:
    """Send requests to one origin and read complete answers, each within its deadline."""

    def __init__(
        self,
        host: str,
        proxy: str | None,
        context: ssl.SSLContext,
        connections: int,
        all_bodies: BodyMemory,
    ) -> None:
        self._host = host
        self._bodies = BodyMemory(_BODIES, all_bodies)
        self._proxies = {"http": proxy, "https": proxy} if proxy else {}
        self._verify = context.verify_mode is not ssl.CERT_NONE
        self._adapter = _Adapter(context, connections)

    def get(
        self,
        request: PreparedRequest,
        deadline: Deadline,
        on_connect: Callable[[], None],
        body_limit: int = BODY_LIMIT,
        *,
        fresh: bool = False,
    ) -> HttpAnswer:
        """Return the complete answer to a request, whatever its status.

        Args:
            request: is sent unchanged; no redirect is followed.
            deadline: for connection, head and body together.
            on_connect: is called when a new connection has been opened.
            body_limit: the largest body that is read, in bytes.
            fresh: send it on a new connection.

        Raises:
            StaleConnectionError: a pooled connection turned out to be closed.
            ApiError: no complete answer; the failure is `timeout`, `dns`, `connection`, `tls` or
                `too_large`.
        """
        begun = time.monotonic()
        with in_flight(deadline, on_connect, fresh=fresh) as current:
            try:
                answer = self._send(request, body_limit)
                if deadline.remaining() > 0:
                    return answer
                # It arrived while the process was stopped, and is older than it looks.
                answer.release()
                failure = late(self._host, time.monotonic() - begun)
            except (
                requests.RequestException,
                HTTPError,
                http.client.HTTPException,
                OSError,
            ) as error:
                failure = failure_of(
                    error, self._host, time.monotonic() - begun, received=current.received
                )
        # Raised outside the `except`, without a chain: the original error holds the request and its
        # key.
        if failure.code == "connection" and current.reused and not current.received:
            raise StaleConnectionError(failure)
        raise ApiError(failure)

    def connections_to_open(
        self, url: str, number: int, on_connect: Callable[[], None]
    ) -> list[Callable[[], None]]:
        """Return what opens connections for requests to come, which report where that fails."""
        request = PreparedRequest()
        request.url = url
        pool: Any = self._adapter.get_connection_with_tls_context(
            request, self._verify, proxies=self._proxies
        )

        def open_ahead(connection: object) -> None:
            with (
                in_flight(Deadline.after(_OPEN_SECONDS), on_connect),
                contextlib.suppress(HTTPError, OSError),
            ):
                pool.open_ahead(connection)

        return [partial(open_ahead, connection) for connection in pool.take(number)]

    def _send(self, request: PreparedRequest, body_limit: int) -> HttpAnswer:
        response = self._adapter.send(
            request, stream=True, verify=self._verify, proxies=self._proxies
        )
        share = BodyShare(self._bodies)
        try:
            body = read_body(response.raw, self._host, body_limit, share)
        except BaseException:
            share.release()
            response.close()
            raise
        return HttpAnswer(response.status_code, response.raw.headers, body, share.release)

    def close(self) -> None:
        """Close idle connections. Requests in flight keep theirs."""
        self._adapter.close()


def _credentials(proxy: str) -> tuple[str, str] | None:
    """Return the password in a proxy's URL, and the header's value; None without a user."""
    parts = urlsplit(proxy)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not user and not password:
        return None
    return password, b64encode(f"{user}:{password}".encode()).decode("ascii")


def proxy_secrets(proxy: str | None) -> tuple[Secret, ...]:
    """Return what must be masked in a proxy's text: password and header."""
    found = _credentials(proxy) if proxy else None
    if found is None:
        return ()
    password, header = found
    return tuple(map(Secret, [header, password] if len(password) >= _SHORTEST else [header]))
