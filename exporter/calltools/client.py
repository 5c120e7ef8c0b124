"""Ask one account's API."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeAlias, TypeVar

import structlog

from exporter.calltools.pages import ListPage, filter_violation, unexpected
from exporter.calltools.requester import RequestContext, Requester, names_field
from exporter.calltools.rows import (
    MOST_STATUSES,
    AgentRow,
    QueueRow,
    StatusRow,
    read_agent,
    read_queue,
    read_status,
)
from exporter.errors import ApiError, Failure
from exporter.settings import Account, Queue
from exporter.transport.transport import HttpAnswer

log = structlog.get_logger(__name__)

K = TypeVar("K")
T = TypeVar("T")
Filter: TypeAlias = Literal["queue", "agent_status_id", "ready"]
Ready: TypeAlias = Literal["true", "false"]
Rows: TypeAlias = tuple[Mapping[str, Any], ...]

#: The filters that an account's answers depend on.
FILTERS: tuple[Filter, ...] = ("queue", "agent_status_id", "ready")
_AGENTS = "/api/agentstatuses/"
LARGEST_PAGE = 250
#: Lengths at which a list without a total may be only the first page.
_PAGE_SIZES = {10, 20, 25, 30, 50, 100, 200, LARGEST_PAGE, 500, 1000}
#: How often a list is read until two readings agree.
_READINGS = 3


class Client:
    """Ask one account's API; the answers are values, the failures `ApiError`."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self._requester = Requester(account)
        self._reported_statuses = False

    def count_available(self, queue: Queue, context: RequestContext) -> int:
        """Return the number of agents of a queue in an available status and ready.

        It is the ``count`` of ``/api/agentstatuses/`` under the filters ``queue``,
        ``agent_status_id`` and ``ready=true``, added up over the available statuses: an agent is
        in one status at a time.

        Raises:
            ApiError: with every code but `unknown_id` and `token`.
        """
        *others, last = counts = [
            self._count(queue.id, status, context) for status in queue.status_ids
        ]
        if others and not any(counts):
            # An agent who moves to a status that was already counted would be missed.
            others = [self._count(queue.id, status, context) for status in queue.status_ids[:-1]]
        return sum(others) + last

    def _count(self, queue_id: int, status_id: int, context: RequestContext) -> int:
        filters = {"queue": queue_id, "agent_status_id": status_id, "ready": "true"}
        page = self._filtered_page({**filters, "page_size": 1}, status_id, context)
        if page.count is None and page.rows:
            # Without a total, one row may be only the first page.
            query = {**filters, "page_size": LARGEST_PAGE}
            page = self._filtered_page(query, status_id, context)
        return len(page.rows) if page.count is None else page.count

    def _filtered_page(
        self, query: Mapping[str, object], status_id: int, context: RequestContext
    ) -> ListPage:
        def judge(page: ListPage) -> ListPage:
            _refuse_empty(page)
            if page.count and not page.rows:
                raise unexpected(f"no row under a `count` of {page.count}")
            if page.count is None and _may_be_full(page):
                raise unexpected(
                    "a list without `count` that is as long as a full page, so it may be incomplete"
                )
            for row in page.rows:
                if found := filter_violation(row, status_id):
                    raise ApiError(Failure("filter_ignored", f"the API ignores filters: {found}"))
            return page

        return self._requester.ask(_AGENTS, query, context, judge)

    def read_agents(self, queue: Queue, context: RequestContext) -> tuple[AgentRow, ...]:
        """Return the agents of a queue, including those logged out.

        Raises:
            ApiError: with every code but `unknown_id` and `token`.
        """

        def nobody_is_free(rows: Mapping[str, AgentRow]) -> bool:
            return not any(row.may_be_free(queue.status_ids) for row in rows.values())

        query = {"queue": queue.id}
        rows = self._read_list(_AGENTS, query, read_agent, context, nobody_is_free)
        agents = tuple(rows.values())
        self._report_statuses({agent.status for agent in agents})
        return agents

    def _report_statuses(self, statuses: set[int | str | None]) -> None:
        if len(statuses) > MOST_STATUSES and not self._reported_statuses:
            self._reported_statuses = True
            log.warning(
                "Too many agent statuses, counting the rest as `other`",
                account=self.account.name,
                statuses=len(statuses),
                limit=MOST_STATUSES,
            )

    def read_statuses(self, context: RequestContext) -> dict[int, StatusRow]:
        """Return the account's agent statuses by id, from ``/api/statuses/``."""
        return self._read_list("/api/statuses/", {}, read_status, context)

    def read_queues(self, context: RequestContext) -> dict[int, QueueRow]:
        """Return the account's queues by id, from ``/api/queues/``."""
        return self._read_list("/api/queues/", {}, read_queue, context)

    def check_filter(self, name: Filter, context: RequestContext) -> Failure | None:
        """Return how the API shows that it ignores a filter by id, None if it does not.

        The API ignores a filter that it does not know, and returns everybody. No queue and no
        status has the id 0, so any count but 0 shows this; a 400 that names the filter shows that
        it is known. No other filter is set, so that it also works at night, when nobody is
        available.

        Raises:
            ApiError: the answer does not show whether it does.
        """

        def lets_through(page: ListPage) -> bool:
            return bool(page.count or page.rows)

        def refuses(answer: HttpAnswer) -> bool | None:
            return False if answer.status == 400 and names_field(answer, name) else None

        query = {name: 0, "page_size": 1}
        ignored = self._requester.ask(_AGENTS, query, context, lets_through, refuses)
        return _ignored(name) if ignored else None

    def agents_by_ready(self, value: Ready, context: RequestContext) -> Rows:
        """Return the first page of the account's agents under the filter ``ready`` alone."""
        query = {"ready": value, "page_size": LARGEST_PAGE}
        return self._requester.ask(_AGENTS, query, context, lambda page: page.rows)

    def _read_list(
        self,
        path: str,
        query: Mapping[str, object],
        read_row: Callable[[Mapping[str, Any]], tuple[K, T]],
        context: RequestContext,
        doubtful: Callable[[Mapping[K, T]], bool] = lambda _: False,
    ) -> dict[K, T]:
        """Return all rows of a list by what distinguishes them.

        It is read again if it changed meanwhile. A list of several pages may change unnoticed: an
        agent who moves from an unread page to one already read is missed. So it is read until two
        readings have the same rows, and a ``doubtful`` row counts only if it is so in both.
        """
        before: tuple[set[K], bool] | None = None
        for _ in range(_READINGS):
            rows, count, pages = self._read_pages(path, query, read_row, context)
            if count is not None and len(rows) != count:
                before = None
                continue
            in_doubt = doubtful(rows)
            # Doubtful in both readings, or in neither.
            agree = before is not None and before[0] == rows.keys() and before[1] >= in_doubt
            if pages <= 1 or agree:
                return rows
            before = set(rows), in_doubt
        if before is None:
            raise unexpected(f"{len(rows)} different rows under a `count` of {count}, every time")
        raise unexpected("a list that changes each time it is read")

    def _read_pages(
        self,
        path: str,
        query: Mapping[str, object],
        read_row: Callable[[Mapping[str, Any]], tuple[K, T]],
        context: RequestContext,
    ) -> tuple[dict[K, T], int | None, int]:
        """Read page after page until the list ends; return the distinct rows, ``count``, pages.

        The URL in ``next`` is never requested: an answer could send the key anywhere.
        """
        rows: dict[K, T] = {}
        count: int | None = None
        may_go_on = True

        def judge(page: ListPage) -> int:
            nonlocal count, may_go_on
            _refuse_empty(page)
            count = page.count
            rows.update(map(read_row, page.rows))
            may_go_on = page.has_next or count is not None or _may_be_full(page)
            return len(page.rows)

        def is_past_the_end(answer: HttpAnswer) -> int | None:
            return 0 if number > 1 and answer.status == 404 else None

        number, before, pages = 1, -1, 0
        # A page without a new row ends the list, too: a server may ignore `page`.
        while len(rows) > before and (count is None or len(rows) < count):
            before = len(rows)
            more: dict[str, object] = {"page": number} if number > 1 else {}
            wanted = {**query, "page_size": LARGEST_PAGE, **more}
            found = self._requester.ask(path, wanted, context, judge, is_past_the_end)
            pages += len(rows) > before
            if not found or not may_go_on:
                break
            number += 1
        return rows, count, pages


def _refuse_empty(page: ListPage) -> None:
    """Refuse a page without a row that is not the last one: "nobody" may be only nobody here."""
    if page.has_next and not page.rows:
        raise unexpected("an empty page with a `next` one")


def _may_be_full(page: ListPage) -> bool:
    """Return whether a page is as long as one that others follow, whatever size was asked for."""
    length = len(page.rows)
    return length in _PAGE_SIZES or (page.has_next and length >= min(_PAGE_SIZES))


def check_ready(agents: Mapping[Ready, Rows]) -> Failure | None:
    """Check the filter ``ready`` by the agents that it returned for each value.

    It has no impossible value: it must return no agent who is not ready. Where everybody is ready,
    or rows lack the field, it must not return the same rows for ``ready=false``.

    Raises:
        KeyError: the agents for a value that decides are missing.
    """
    ready = agents["true"]
    if any(row.get("ready") is False for row in ready):
        return _ignored("ready")
    if not ready:
        return None
    others = agents["false"]
    if not others or any(row.get("ready") is False for row in others):
        return None
    said = any(row.get("ready") is True for row in others)
    return _ignored("ready") if said or _users(ready) == _users(others) else None


def _ignored(name: Filter) -> Failure:
    words = f"the API ignores the filter `{name}`: it returns agents that the filter excludes"
    return Failure("filter_ignored", words)


def _users(rows: Iterable[Mapping[str, Any]]) -> set[object]:
    return {str(row.get("app_user")) for row in rows}
