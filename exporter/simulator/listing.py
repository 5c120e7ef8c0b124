"""The API's lists: filters and pages as Django REST Framework has them."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar
from urllib.parse import urlencode

from exporter.simulator.rows import Dialect, Row, agent_row, queue_row, status_row
from exporter.simulator.wire import Answer, Request, json_answer
from exporter.simulator.world import AccountMoment, Agent

LISTS = frozenset({"agentstatuses", "queues", "statuses"})

_DEFAULT_PAGE_SIZE = 25
_MAXIMUM_PAGE_SIZE = 250
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_INVALID_CHOICE = "Select a valid choice. That choice is not one of the available choices."

Record = TypeVar("Record")


def read_list(name: str, request: Request, moment: AccountMoment, dialect: Dialect) -> Answer:
    """Return one page of a list, or why its filters are refused."""
    if name == "statuses":
        return _page(request, moment.statuses, status_row, dialect)
    if name == "queues":
        row = partial(queue_row, moment=moment)
        return _page(request, moment.queues, row, dialect)
    filters = {key: value for key, value in request.query.items() if value}
    for ignored in dialect.ignored_filters:
        filters.pop(ignored, None)
    refused = _refused(filters, moment, dialect)
    if refused:
        return json_answer(400, {key: [_INVALID_CHOICE] for key in refused})
    row_of_agent = partial(agent_row, moment=moment, dialect=dialect)
    return _page(request, _filtered(filters, moment), row_of_agent, dialect)


def _refused(filters: dict[str, str], moment: AccountMoment, dialect: Dialect) -> list[str]:
    known = {
        "queue": {str(queue.id) for queue in moment.queues},
        "agent_status_id": {str(status.id) for status in moment.statuses},
    }
    wrong = [key for key, ids in known.items() if filters.get(key, "") not in {"", *ids}]
    status = {key: dialect.zero_id if filters[key] == "0" else dialect.unknown_id for key in wrong}
    return [key for key in wrong if status[key] == 400]


def _filtered(filters: dict[str, str], moment: AccountMoment) -> Sequence[Agent]:
    queue = filters.get("queue")
    if queue is not None and not queue.isdecimal():
        return []
    status = filters.get("agent_status_id")
    ready = _BOOLEANS.get(filters.get("ready", "").lower())
    return [
        agent
        for agent in moment.agents(None if queue is None else int(queue))
        if status in {None, str(agent.status)} and ready in {None, agent.ready}
    ]


def _page(
    request: Request, records: Sequence[Record], row: Callable[[Record], Row], dialect: Dialect
) -> Answer:
    size = min(
        _number(request.query.get("page_size", "")) or _DEFAULT_PAGE_SIZE, _MAXIMUM_PAGE_SIZE
    )
    pages = max(1, -(-len(records) // size))
    page = _number(request.query.get("page", "1"))
    if not 1 <= page <= pages:
        return json_answer(404, {"detail": "Invalid page."})
    rows = [row(record) for record in records[(page - 1) * size : page * size]]
    document: object = {
        "count": len(records),
        "next": _link(request, page + 1, dialect) if page < pages else None,
        "previous": _link(request, page - 1, dialect) if page > 1 else None,
        "results": rows,
    }
    if dialect.envelope == "list":
        document = rows
    elif dialect.envelope == "data":
        document = {"data": document}
    return json_answer(200, document)


def _number(text: str) -> int:
    """Return a positive whole number, or 0 for what is none."""
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def _link(request: Request, page: int, dialect: Dialect) -> str:
    query = {**request.query, "page": str(page)}
    if page == 1:
        del query["page"]
    path = f"{request.path}?{urlencode(sorted(query.items()))}".removesuffix("?")
    if dialect.next_scheme == "none":
        return path
    return f"{dialect.next_scheme}://{request.headers.get('host', '')}{path}"
