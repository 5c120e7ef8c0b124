"""Other forms of the API's answers than those of Django REST Framework."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

from exporter.simulator import SimulatedAccount
from exporter.simulator.api import Api, detail, link
from exporter.simulator.wire import Answer, Request, html_answer, json_answer

ALL_FILTERS = frozenset({"queue", "agent_status_id", "ready"})

_IDS = ("queue", "agent_status_id")
_TIMES = frozenset(
    {"agent_status_modified_on", "ready_since", "logged_in_since", "web_phone_registered_on"}
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the simulated API answers; the defaults are those of Django REST Framework.

    ``unknown_id`` is the status for a queue or status id that the account does not have, or for
    text in its place: 400 with a field error, or 200 with an empty list; ``zero_id`` the same for
    the id 0. ``ignored_filters`` are filters that the API does not know. ``missing_fields`` are
    left out of each agent's row. ``missing`` and ``forbidden`` name endpoints (``statuses``) that
    answer 404 or 403. ``next_scheme`` ``none`` makes ``next`` a path without a host.
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


#: That of Django REST Framework itself, as `Api` has it.
DJANGO = Dialect()


@dataclass(slots=True)
class DialectAccount(SimulatedAccount):
    """An account with a dialect of its own."""

    dialect: Dialect | None = None


class DialectApi(Api):
    """An API that answers in a dialect."""

    def __init__(self, accounts: Iterable[SimulatedAccount], dialect: Dialect) -> None:
        super().__init__(accounts)
        self.dialect = dialect

    def answer(self, request: Request, at: float) -> Answer:
        """Return the answer to a request at a Unix time."""
        account = self.account(request)
        own = account.dialect if isinstance(account, DialectAccount) else None
        dialect = own or self.dialect
        if dialect == DJANGO:
            return super().answer(request, at)
        query = {
            name: value
            for name, value in request.query.items()
            if name not in dialect.ignored_filters
        }
        understood = request.to(f"{request.path}?{urlencode(query)}")
        if account is None:
            answer = super().answer(understood, at)
            return json_answer(dialect.bad_key, json.loads(answer.body))
        if refusal := _refusal(understood, dialect):
            return refusal
        names = {status.id: status.name for status in account.world.at(at).statuses}
        return _translated(super().answer(understood, at), request, dialect, names)


def _endpoint(request: Request) -> str:
    return request.path.removeprefix("/api/").removesuffix("/")


def _refusal(request: Request, dialect: Dialect) -> Answer | None:
    """Return what the dialect answers in place of a list."""
    if _endpoint(request) in dialect.missing:
        return html_answer(404, "Not Found")
    if _endpoint(request) in dialect.forbidden:
        return detail(403, "You do not have permission to perform this action.")
    zero = [name for name in _IDS if request.query.get(name) == "0"]
    if zero and dialect.zero_id == 400:
        return json_answer(400, {name: ["Select a valid choice."] for name in zero})
    return None


def _translated(
    answer: Answer, request: Request, dialect: Dialect, names: Mapping[int, str]
) -> Answer:
    """Return an answer in the dialect; ``names`` are the statuses' by id."""
    if answer.status == 400 and dialect.unknown_id == 200:
        answer = json_answer(200, {"count": 0, "next": None, "previous": None, "results": []})
    if answer.status != 200:
        return answer
    document = json.loads(answer.body)
    page = int(request.query.get("page", "1"))
    for key, number in (("next", page + 1), ("previous", page - 1)):
        if document[key] is not None:
            document[key] = _relinked(link(request, number), dialect)
    if _endpoint(request) == "agentstatuses":
        document["results"] = [_row(row, dialect, names) for row in document["results"]]
    return json_answer(200, _in_envelope(document, dialect))


def _relinked(url: str, dialect: Dialect) -> str:
    host_and_path = url.removeprefix("http://")
    if dialect.next_scheme == "none":
        return "/" + host_and_path.partition("/")[2]
    return f"{dialect.next_scheme}://{host_and_path}"


def _in_envelope(document: dict[str, Any], dialect: Dialect) -> object:
    if dialect.envelope == "list":
        return document["results"]
    return {"data": document} if dialect.envelope == "data" else document


def _row(row: dict[str, Any], dialect: Dialect, names: Mapping[int, str]) -> dict[str, Any]:
    row = {name: value for name, value in row.items() if name not in dialect.missing_fields}
    for name in _TIMES & row.keys():
        if row[name]:
            row[name] = _time(row[name], dialect)
    if "agent_status" in row:
        row["agent_status"] = _status(row["agent_status"], dialect, names)
    return row


def _time(text: str, dialect: Dialect) -> str:
    forms = {
        "z": text,
        "naive": text.removesuffix("Z"),
        "space": text.removesuffix("Z").replace("T", " "),
        "fraction": text.replace("Z", ".000000Z"),
    }
    return forms[dialect.datetimes]


def _status(status: int, dialect: Dialect, names: Mapping[int, str]) -> object:
    name = names.get(status, "")
    forms: dict[str, object] = {
        "integer": status,
        "digits": str(status),
        "object": {"id": status, "name": name},
        "url": f"https://simulator.invalid/api/statuses/{status}/",
        "name": name,
    }
    return forms[dialect.agent_status]
