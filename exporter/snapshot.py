"""The values of a scrape, which pass between the packages."""

from dataclasses import dataclass

from exporter.clock import Moment
from exporter.errors import Failure
from exporter.settings import Account, Queue


@dataclass(frozen=True, slots=True)
class AgentDetail:
    """What the rows of a queue's agents say; a value is None unless every row has it.

    ``by_status`` counts agents by the name of their status. ``available_since`` is the Unix time
    since when the longest waiting available agent has waited, also None if there is none.
    """

    by_status: tuple[tuple[str, int], ...]
    logged_in: int | None
    ready: int | None
    available_since: float | None


@dataclass(frozen=True, slots=True)
class QueueResult:
    """What one fetch of one queue found: a true number, or the reason why there is none.

    Exactly one of ``available`` and ``failure`` is None. ``duration_seconds`` runs from the first
    request to the last answer; it is None where nothing was sent.
    """

    available: int | None
    failure: Failure | None
    duration_seconds: float | None
    finished_at: Moment
    detail: AgentDetail | None = None

    @property
    def asked_at(self) -> float:
        """When the fetch began, by the steady clock: the number may be as old as that."""
        return self.finished_at.steady - (self.duration_seconds or 0.0)


@dataclass(frozen=True, slots=True)
class QueueSnapshot:
    """One queue in one scrape.

    ``utc_offset`` is in seconds, of the schedule's zone; 0 for a queue without a schedule.
    """

    account: Account
    queue: Queue
    result: QueueResult
    open: bool
    utc_offset: float
    last_success_at: float | None


@dataclass(frozen=True, slots=True)
class AccountSnapshot:
    """One account in one scrape: read, or why not.

    ``up`` says whether the API gave at least one valid answer. ``failure`` is why nothing of the
    account could be read, None if something was. ``failures`` are all that concern the account as a
    whole, ``failure`` first; an account that was read may have some, such as a list that could not
    be renewed. Without ``queues_known`` the snapshot may lack queues of the account. ``missing``
    are queues that the configuration describes by a name that no queue of the account has now.
    ``hold_until`` is the Unix time until which the exporter backs off.
    """

    account: Account
    up: bool
    failures: tuple[Failure, ...]
    hold_until: float | None = None
    queues_known: bool = True
    missing: tuple[Queue, ...] = ()

    @property
    def failure(self) -> Failure | None:
        """Why nothing of the account could be read as a whole, None if it was."""
        return None if self.up else next(iter(self.failures), None)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that one scrape found, complete before any of it is rendered."""

    accounts: tuple[AccountSnapshot, ...]
    queues: tuple[QueueSnapshot, ...]
    duration_seconds: float
    budget_seconds: float


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempted request; ``code`` is None if it got a valid 200."""

    code: str | None
    seconds: float


class RequestObserver:
    """Observes each request, so that the client need not know what a counter is.

    This one ignores them.
    """

    def attempt_started(self) -> None:
        """Record that a request is about to be sent."""

    def connection_opened(self) -> None:
        """Record that a new connection to the API was opened for it."""

    def attempt_ended(self, attempt: Attempt) -> None:
        """Record how it ended."""
