"""Send requests to one account's API, and report each attempt."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode

from requests import PreparedRequest
from requests.structures import CaseInsensitiveDict

from exporter import __version__
from exporter.calltools.pages import ListPage, read_page
from exporter.calltools.responses import raise_for_status
from exporter.errors import ApiError, Failure
from exporter.settings import Account, Secret
from exporter.snapshot import Attempt, RequestObserver
from exporter.transport import (
    BODY_LIMIT,
    SMALL_BODY_LIMIT,
    Deadline,
    HttpAnswer,
    StaleConnectionError,
    Transport,
    proxy_secrets,
)

T = TypeVar("T")

_HEADERS = {
    "User-Agent": f"calltools-exporter/{__version__}",
    "Accept": "application/json",
    "Cache-Control": "no-cache",
    "Accept-Encoding": "gzip",
}


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What the requests of one fetch have in common.

    ``deadline`` is that of the fetch: no request is sent after it. An account's own ``timeout``
    applies to each request, so the last one may end that much later.
    """

    transport: Transport
    token: Secret
    deadline: Deadline
    observer: RequestObserver


@dataclass(frozen=True, slots=True)
class ListRequest:
    """The request for one page of one list."""

    path: str
    query: Mapping[str, object]


class Requester:
    """Send requests to one account's API."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._proxy_secrets = proxy_secrets(account.proxy)
        self._headers = {"Host": account.host, **_HEADERS}

    def ask(
        self,
        request: ListRequest,
        context: RequestContext,
        judge: Callable[[ListPage], T],
        judge_refusal: Callable[[HttpAnswer], T | None] = lambda _: None,
    ) -> T:
        """Send one request and judge its answer; send it again if a kept connection was closed.

        Args:
            request: what to ask for.
            context: its key, deadline and observer.
            judge: returns the result of a page, or raises an `ApiError`.
            judge_refusal: returns the result of an answer other than 200, None if it has none.

        Raises:
            ApiError: there is no valid answer.
        """
        if context.deadline.remaining() <= 0:
            raise ApiError(Failure("timeout", "no time was left for the next request"))
        prepared = self._prepare(request, context.token)
        timeout = self._account.timeout
        deadline = context.deadline if timeout is None else Deadline.after(timeout)
        limit = SMALL_BODY_LIMIT if request.query.get("page_size") == 1 else BODY_LIMIT

        def send() -> T:
            answer = context.transport.get(
                prepared, deadline, context.observer.connection_opened, limit
            )
            try:
                if answer.status != 200 and (found := judge_refusal(answer)) is not None:
                    return found
                raise_for_status(answer, context.token, *self._proxy_secrets)
                return judge(read_page(answer, request.path, request.query))
            finally:
                answer.release()

        try:
            return _attempt(send, context.observer, forgive_stale=True)
        except StaleConnectionError:
            return _attempt(send, context.observer, forgive_stale=False)

    def _prepare(self, request: ListRequest, token: Secret) -> PreparedRequest:
        """Return the request as it is sent; `requests` would check again what is right already."""
        headers = CaseInsensitiveDict(self._headers)
        if token.reveal():  # without a key, only to see whether the host answers
            headers["Authorization"] = f"Token {token.reveal()}"
        prepared = PreparedRequest()
        prepared.method = "GET"
        prepared.url = f"{self._account.url}{request.path}?{urlencode(request.query)}"
        prepared.headers = headers
        return prepared


def _attempt(send: Callable[[], T], observer: RequestObserver, *, forgive_stale: bool) -> T:
    """Send a request and judge its answer: each attempt ends with exactly one code, or none.

    A stale connection counts as an attempt without an error: the server was free to close it.
    """
    begun = time.monotonic()
    code: str | None = "unexpected_answer"
    observer.attempt_started()
    try:
        value = send()
        code = None
    except ApiError as error:
        stale = isinstance(error, StaleConnectionError)
        code = None if stale and forgive_stale else error.failure.code
        raise
    finally:
        observer.attempt_ended(Attempt(code, time.monotonic() - begun))
    return value
