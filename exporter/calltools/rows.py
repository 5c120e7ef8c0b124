"""Read the rows of the API's lists into values, without assuming what they do not say.

The API does not document its rows, so every field may be missing or of another type: it is then
unknown, which is neither false nor 0.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from exporter.calltools.pages import read_id, unexpected
from exporter.errors import Failure
from exporter.settings import AUTO
from exporter.snapshot import AgentDetail
from exporter.text import did_you_mean, one_line

#: The most statuses of a queue that are counted by name: an account has ten or twenty.
MOST_STATUSES = 100


@dataclass(frozen=True, slots=True)
class AgentRow:
    """One agent; None is unknown. ``since`` is when the agent took the status and was ready."""

    status: int | str | None
    ready: bool | None
    logged_in: bool | None
    since: float | None

    def may_be_free(self, status_ids: Iterable[int]) -> bool:
        """Return whether the agent may be available: nothing shows otherwise."""
        other_status = isinstance(self.status, int) and self.status not in status_ids
        return self.ready is not False and self.logged_in is not False and not other_status


@dataclass(frozen=True, slots=True)
class StatusRow:
    """One agent status of the account; the actions are the vendor's terms."""

    id: int
    name: str
    queue_action: str
    agent_can_select: bool | None


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One queue of the account."""

    id: int
    name: str


def read_agent(row: Mapping[str, Any]) -> tuple[str, AgentRow]:
    """Return the key that distinguishes a row of ``/api/agentstatuses/``, and its agent."""
    user = row.get("app_user")
    if not user or not isinstance(user, str | int):
        raise unexpected("a row without `app_user`")
    moments = [_time(row.get(key)) for key in ("ready_since", "agent_status_modified_on")]
    return str(user), AgentRow(
        _status(row.get("agent_status")),
        _boolean(row.get("ready")),
        _boolean(row.get("logged_in")),
        max((moment for moment in moments if moment is not None), default=None),
    )


def read_status(row: Mapping[str, Any]) -> tuple[int, StatusRow]:
    """Return a row of ``/api/statuses/``, with its id."""
    identifier = _id(row)
    return identifier, StatusRow(
        identifier,
        _text(row.get("name")) or str(identifier),
        _text(row.get("queue_action")),
        _boolean(row.get("agent_can_select")),
    )


def read_queue(row: Mapping[str, Any]) -> tuple[int, QueueRow]:
    """Return a row of ``/api/queues/``, with its id."""
    identifier = _id(row)
    return identifier, QueueRow(identifier, _text(row.get("name")) or str(identifier))


def summarise(
    agents: Iterable[AgentRow], available: Iterable[int], names: Mapping[int, str]
) -> tuple[int, AgentDetail]:
    """Return how many of a queue's agents are available, and the detail that their rows give.

    An agent is available in one of the available statuses, ready, and not known to be logged out. A
    value that depends on a field is None if some row lacks that field: it would be incomplete.

    Raises:
        ApiError: the rows do not show whether some agent is available (`unexpected_answer`).
    """
    agents, available = tuple(agents), tuple(available)
    wanted: set[int | str] = {*available, *(names[id_] for id_ in available if id_ in names)}
    names_are_known = all(id_ in names for id_ in available)
    free = []
    for agent in agents:
        if agent.ready is False or agent.logged_in is False:
            continue
        readable = isinstance(agent.status, int) or (agent.status and names_are_known)
        if readable and agent.status not in wanted:
            continue
        if not readable or agent.ready is None:
            raise unexpected("rows that lack `ready`, or the status")
        free.append(agent)
    by_status = Counter(_name(agent.status, names) for agent in agents)
    since = [agent.since for agent in free]
    return len(free), AgentDetail(
        tuple(sorted(_bounded(by_status, names).items())),
        _count(agent.logged_in for agent in agents),
        _count(agent.ready for agent in agents),
        min((moment for moment in since if moment is not None), default=None)
        if None not in since
        else None,
    )


def _bounded(by_status: Counter[str], names: Mapping[int, str]) -> Counter[str]:
    """Return at most `MOST_STATUSES` names: the account's own, the most common, and `other`."""
    if len(by_status) <= MOST_STATUSES:
        return by_status
    known = set(names.values())
    order = sorted(by_status, key=lambda name: (name not in known, -by_status[name], name))
    kept = Counter({name: by_status[name] for name in order[: MOST_STATUSES - 1]})
    kept["other"] += by_status.total() - kept.total()
    return kept


def unknown_statuses(agents: Iterable[AgentRow], names: Mapping[int, str]) -> list[AgentRow]:
    """Return the agents who have a status id that the account's list does not have."""
    return [
        agent for agent in agents if isinstance(agent.status, int) and agent.status not in names
    ]


def resolve_statuses(
    choices: Iterable[int | str], statuses: Mapping[int, StatusRow]
) -> tuple[int, ...] | Failure:
    """Return the ids that a configuration means by its ``available_status``.

    Args:
        choices: ids, names (in any case) or `auto`.
        statuses: those that the account has, by id.

    Returns:
        The ids, or an `unknown_id` that lists the candidates where one is not found or not clear.
    """
    found: dict[int, None] = {}
    rows = tuple(statuses.values())
    for choice in choices:
        if isinstance(choice, int):
            matches: Sequence[StatusRow] = [row for row in rows if row.id == choice]
            wanted = f"with the id {choice}"
        elif choice == AUTO:
            matches = _automatic(rows)
            wanted = "that is clearly the available one"
        else:
            matches = [row for row in rows if row.name.casefold() == choice.casefold()]
            wanted = f"named {choice!r}{did_you_mean(choice, [row.name for row in rows])}"
        if len(matches) != 1:
            number = "several statuses" if matches else "no agent status"
            candidates = ", ".join(f"{row.name} ({row.id})" for row in matches or rows)
            listed = one_line(candidates, 1000) or "none"
            words = f"the account has {number} {wanted}; give an id of: {listed}"
            return Failure("unknown_id", words)
        found[matches[0].id] = None
    return tuple(found)


def _automatic(rows: Sequence[StatusRow]) -> Sequence[StatusRow]:
    """Return the status that makes agents ready for queues: by queue action, then by name."""
    ready = [
        row
        for row in rows
        if row.queue_action.casefold() == "set ready" and row.agent_can_select is not False
    ]
    if len(ready) == 1:
        return ready
    for name in ("available", "ready"):
        named = [row for row in ready or rows if row.name.casefold() == name]
        if len(named) == 1:
            return named
    return ready


def _count(values: Iterable[bool | None]) -> int | None:
    values = tuple(values)
    return None if None in values else sum(map(bool, values))


def _name(status: int | str | None, names: Mapping[int, str]) -> str:
    if status is None:
        return "unknown"
    return status if isinstance(status, str) else names.get(status, str(status))


def _status(value: object) -> int | str | None:
    """Return the id of a status, else its name where only that is given."""
    identifier = read_id(value)
    if identifier is not None:
        return identifier
    return _text(value.get("name") if isinstance(value, dict) else value) or None


def _id(row: Mapping[str, Any]) -> int:
    identifier = read_id(row.get("id"))
    if identifier is None:
        raise unexpected("a row without `id`")
    return identifier


def _boolean(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _text(value: object) -> str:
    """Return a name as one printable line of a sane length."""
    return one_line(value) if isinstance(value, str) else ""


def _time(value: object) -> float | None:
    """Return a time as Unix time, from ISO 8601 with or without zone or a number of seconds."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        value = aware.timestamp()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # From 2001 to 2286: anything else is a placeholder or another unit.
    return float(value) if 1e9 <= value < 1e10 else None
