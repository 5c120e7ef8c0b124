"""What a simulated account looks like at one moment."""

import hashlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

AVAILABLE = 20561
NOT_AVAILABLE = 20562
POST_CALL = 20563
ON_A_CALL = 20564
LUNCH = 43069

_SYLLABLES = (
    *("ba", "dor", "fen", "gil", "hos", "jun", "kel", "lor"),
    *("mav", "nim", "pol", "quil", "ras", "sev", "tir", "vox"),
)


@dataclass(frozen=True, slots=True)
class Status:
    """One row of ``/api/statuses/``; the actions are the vendor's own terms."""

    id: int
    name: str
    queue_action: str = "Set Not Ready"
    campaign_action: str = "Set Not Ready"
    agent_can_select: bool = True


STATUSES = (
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
    status: int
    ready: bool
    logged_in: bool
    status_since: float
    logged_in_since: float
    calls: int = 0
    hidden: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class AccountMoment:
    """An account at one Unix time. The same object always gives the same answers.

    ``agents`` returns those of one queue, or all of the account (None), including logged-out ones.
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
    """Return the ``app_user`` and the full name for a key, always the same."""
    digest = hashlib.sha256(key.encode()).digest()
    sounds = [_SYLLABLES[byte % len(_SYLLABLES)] for byte in digest[:7]]
    name = f"{''.join(sounds[:3]).title()} {''.join(sounds[3:]).title()}"
    return str(uuid.UUID(bytes=digest[-16:], version=4)), name
