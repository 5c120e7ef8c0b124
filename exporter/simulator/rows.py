"""Rows of the API's lists, as a dialect writes them: a switch for each unknown fact of the API."""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from exporter.simulator.world import AccountMoment, Agent, Queue, Status

Row: TypeAlias = dict[str, object]

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
