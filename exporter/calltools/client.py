"""Ask one account's API."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, TypeVar
from urllib.parse import urlencode

from requests import PreparedRequest

from exporter import __version__
from exporter.calltools.responses import (
    ListPage,
    filter_violation,
    raise_for_status,
    read_page,
    unexpected,
)
from exporter.calltools.rows import (
    AgentRow,
    QueueRow,
    StatusRow,
    read_agent,
    read_queue,
    read_status,
)
from exporter.errors import ApiError, Failure
from exporter.settings import Account, Queue, Secret
from exporter.snapshot import Attempt, RequestObserver
from exporter.transport import Deadline, HttpAnswer, StaleConnectionError, Transport

__all__ = ["FILTERS", "Client", "Filter", "RequestContext"]

T = TypeVar("T")
Filter: TypeAlias = Literal["queue", "agent_status_id", "ready"]

#: What an account's answers rest on.
FILTERS: Final[tuple[Filter, ...]] = ("queue", "agent_status_id", "ready")
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

    ``deadline`` is the fetch's: after it no request is sent. Where the account has its own
    ``timeout``, that counts for each request; the last one may then end that much later.
    """

    transport: Transport
    token: Secret
    deadline: Deadline
    observer: RequestObserver


class Client:
    """Ask one account's API; the answers are values, the failures `ApiError`."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._prepared: dict[tuple[object, ...], PreparedRequest] = {}

    def count_available(self, queue: Queue, context: RequestContext) -> int:
        """Return the number of agents of a queue in an available status and ready.

        It is the ``count`` of ``/api/agentstatuses/`` under the filters ``queue``,
        ``agent_status_id`` and ``ready=true``, added up over the available statuses: an agent is
        in one status at a time.

        Raises:
            ApiError: with every code but `unknown_id` and `token`.
        """
        return sum(self._count(queue.id, status, context) for status in queue.status_ids)

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
    ) -> ListPage:
        def read(answer: HttpAnswer) -> ListPage:
            raise_for_status(answer, context.token)
            page = read_page(answer)
            if page.count and not page.rows:
                raise unexpected(f"no row under a `count` of {page.count}")
            if page.count is None and len(page.rows) in {DEFAULT_PAGE, LARGEST_PAGE}:
                raise unexpected("a list without `count`, just as long as a page may be")
            for row in page.rows:
                if found := filter_violation(row, status_id):
                    raise ApiError(Failure("filter_ignored", f"the API ignores filters: {found}"))
            return page

        return self._ask("/api/agentstatuses/", query, context, read)

    def read_agents(self, queue: Queue, context: RequestContext) -> tuple[AgentRow, ...]:
        """Return the agents of a queue, logged out ones as well.

        Raises:
            ApiError: with every code but `unknown_id` and `token`.
        """
        return self._read_list("/api/agentstatuses/", {"queue": queue.id}, read_agent, context)

    def read_statuses(self, context: RequestContext) -> tuple[StatusRow, ...]:
        """Return the account's agent statuses, from ``/api/statuses/``."""
        return self._read_list("/api/statuses/", {}, read_status, context)

    def read_queues(self, context: RequestContext) -> tuple[QueueRow, ...]:
        """Return the account's queues, from ``/api/queues/``."""
        return self._read_list("/api/queues/", {}, read_queue, context)

    def check_filter(self, name: Filter, context: RequestContext) -> Failure | None:
        """Return how the API shows that it ignores a filter, None if it does not.

        The API answers a filter that it does not know with everybody. No queue and no status has
        the id 0, so any count but 0 gives it away; a 400 says as well that the filter is known.
        ``ready`` has no impossible value: there an agent who is not ready gives it away. Nothing
        else is filtered, so that it shows at night too, when nobody is available anyway.

        Raises:
            ApiError: nothing can be told.
        """

        def read(answer: HttpAnswer) -> Failure | None:
            if answer.status == 400 and name != "ready":
                return None
            raise_for_status(answer, context.token)
            page = read_page(answer)
            if name == "ready":
                ignored = any(row.get("ready") is False for row in page.rows)
            else:
                ignored = bool(page.count or page.rows)
            words = f"the API ignores the filter `{name}`: it lets through whom it should not"
            return Failure("filter_ignored", words) if ignored else None

        query: dict[str, object] = (
            {"ready": "true", "page_size": LARGEST_PAGE}
            if name == "ready"
            else {name: 0, "page_size": 1}
        )
        return self._ask("/api/agentstatuses/", query, context, read)

    def _read_list(
        self,
        path: str,
        query: Mapping[str, object],
        read_row: Callable[[Mapping[str, Any]], tuple[object, T]],
        context: RequestContext,
    ) -> tuple[T, ...]:
        """Return all rows of a list; read it once more if it changed while it was read."""
        for _ in range(2):
            rows, count = self._read_pages(path, query, read_row, context)
            if count is None or len(rows) == count:
                return tuple(rows.values())
        raise unexpected(f"{len(rows)} different rows under a `count` of {count}, twice")

    def _read_pages(
        self,
        path: str,
        query: Mapping[str, object],
        read_row: Callable[[Mapping[str, Any]], tuple[object, T]],
        context: RequestContext,
    ) -> tuple[dict[object, T], int | None]:
        """Count ``page`` up until the list ends, and keep the rows that differ.

        The URL in ``next`` is never asked: the key would go where an answer says.
        """
        rows: dict[object, T] = {}
        count: int | None = None

        def read(answer: HttpAnswer) -> int:
            nonlocal count
            if number > 1 and answer.status == 404:
                return 0  # past the end
            raise_for_status(answer, context.token)
            page = read_page(answer)
            count = page.count
            rows.update(map(read_row, page.rows))
            return len(page.rows)

        number, before = 1, -1
        # A page without a new row is an end too, or a server that ignores `page` is read for ever.
        while len(rows) > before and (count is None or len(rows) < count):
            before = len(rows)
            more: dict[str, object] = {"page": number} if number > 1 else {}
            found = self._ask(path, {**query, "page_size": LARGEST_PAGE, **more}, context, read)
            if not found or (count is None and found not in {DEFAULT_PAGE, LARGEST_PAGE}):
                break
            number += 1
        return rows, count

    def _ask(
        self,
        path: str,
        query: Mapping[str, object],
        context: RequestContext,
        read: Callable[[HttpAnswer], T],
    ) -> T:
        """Send one request and read its answer; once more if a kept connection was closed."""
        if context.deadline.remaining() <= 0:
            raise ApiError(Failure("timeout", "no time was left for the next request"))
        request = self._request(path, query, context.token)
        timeout = self._account.timeout
        deadline = context.deadline if timeout is None else Deadline.after(timeout)
        try:
            return _attempt(request, deadline, context, read, forgive_stale=True)
        except StaleConnectionError:
            return _attempt(request, deadline, context, read, forgive_stale=False)

    def _request(self, path: str, query: Mapping[str, object], token: Secret) -> PreparedRequest:
        """Return a request ready to be sent; what does not change is prepared only once."""
        key = (path, *query.items())
        prepared = self._prepared.get(key)
        if prepared is None:
            url = f"{self._account.url}{path}?{urlencode(query)}"
            prepared = self._prepared[key] = PreparedRequest()
            prepared.prepare(method="GET", url=url, headers=dict(_HEADERS))
        request = prepared.copy()
        request.headers["Authorization"] = f"Token {token.reveal()}"
        return request


def _attempt(
    request: PreparedRequest,
    deadline: Deadline,
    context: RequestContext,
    read: Callable[[HttpAnswer], T],
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
        value = read(answer)
        code = None
    except ApiError as error:
        stale = isinstance(error, StaleConnectionError)
        code = None if stale and forgive_stale else error.failure.code
        raise
    finally:
        context.observer.attempt_ended(Attempt(code, time.monotonic() - begun))
    return value
