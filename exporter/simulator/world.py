"""What a simulated account looks like at one moment, and a world that tests set by hand."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, Protocol

__all__ = [
    "AVAILABLE",
    "FIXED_TIME",
    "LUNCH",
    "NOT_AVAILABLE",
    "ON_A_CALL",
    "POST_CALL",
    "STATUSES",
    "AccountMoment",
    "Agent",
    "FixedWorld",
    "Queue",
    "Status",
    "World",
    "person",
]

AVAILABLE: Final = 20561
NOT_AVAILABLE: Final = 20562
POST_CALL: Final = 20563
ON_A_CALL: Final = 20564
LUNCH: Final = 43069

#: When time stands still in a fixed world, and its agents took their status: 2026-07-27T17:45Z.
FIXED_TIME: Final = 1785174300.0

_SYLLABLES: Final = (
    *("ba", "dor", "fen", "gil", "hos", "jun", "kel", "lor"),
    *("mav", "nim", "pol", "quil", "ras", "sev", "tir", "vox"),
)


@dataclass(frozen=True, slots=True)
class Status:
    """One row of ``/api/statuses/``; the actions are the vendor's own words."""

    id: int
    name: str
    queue_action: str = "Set Not Ready"
    campaign_action: str = "Set Not Ready"
    agent_can_select: bool = True


STATUSES: Final = (
    Status(AVAILABLE, "Available", "Set Ready", "Set Ready"),
    Status(NOT_AVAILABLE, "Not Available"),
    Status(POST_CALL, "Post Call", agent_can_select=False),
    Status(ON_A_CALL, "On a Call", agent_can_select=False),
    Status(LUNCH, "Lunch"),
)


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue of an account."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent at one moment; times are Unix times. ``hidden`` names fields its row lacks."""

    app_user: str
    full_name: str
    queues: frozenset[int]
    status: int = AVAILABLE
    ready: bool = True
    logged_in: bool = True
    status_since: float = FIXED_TIME
    logged_in_since: float = FIXED_TIME - 3600
    team: int = 1
    calls: int = 0
    post_call_seconds: float = 0.0
    hidden: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class AccountMoment:
    """An account at one Unix time. The same object always means the same answers.

    ``agents`` gives those of one queue, or all of the account (None), logged out ones as well.
    """

    time: float
    statuses: Sequence[Status]
    queues: Sequence[Queue]
    agents: Callable[[int | None], Sequence[Agent]]


class World(Protocol):
    """An account whose state is a function of time."""

    def at(self, time: float) -> AccountMoment:
        """Return the account at this Unix time."""


def person(key: str) -> tuple[str, str]:
    """Return the ``app_user`` and the full name of whom this key stands for, always the same."""
    digest = hashlib.sha256(key.encode()).digest()
    sounds = [_SYLLABLES[byte % len(_SYLLABLES)] for byte in digest[:7]]
    name = f"{''.join(sounds[:3]).title()} {''.join(sounds[3:]).title()}"
    return str(uuid.UUID(bytes=digest[-16:], version=4)), name


class FixedWorld:
    """An account in which nothing happens but what a test sets, from any thread."""

    def __init__(
        self,
        queues: Mapping[int, str] | None = None,
        statuses: Iterable[Status] = STATUSES,
    ) -> None:
        self._statuses = tuple(statuses)
        self._agents: Mapping[str, Agent] = {}
        self.set_queues({5457: "sales", 5460: "support"} if queues is None else queues)

    def at(self, time: float) -> AccountMoment:  # noqa: ARG002 - time stands still here
        """Return the account as it was last set."""
        return self._moment

    def set_queues(self, queues: Mapping[int, str]) -> None:
        """Replace the list of queues, by id and name; the agents stay as they are."""
        self._queues = tuple(Queue(id_, name) for id_, name in queues.items())
        self._set_agents(self._agents)

    def set_statuses(self, statuses: Iterable[Status]) -> None:
        """Replace the status definitions; the agents stay as they are."""
        self._statuses = tuple(statuses)
        self._set_agents(self._agents)

    def set_agent(  # noqa: PLR0913 - all but the name have a default
        self,
        name: str,
        *queues: int,
        status: int = AVAILABLE,
        ready: bool | None = None,
        logged_in: bool = True,
        since: float = FIXED_TIME,
        team: int = 1,
        hidden: Iterable[str] = (),
    ) -> Agent:
        """Put an agent into a status, adding whom the account does not have yet.

        ``name`` is the key of the agent and becomes the full name. Unless ``ready`` is given, it
        follows the status's queue action.
        """
        if ready is None:
            ready = any(s.id == status and s.queue_action == "Set Ready" for s in self._statuses)
        agent = Agent(
            person(name)[0],
            name,
            frozenset(queues),
            status=status,
            ready=ready,
            logged_in=logged_in,
            status_since=since,
            team=team,
            hidden=frozenset(hidden),
        )
        self._set_agents({**self._agents, agent.app_user: agent})
        return agent

    def remove_agent(self, name: str) -> None:
        """Take an agent out of the account."""
        gone = person(name)[0]
        self._set_agents({key: a for key, a in self._agents.items() if key != gone})

    def set_available(self, queue: int, number: int) -> None:
        """Leave a queue with exactly this many agents, all of them available."""
        others = {k: a for k, a in self._agents.items() if queue not in a.queues}
        people = [person(f"{queue}/{index}") for index in range(number)]
        agents = {key: Agent(key, name, frozenset({queue})) for key, name in people}
        self._set_agents({**others, **agents})

    def _set_agents(self, agents: Mapping[str, Agent]) -> None:
        @cache
        def members() -> Mapping[int | None, Sequence[Agent]]:
            lists: dict[int | None, list[Agent]] = {None: list(agents.values())}
            for agent in agents.values():
                for queue in agent.queues:
                    lists.setdefault(queue, []).append(agent)
            return lists

        self._agents = agents
        self._moment = AccountMoment(
            FIXED_TIME, self._statuses, self._queues, lambda queue: members().get(queue, ())
        )
