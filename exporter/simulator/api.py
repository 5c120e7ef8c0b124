"""The API itself: one request and a time in, one answer out.

Its lists have filters, pages and rows as Django REST Framework has them.
"""

import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TypeAlias, TypeVar
from urllib.parse import urlencode

from exporter.simulator.wire import Answer, Request, html_answer, json_answer
from exporter.simulator.world import AccountMoment, Agent, Queue, Status, World

Record = TypeVar("Record")
Row: TypeAlias = dict[str, object]

#: The default key of an account; long enough to be found where it must not appear.
TOKEN = "a3f9c1simulatedcalltoolskey7e52d8b4"  # noqa: S105 - it is of no use elsewhere

_LISTS = frozenset({"agentstatuses", "queues", "statuses"})
_DEFAULT_PAGE_SIZE = 25
_MAXIMUM_PAGE_SIZE = 250
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_INVALID_CHOICE = "Select a valid choice. That choice is not one of the available choices."


@dataclass(slots=True)
class SimulatedAccount:
    """One account: its key and its world."""

    world: World
    token: str = TOKEN
    name: str = "acme"
    _moment: AccountMoment | None = field(default=None, init=False, repr=False)
    _answers: dict[tuple[str, ...], Answer] = field(default_factory=dict, init=False, repr=False)

    def answers(self, moment: AccountMoment) -> dict[tuple[str, ...], Answer]:
        """Return the answers at this moment so far."""
        if moment is not self._moment:
            self._moment, self._answers = moment, {}
        return self._answers


class Api:
    """The CallTools API of one silo, for the accounts that it holds."""

    def __init__(self, accounts: Iterable[SimulatedAccount]) -> None:
        self._by_token = {account.token: account for account in accounts}

    def account(self, request: Request) -> SimulatedAccount | None:
        """Return the account whose key the request carries, if in the right form."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return self._by_token.get(token.strip()) if scheme.lower() == "token" else None

    def answer(self, request: Request, at: float) -> Answer:
        """Return the answer to a request at a Unix time."""
        account = self.account(request)
        if account is None:
            return _route(request, None)
        moment = account.world.at(at)
        answers = account.answers(moment)
        key = (request.method, request.target, request.headers.get("host", ""))
        if key not in answers:
            answers[key] = _route(request, moment)
        return answers[key]


def _route(request: Request, moment: AccountMoment | None) -> Answer:
    """Answer a request; ``moment`` is its account's, None without a valid key."""
    endpoint = request.path.removeprefix("/api/").removesuffix("/")
    if request.path != f"/api/{endpoint}/" or endpoint not in _LISTS:
        return html_answer(404, "Not Found")
    if moment is None:
        return _unauthenticated(request)
    if request.method != "GET":
        return detail(405, f'Method "{request.method}" not allowed.')
    return _read_list(endpoint, request, moment)


def _unauthenticated(request: Request) -> Answer:
    words = request.headers.get("authorization", "").split()
    if not words or words[0].lower() != "token":
        text = "Authentication credentials were not provided."
    elif len(words) == 1:
        text = "Invalid token header. No credentials provided."
    elif len(words) > 2:
        text = "Invalid token header. Token string should not contain spaces."
    else:
        text = "Invalid token."
    return detail(401, text, ("WWW-Authenticate", "Token"))


def detail(status: int, text: str, *headers: tuple[str, str]) -> Answer:
    """Return a refusal."""
    return json_answer(status, {"detail": text}, *headers)


def _agent_row(agent: Agent, moment: AccountMoment) -> Row:
    """Return one row of ``/api/agentstatuses/``."""
    here = agent.logged_in
    since = _datetime(agent.logged_in_since)
    row: Row = {
        "app_user": agent.app_user,
        "full_name": agent.full_name,
        "agent_status": agent.status,
        "agent_status_modified_on": _datetime(agent.status_since),
        "ready": agent.ready,
        "ready_since": _datetime(agent.status_since) if agent.ready else "",
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
    for name in agent.hidden:
        row.pop(name, None)
    return row


def _status_row(status: Status) -> Row:
    """Return one row of ``/api/statuses/``."""
    return {
        "id": status.id,
        "name": status.name,
        "campaign_action": status.campaign_action,
        "queue_action": status.queue_action,
        "agent_can_select": status.agent_can_select,
    }


def _queue_row(queue: Queue, moment: AccountMoment) -> Row:
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


def _datetime(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _read_list(name: str, request: Request, moment: AccountMoment) -> Answer:
    """Return one page of a list, or why its filters are refused."""
    if name == "statuses":
        return _page(request, moment.statuses, _status_row)
    if name == "queues":
        return _page(request, moment.queues, partial(_queue_row, moment=moment))
    filters = {key: value for key, value in request.query.items() if value}
    if refused := _refused(filters, moment):
        return json_answer(400, {key: [_INVALID_CHOICE] for key in refused})
    return _page(request, _filtered(filters, moment), partial(_agent_row, moment=moment))


def _refused(filters: dict[str, str], moment: AccountMoment) -> list[str]:
    """Return the filters by an id that the account does not have; 0 means none of them."""
    known = {
        "queue": {str(queue.id) for queue in moment.queues},
        "agent_status_id": {str(status.id) for status in moment.statuses},
    }
    return [key for key, ids in known.items() if filters.get(key, "0") not in {"0", *ids}]


def _filtered(filters: dict[str, str], moment: AccountMoment) -> Sequence[Agent]:
    queue = filters.get("queue")
    status = filters.get("agent_status_id")
    ready = _BOOLEANS.get(filters.get("ready", "").lower())
    return [
        agent
        for agent in moment.agents(None if queue is None else int(queue))
        if status in {None, str(agent.status)} and ready in {None, agent.ready}
    ]


def _page(request: Request, records: Sequence[Record], row: Callable[[Record], Row]) -> Answer:
    size = min(
        _number(request.query.get("page_size", "")) or _DEFAULT_PAGE_SIZE, _MAXIMUM_PAGE_SIZE
    )
    pages = max(1, -(-len(records) // size))
    page = _number(request.query.get("page", "1"))
    if not 1 <= page <= pages:
        return detail(404, "Invalid page.")
    document = {
        "count": len(records),
        "next": link(request, page + 1) if page < pages else None,
        "previous": link(request, page - 1) if page > 1 else None,
        "results": [row(record) for record in records[(page - 1) * size : page * size]],
    }
    return json_answer(200, document)


def _number(text: str) -> int:
    """Return a positive whole number, or 0 for what is none."""
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def link(request: Request, page: int) -> str:
    """Return the URL of another page of a list."""
    query = {**request.query, "page": str(page)}
    if page == 1:
        del query["page"]
    path = f"{request.path}?{urlencode(sorted(query.items()))}".removesuffix("?")
    return f"http://{request.headers.get('host', '')}{path}"
