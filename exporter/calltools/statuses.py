"""Which agent statuses are meant by an id, a name or `auto`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from exporter.calltools.rows import StatusRow
from exporter.errors import Failure
from exporter.settings import AUTO
from exporter.text import did_you_mean, one_line

__all__ = ["resolve_statuses"]


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
            wanted = "that is plainly the available one"
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
    """Find the status that makes an agent ready for queues: by its queue action, then its name."""
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
