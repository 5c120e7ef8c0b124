"""The API itself: one request and a time in, one answer out.

Its lists have filters, pages and rows as Django REST Framework or a dialect has them.
"""

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from operator import is_not
from typing import Literal, TypeAlias, TypeVar
from urllib.parse import urlencode

from exporter.simulator.wire import Answer, Request, html_answer, json_answer
from exporter.simulator.world import AccountMoment, Agent, Queue, Status, World

Record = TypeVar("Record")
Row: TypeAlias = dict[str, object]

#: The default key of an account; long enough to be found where it must not appear.
TOKEN = "a3f9c1simulatedcalltoolskey7e52d8b4"  # noqa: S105 - it is of no use elsewhere

LISTS = frozenset({"agentstatuses", "queues", "statuses"})

_DEFAULT_PAGE_SIZE = 25
_MAXIMUM_PAGE_SIZE = 250
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_INVALID_CHOICE = "Select a valid choice. That choice is not one of the available choices."

ALL_FILTERS = frozenset({"queue", "agent_status_id", "ready"})


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the simulated API answers; the defaults are those of Django REST Framework.

    ``unknown_id`` is the status for a queue or status id that the account does not have, or for
    text in its place: 400 with a field error, or 200 with an empty list; ``zero_id`` the same for
    the id 0. ``ignored_filters`` are filters that the API does not know. ``missing_fields`` are
    left out of each row. ``missing`` and ``forbidden`` name endpoints (``statuses``) that answer
    404 or 403. ``next_scheme`` ``none`` makes ``next`` a path without a host.
    """

    bad_key: Literal[401, 403] = 401
    unknown_id: Literal[200, 400] = 400
    zero_id: Literal[200, 400] = 200
    next_scheme: Literal["http", "https", "none"] = "http"
    envelope: Literal["page", "list", "data"] = "page"
    agent_status: Literal["integer", "digits", "object", "url", "name"] = "integer"
    datetimes: Literal["z", "naive", "space", "fraction"] = "z"
    missing_fields: frozenset[str] = frozenset()
    ignored_filters: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()


@dataclass(slots=True)
class SimulatedAccount:
    """One account: its key and its world. Its own dialect takes precedence over the simulator's."""

    world: World
    token: str = TOKEN
    name: str = "acme"
    active: bool = True
    dialect: Dialect | None = None
    _state: tuple[object, ...] = field(default=(), init=False, repr=False)
    _answers: dict[tuple[str, ...], Answer] = field(default_factory=dict, init=False, repr=False)

    def answers(self, *state: object) -> dict[tuple[str, ...], Answer]:
        """Return the answers of this state; a new state begins without any."""
        if len(state) != len(self._state) or any(map(is_not, state, self._state)):
            self._state, self._answers = state, {}
        return self._answers


class Api:
    """The CallTools API of one silo, for the accounts that it holds."""

    def __init__(self, accounts: Iterable[SimulatedAccount], dialect: Dialect) -> None:
        self.dialect = dialect
        self._by_token = {account.token: account for account in accounts}

    def account(self, request: Request) -> SimulatedAccount | None:
        """Return the account whose key the request carries, if in the right form."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return self._by_token.get(token.strip()) if scheme.lower() == "token" else None

    def answer(self, request: Request, at: float) -> Answer:
        """Return the answer to a request at a Unix time."""
        account = self.account(request)
        if account is None:
            return self._route(request, None, self.dialect)
        moment = account.world.at(at)
        dialect = account.dialect or self.dialect
        answers = account.answers(moment, dialect, account.active)
        key = (request.method, request.target, request.headers.get("host", ""))
        if key not in answers:
            permitted = moment if account.active else None
            answers[key] = self._route(request, permitted, dialect)
        return answers[key]

    def _route(self, request: Request, moment: AccountMoment | None, dialect: Dialect) -> Answer:
        endpoint = request.path.removeprefix("/api/").removesuffix("/")
        if request.path != f"/api/{endpoint}/" or endpoint not in LISTS - dialect.missing:
            return html_answer(404, "Not Found")
        if moment is None:
            return self._unauthenticated(request, dialect)
        if request.method != "GET":
            return _detail(405, f'Method "{request.method}" not allowed.')
        if endpoint in dialect.forbidden:
            return _detail(403, "You do not have permission to perform this action.")
        return read_list(endpoint, request, moment, dialect)

    def _unauthenticated(self, request: Request, dialect: Dialect) -> Answer:
        words = request.headers.get("authorization", "").split()
        if not words or words[0].lower() != "token":
            detail = "Authentication credentials were not provided."
        elif len(words) == 1:
            detail = "Invalid token header. No credentials provided."
        elif len(words) > 2:
            detail = "Invalid token header. Token string should not contain spaces."
        elif self.account(request) is not None:
            detail = "User inactive or deleted."
        else:
            detail = "Invalid token."
        challenge = [("WWW-Authenticate", "Token")] if dialect.bad_key == 401 else []
        return _detail(dialect.bad_key, detail, *challenge)


def _detail(status: int, text: str, *headers: tuple[str, str]) -> Answer:
    return json_answer(status, {"detail": text}, *headers)


def agent_row(agent: Agent, moment: AccountMoment, dialect: Dialect) -> Row:
    """Return one row of ``/api/agentstatuses/``."""
    here = agent.logged_in
    since = _datetime(agent.logged_in_since, dialect)
    row: Row = {
        "app_user": agent.app_user,
        "full_name": agent.full_name,
        "agent_status": _status(agent.status, moment, dialect),
        "agent_status_modified_on": _datetime(agent.status_since, dialect),
        "ready": agent.ready,
        "ready_since": _datetime(agent.status_since, dialect) if agent.ready else "",
        "logged_in": here,
        "logged_in_since": since if here else None,
        "campaign": None,
        "campaign_name": "",
        "web_phone_status": "Registered" if here else "Unregistered",
        "web_phone_registered_on": since if here else "",
        "ps_endpoint_id": f"o1_a{agent.app_user[:8]}_p1" if here else "",
        "live_calls_count": 0,
        "active_time": round(moment.time - agent.logged_in_since, 3) if here else 0.0,
        "avg_post_call_time": 0.0,
        "calls": agent.calls,
        "calls_outbound": 0,
        "calls_inbound": agent.calls,
        "transfers": 0,
    }
    for name in dialect.missing_fields | agent.hidden:
        row.pop(name, None)
    return row


def status_row(status: Status) -> Row:
    """Return one row of ``/api/statuses/``."""
    return {
        "id": status.id,
        "name": status.name,
        "campaign_action": status.campaign_action,
        "queue_action": status.queue_action,
        "agent_can_select": status.agent_can_select,
    }


def queue_row(queue: Queue, moment: AccountMoment) -> Row:
    """Return one row of ``/api/queues/``."""
    return {
        "id": queue.id,
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, f"queue/{queue.id}")),
        "name": queue.name,
        "extension": str(queue.id),
        "auto_answer": True,
        "call_recording": False,
        "member_agents": [agent.app_user for agent in moment.agents(queue.id)],
    }


def _status(status: int, moment: AccountMoment, dialect: Dialect) -> object:
    name = next((known.name for known in moment.statuses if known.id == status), "")
    forms: dict[str, object] = {
        "integer": status,
        "digits": str(status),
        "object": {"id": status, "name": name},
        "url": f"https://simulator.invalid/api/statuses/{status}/",
        "name": name,
    }
    return forms[dialect.agent_status]


def _datetime(at: float, dialect: Dialect) -> str:
    moment = datetime.fromtimestamp(at, UTC).replace(tzinfo=None)
    if dialect.datetimes == "fraction":
        return moment.isoformat(timespec="microseconds") + "Z"
    if dialect.datetimes == "space":
        return moment.isoformat(" ", timespec="seconds")
    return moment.isoformat(timespec="seconds") + ("Z" if dialect.datetimes == "z" else "")


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
