"""The answer to a request for `/available`: the queues that it concerns, and their numbers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from exporter.availability import AccountFailure, AvailabilityReport, report, unlisted_queue
from exporter.clock import Moment
from exporter.errors import (
    Failure,
    UnknownAccountError,
    UnknownNameError,
    UnknownQueueError,
    UnknownTeamError,
)
from exporter.runtime import Runtime
from exporter.settings import Account, Queue
from exporter.snapshot import Snapshot
from exporter.web.available_users import AvailableUser


@dataclass(frozen=True, slots=True)
class Question:
    """The parsed request; ``account`` and ``team`` are None where they do not narrow it.

    ``queues`` are names or ids, none for all. ``only_true`` leaves out queues that can take no
    call. ``timeout`` and ``max_age`` are in seconds.
    """

    account: str | None
    queues: tuple[str, ...]
    team: str | None
    only_true: bool
    timeout: float
    max_age: float


@dataclass(frozen=True, slots=True)
class ReadAvailability:
    """The report, and after how many seconds the API may be asked again, if it said."""

    report: AvailabilityReport
    retry_after: float | None


def read_available(
    runtime: Runtime, question: Question, user: AvailableUser | None, seconds: float
) -> ReadAvailability:
    """Read the queues of a request that its user may ask about; call it in a thread.

    Other accounts and queues do not exist for a user: neither a name nor the time of an answer
    reveals them.

    Raises:
        UnknownNameError: nothing that the user may ask about is configured.
        UnknownAccountError: the user has no account of that name.
        UnknownQueueError: the account has no queue of that name or id for the user.
        UnknownTeamError: no queue of the user has that team.
    """
    accounts = [one for one in runtime.configuration.accounts if _may_have(one, None, user)]
    if not accounts:  # "nobody" would be wrong, and for good
        raise _nothing_configured()
    names = [account.name for account in accounts]
    if question.account is not None:
        if question.account not in names:
            raise UnknownAccountError(question.account, names)
        _check_queues(runtime, question.account, question.queues, user)
    if question.team is not None:
        _check_team(question.team, accounts, user)
    snapshot = runtime.read(
        question.account,
        question.queues,
        only=lambda account: _may_have(account, question.team, user),
        budget_seconds=seconds,
        max_age=question.max_age,
    )
    if not snapshot.accounts:  # a reload has removed them meanwhile
        raise _nothing_configured()
    return _result(question, user, snapshot, runtime.now())


def _nothing_configured() -> UnknownNameError:
    return UnknownNameError("no account or team of this user is configured")


def _check_queues(
    runtime: Runtime, account: str, wanted: Sequence[str], user: AvailableUser | None
) -> None:
    """Check that a user may ask about the queues; reading them shows whether they exist."""
    queues = None if user is None else runtime.known_queues(account)
    if queues is None:
        return
    allowed = [queue for queue in queues if _may_ask(user, account, queue)]
    known = {name for queue in allowed for name in (queue.name, str(queue.id))}
    for queue in wanted:
        if queue not in known:
            raise UnknownQueueError(account, queue, [queue.name for queue in allowed])


def _check_team(team: str, accounts: Sequence[Account], user: AvailableUser | None) -> None:
    """Check that a queue has the team: a misspelt one would read as "nobody", for good."""
    known = {
        queue.team
        for account in accounts
        for queue in account.described_queues
        if _may_ask(user, account.name, queue)
    }
    if team not in known:
        raise UnknownTeamError(team, sorted(known))


def _may_have(account: Account, team: str | None, user: AvailableUser | None) -> bool:
    """Return whether an account may have queues of a team for a user, also before it is listed."""
    return any(
        team in (None, queue.team) and _may_ask(user, account.name, queue)
        for queue in account.described_queues
    )


def _may_ask(user: AvailableUser | None, account: str, queue: Queue) -> bool:
    return user is None or user.may_ask(account, queue.team)


def _result(
    question: Question, user: AvailableUser | None, snapshot: Snapshot, now: Moment
) -> ReadAvailability:
    queues = tuple(
        queue
        for queue in snapshot.queues
        if _may_ask(user, queue.account.name, queue.queue)
        and question.team in (None, queue.queue.team)
    )
    # An account that failed as a whole is reported where it may have queues of the request.
    with_queues = {queue.account.name for queue in queues}
    accounts = tuple(
        account
        for account in snapshot.accounts
        if account.account.name in with_queues
        or (not account.queues_known and _may_have(account.account, question.team, user))
    )
    found = report(replace(snapshot, queues=queues, accounts=accounts), now)
    if question.team is not None or (user is not None and user.teams is not None):
        found = replace(found, accounts=(*found.accounts, *_missing(question, user, snapshot)))
    holds = [account.hold_until - now.unix for account in snapshot.accounts if account.hold_until]
    if len(question.queues) == 1 and not found.queues:
        (queue,), account = question.queues, snapshot.accounts[0]
        if account.queues_known:
            raise UnknownQueueError(account.account.name, queue)
        found = AvailabilityReport((unlisted_queue(account, queue),))
    if user is not None:
        found = _without_words(found)
    return ReadAvailability(found, max(holds, default=None))


def _missing(
    question: Question, user: AvailableUser | None, snapshot: Snapshot
) -> Iterator[AccountFailure]:
    """Yield the accounts in which a queue of the team may have another name by now.

    It is then among the queues without a team, or of another one, so "nobody" would be wrong.
    """
    for account in snapshot.accounts:
        name = account.account.name
        failure = next((one for one in account.failures if one.code == "unknown_id"), None)
        if (
            failure is not None
            and account.up
            and any(
                question.team in (None, queue.team) and _may_ask(user, name, queue)
                for queue in account.missing
            )
        ):
            yield AccountFailure(name, failure)


def _without_words(found: AvailabilityReport) -> AvailabilityReport:
    """Return a report whose failures have only a code: their messages are for the operator."""

    def plain(failure: Failure | None) -> Failure | None:
        return failure and Failure(failure.code, "the number could not be read")

    return AvailabilityReport(
        tuple(replace(queue, failure=plain(queue.failure)) for queue in found.queues),
        tuple(
            replace(account, failure=Failure(account.failure.code, "the account cannot be read"))
            for account in found.accounts
        ),
    )
