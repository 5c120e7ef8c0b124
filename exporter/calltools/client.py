"""Ask one account's API."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import urlencode

from requests import PreparedRequest

from exporter import __version__
from exporter.calltools.answers import Page, check_status, contradiction, read_page
from exporter.errors import ApiError
from exporter.model import Attempt, AttemptObserver, Failure
from exporter.transport import Deadline, StaleConnectionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from exporter.secret import Secret
    from exporter.settings import Account, Queue
    from exporter.transport import Answer, Transport

__all__ = ["Client", "RequestContext"]

T = TypeVar("T")

#: Rows of a page where ``page_size`` does not say, and at most.
DEFAULT_PAGE: Final = 25
LARGEST_PAGE: Final = 250
_HEADERS: Final = {
    "User-Agent": f"calltools-exporter/{__version__}",
    "Accept": "application/json",
    "Accept-Encoding": "gzip",
}


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What the requests of one fetch have in common.

    ``deadline`` is the fetch's; an account's own ``timeout`` counts for each request instead.
    """

    transport: Transport
    token: Secret
    deadline: Deadline
    observer: AttemptObserver


class Client:
    """Ask one account's API; the answers are values, the failures `ApiError`."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._prepared: dict[str, PreparedRequest] = {}

    def count_available(self, queue: Queue, context: RequestContext) -> int:
        """Return the number of agents of a queue in an available status and ready.

        It is the ``count`` of ``/api/agentstatuses/`` under the filters ``queue``,
        ``agent_status_id`` and ``ready=true``, added up over the available statuses: an agent is
        in one status at a time.

        Raises:
            ApiError: with every code but `unknown_id` and `token`.
        """
        return sum(self._count(queue.id, status, context) for status in queue.available_status)

    def _count(self, queue_id: int, status_id: int, context: RequestContext) -> int:
        filters = {"queue": queue_id, "agent_status_id": status_id, "ready": "true"}
        page = self._filtered_page({**filters, "page_size": 1}, status_id, context)
        if page.count is None and page.rows:
            # A bare list tells no total, and one of one row may be a page of more.
            query = {**filters, "page_size": LARGEST_PAGE}
            page = self._filtered_page(query, status_id, context)
        return len(page.rows) if page.count is None else page.count

    def _filtered_page(
        self, query: Mapping[str, object], status_id: int, context: RequestContext
    ) -> Page:
        def read(answer: Answer) -> Page:
            page = read_page(answer)
            if page.count and not page.rows:
                raise _unexpected(f"no row under a `count` of {page.count}")
            if page.count is None and len(page.rows) in {DEFAULT_PAGE, LARGEST_PAGE}:
                raise _unexpected("a list without `count`, just as long as a page may be")
            for row in page.rows:
                if found := contradiction(row, status_id):
                    raise ApiError(Failure("filter_ignored", f"the API ignores filters: {found}"))
            return page

        return self._ask("/api/agentstatuses/", query, context, read)

    def _ask(
        self,
        path: str,
        query: Mapping[str, object],
        context: RequestContext,
        read: Callable[[Answer], T],
    ) -> T:
        """Send one request and read its answer; once more if a kept connection was closed."""
        request = self._request(path, query, context.token)
        timeout = self._account.timeout
        deadline = context.deadline if timeout is None else Deadline.after(timeout)
        try:
            return _attempt(request, deadline, context, read, forgive_stale=True)
        except StaleConnectionError:
            return _attempt(request, deadline, context, read, forgive_stale=False)

    def _request(self, path: str, query: Mapping[str, object], token: Secret) -> PreparedRequest:
        """Return a request ready to be sent; what does not change is prepared only once."""
        url = f"{self._account.url}{path}?{urlencode(query)}"
        prepared = self._prepared.get(url)
        if prepared is None:
            prepared = self._prepared[url] = PreparedRequest()
            prepared.prepare(method="GET", url=url, headers=dict(_HEADERS))
        request = prepared.copy()
        request.headers["Authorization"] = f"Token {token.reveal()}"
        return request


def _attempt(
    request: PreparedRequest,
    deadline: Deadline,
    context: RequestContext,
    read: Callable[[Answer], T],
    *,
    forgive_stale: bool,
) -> T:
    """Send a request and judge its answer: each attempt ends with exactly one code, or none.

    A stale connection that is forgiven is an attempt without an error: nothing has failed but a
    connection that the server was free to close.
    """
    begun = time.monotonic()
    code: str | None = "unexpected_answer"
    context.observer.attempt_started()
    try:
        answer = context.transport.get(request, deadline, context.observer.connection_opened)
        check_status(answer, context.token)
        value = read(answer)
        code = None
    except ApiError as error:
        stale = isinstance(error, StaleConnectionError)
        code = None if stale and forgive_stale else error.failure.code
        raise
    finally:
        context.observer.attempt_ended(Attempt(code, time.monotonic() - begun))
    return value


def _unexpected(found: str) -> ApiError:
    return ApiError(Failure("unexpected_answer", f"the API sent {found}"))
