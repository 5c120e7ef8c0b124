"""Rows of the API's lists, as the dialect writes them."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TypeAlias

from exporter.simulator.dialect import Dialect
from exporter.simulator.world import AccountMoment, Agent, Queue, Status

Row: TypeAlias = "dict[str, object]"


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
