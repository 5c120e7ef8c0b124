"""Whether a call can be taken now: the one judgement of `ping`, `/available` and the landing page.

There are three answers. None is "not known", and is never presented as "nobody".
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from exporter.clock import Moment
from exporter.errors import Failure
from exporter.snapshot import AccountSnapshot, QueueSnapshot, Snapshot


@dataclass(frozen=True, slots=True)
class Availability:
    """One queue's answer; ``read_at`` is a Unix time.

    ``available``, ``read_at`` and ``age_seconds`` are None where the queue could not be read, and
    ``failure`` is then the reason. ``queue_id``, ``required`` and ``open`` are None for a queue
    whose account could not be read, so that nothing but its name is known.
    """

    account: str
    queue: str
    queue_id: int | None = None
    team: str = ""
    can_take_call: bool | None = None
    available: int | None = None
    required: int | None = None
    open: bool | None = None
    read_at: float | None = None
    age_seconds: float | None = None
    failure: Failure | None = None

    def as_json(self) -> dict[str, object]:
        """Return the fields for JSON; the time is written as in RFC 3339, in UTC."""
        return {
            "account": self.account,
            "queue": self.queue,
            "queue_id": self.queue_id,
            "team": self.team,
            "can_take_call": self.can_take_call,
            "available": self.available,
            "required": self.required,
            "open": self.open,
            "read_at": None if self.read_at is None else _rfc3339(self.read_at),
            "age_seconds": None if self.age_seconds is None else round(self.age_seconds, 3),
            "failure": None if self.failure is None else _failure(self.failure),
        }


@dataclass(frozen=True, slots=True)
class AccountFailure:
    """An account that could not be read as a whole, and why."""

    account: str
    failure: Failure

    def as_json(self) -> dict[str, object]:
        """Return the fields for JSON."""
        return {"account": self.account, "failure": _failure(self.failure)}


@dataclass(frozen=True, slots=True)
class AvailabilityReport:
    """The answers of several queues, and the accounts that could not be read."""

    queues: tuple[Availability, ...]
    accounts: tuple[AccountFailure, ...] = ()

    @property
    def can_take_call(self) -> bool | None:
        """Whether any of the queues can take a call; None if none is known to, and one is unknown.

        An account that failed may have further queues, so its answer counts as not known.
        """
        answers = {queue.can_take_call for queue in self.queues}
        if True in answers:
            return True
        return None if None in answers or self.accounts else False

    @property
    def is_complete(self) -> bool:
        """Whether everything that was asked for was read."""
        return not self.accounts and all(queue.failure is None for queue in self.queues)

    def as_json(self) -> dict[str, object]:
        """Return the fields for JSON."""
        return {
            "can_take_call": self.can_take_call,
            "queues": [queue.as_json() for queue in self.queues],
            "accounts": [account.as_json() for account in self.accounts],
        }


def availability(snapshot: QueueSnapshot, now: Moment) -> Availability:
    """Return a queue's answer at a moment.

    A closed queue takes no call, whoever is available and whether or not it could be read.
    """
    result = snapshot.result
    can_take_call = None if result.available is None else result.available > 0
    was_read = result.failure is None
    return Availability(
        account=snapshot.account.name,
        queue=snapshot.queue.name,
        queue_id=snapshot.queue.id,
        team=snapshot.queue.team,
        can_take_call=can_take_call if snapshot.open else False,
        available=result.available,
        required=snapshot.queue.required_agents,
        open=snapshot.open,
        read_at=result.finished_at.unix_at(now) if was_read else None,
        age_seconds=now.steady - result.finished_at.steady if was_read else None,
        failure=result.failure,
    )


def unlisted_queue(account: AccountSnapshot, queue: str) -> Availability:
    """Return the answer for a queue of which only the name is known: its account was not listed."""
    return Availability(account.account.name, queue, failure=account.failures[0])


def report(snapshot: Snapshot, now: Moment) -> AvailabilityReport:
    """Return the answers of all queues of a snapshot, and the accounts that failed."""
    return AvailabilityReport(
        tuple(availability(queue, now) for queue in snapshot.queues),
        tuple(
            AccountFailure(account.account.name, failure)
            for account in snapshot.accounts
            if (failure := account.failure) is not None
        ),
    )


def _failure(failure: Failure) -> dict[str, object]:
    return {"code": failure.code, "message": failure.message}


def _rfc3339(unix_time: float) -> str:
    moment = datetime.fromtimestamp(unix_time, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
