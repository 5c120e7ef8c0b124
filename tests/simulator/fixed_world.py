"""An account whose agents and queues a test sets by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from exporter.simulator.world import (
    AVAILABLE,
    STATUSES,
    AccountMoment,
    Agent,
    Queue,
    Status,
    person,
)

#: When time stands still in a fixed world, and its agents took their status: 2026-07-27T17:45Z.
FIXED_TIME = 1785174300.0


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

    def at(self, time: float) -> AccountMoment:
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

    def set_agent(
        self,
        name: str,
        *queues: int,
        status: int = AVAILABLE,
        ready: bool | None = None,
        logged_in: bool = True,
        since: float = FIXED_TIME,
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
            logged_in_since=FIXED_TIME - 3600,
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
        agents = {key: _available_agent(key, name, queue) for key, name in people}
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


def _available_agent(app_user: str, name: str, queue: int) -> Agent:
    return Agent(
        app_user,
        name,
        frozenset({queue}),
        status=AVAILABLE,
        ready=True,
        logged_in=True,
        status_since=FIXED_TIME,
        logged_in_since=FIXED_TIME - 3600,
    )
