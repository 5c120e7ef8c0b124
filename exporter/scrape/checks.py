"""Check jobs: verify that filters are honoured and read an account's lists, now and then."""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import structlog

from exporter.calltools.client import Filter, Ready
from exporter.calltools.requester import RequestContext
from exporter.clock import Moment
from exporter.errors import ApiError, Failure
from exporter.scrape.jobs import AccountAccess, Job
from exporter.transport.deadline import Deadline

log = structlog.get_logger(__name__)

Check: TypeAlias = Callable[["CheckJob", RequestContext], None]
#: How many checks an account needs in its first scrape.
CHECKS = 6


class CheckJob(Job[None]):
    """Check one thing of an account, and record the result in the account's state."""

    def __init__(self, check: Check, access: AccountAccess, deadline: Deadline) -> None:
        super().__init__(access, deadline, count_errors=False)
        self._check = check

    def work(self) -> None:
        """Run the check, unless the API has refused the key or no time is left."""
        if self.access.refusal is not None or self.deadline.remaining() <= 0:
            return
        try:
            self._check(self, self._context())
        except Exception as error:  # noqa: BLE001 - the edge of a thread
            log.error(  # noqa: TRY400 - a traceback could hold people's names
                "Internal error while checking an account",
                account=self.access.account.name,
                error=type(error).__name__,
            )

    def failed(self, error: ApiError) -> Failure:
        """Record what a failed check means for the whole account, and return its failure."""
        # A key that may read queues may not be allowed to read a list, so a 403 says nothing about
        # queues.
        if error.failure.code in {"401", "429"}:
            self.access.record(error.failure)
        self.access.state.backoff.record(error, self.access.clock.now())
        return error.failure


def due_checks(access: AccountAccess, now: Moment) -> dict[str, Check]:
    """Return the checks that an account needs in this scrape, each with its name."""
    state = access.state
    checks: dict[str, Check] = {}
    for name in state.filters_to_verify(now):
        if name == "ready":
            # Both at the same time, though one may be enough; but not what is known already, as an
            # account with few turns would never come to the other one.
            for value in state.missing_by_ready(now):
                checks[f"filter ready={value}"] = partial(verify_ready, value)
        else:
            checks[f"filter {name}"] = partial(verify_filter, name)
    if state.catalog.statuses.is_due(now.steady):
        checks["/api/statuses/"] = read_statuses
    if state.catalog.listed_queues.is_due(now.steady):
        checks["/api/queues/"] = read_queues
    return checks


def verify_filter(name: Filter, job: CheckJob, context: RequestContext) -> None:
    """Record whether the API honours a filter."""
    verdict: Failure | ApiError | None
    asked_at = job.access.clock.now()
    try:
        verdict = job.access.client.check_filter(name, context)
    except ApiError as error:
        job.failed(error)
        verdict = error
    job.access.state.record_filter(name, verdict, asked_at)


def verify_ready(value: Ready, job: CheckJob, context: RequestContext) -> None:
    """Send one of the two requests that verify the filter ``ready``, and record its answer."""
    state, asked_at = job.access.state, job.access.clock.now()
    try:
        agents = job.access.client.agents_by_ready(value, context)
    except ApiError as error:
        job.failed(error)
        state.record_filter("ready", error, asked_at)
    else:
        state.record_by_ready(value, agents, asked_at)


def read_statuses(job: CheckJob, context: RequestContext) -> None:
    """Read the account's agent statuses into its catalog."""
    catalog, asked_at = job.access.state.catalog, job.access.clock.now().steady
    try:
        rows = job.access.client.read_statuses(context)
    except ApiError as error:
        failure = job.failed(error)
        if catalog.record(catalog.statuses, failure, asked_at):
            _log_unreadable(job, "/api/statuses/", failure)
    else:
        catalog.record(catalog.statuses, rows, asked_at)


def read_queues(job: CheckJob, context: RequestContext) -> None:
    """Read the account's queues into its catalog, and report which ones appeared or vanished."""
    catalog, account = job.access.state.catalog, job.access.account
    asked_at = job.access.clock.now().steady
    try:
        rows = job.access.client.read_queues(context)
    except ApiError as error:
        failure = job.failed(error)
        if catalog.record(catalog.listed_queues, failure, asked_at):
            _log_unreadable(job, "/api/queues/", failure)
        return
    first = catalog.listed_queues.rows is None
    before = {queue.name for queue in catalog.queues}
    unknown_before = catalog.unknown_names
    catalog.record(catalog.listed_queues, rows, asked_at)
    unknown = catalog.unknown_names
    if unknown is not None and unknown != unknown_before:
        reason = unknown.message
        log.warning("Unknown queue names", account=account.name, code=unknown.code, reason=reason)
    if account.every_queue is None or first:
        return
    after = {queue.name for queue in catalog.queues}
    for name in sorted(after - before):
        log.info("Queue appeared", account=account.name, queue=name)
    for name in sorted(before - after):
        log.warning("Queue vanished", account=account.name, queue=name)
    changes = {"appeared": len(after - before), "vanished": len(before - after)}
    job.access.observer.queues_changed(account.name, **changes)


def _log_unreadable(job: CheckJob, path: str, failure: Failure) -> None:
    """Log once that a list cannot be read: configured ids are then not checked."""
    log.warning(
        "Cannot read list, ids are not verified",
        account=job.access.account.name,
        path=path,
        code=failure.code,
        reason=failure.message,
    )
