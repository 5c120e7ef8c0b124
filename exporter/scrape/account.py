"""One account within one scrape: what to ask for, and the result."""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

from exporter.calltools.client import Client
from exporter.clock import Clock, boot_seconds
from exporter.errors import Failure
from exporter.scrape.catalog import LATE
from exporter.scrape.checks import Check, CheckJob, due_checks, read_queues
from exporter.scrape.jobs import (
    FORBIDDEN_QUEUES,
    AccountAccess,
    Job,
    JobsInFlight,
    QueueFetch,
    ScrapeObserver,
)
from exporter.scrape.state import AccountState
from exporter.settings import Queue
from exporter.snapshot import AccountSnapshot, QueueResult, QueueSnapshot
from exporter.transport.deadline import Deadline
from exporter.transport.transports import Access, Transports

#: Failures of one queue that concern the whole account, and those of a host that does not answer.
_WHOLE_ACCOUNT = frozenset({"401", "429"})
_HOST_IS_DEAD = frozenset({"dns", "connection", "tls", "timeout"})


@dataclass(frozen=True, slots=True)
class Tools:
    """What all scrapes of a scraper share."""

    jobs: JobsInFlight
    transports: Transports
    observer: ScrapeObserver
    clock: Clock


@dataclass(frozen=True, slots=True)
class ScrapeRequest:
    """What a scrape is to read, and the time that it has.

    ``only`` are the names or ids of the queues to ask for, None for all. A number may be
    ``max_age`` seconds old; None leaves that to the account.
    """

    begun: float
    seconds: float
    only: Sequence[str] | None = None
    max_age: float | None = None

    @property
    def is_urgent(self) -> bool:
        """Whether a single queue is asked for, as before a transfer."""
        return self.only is not None and len(self.only) == 1

    def deadline(self) -> Deadline:
        """Return the moment at which the scrape ends."""
        return Deadline(self.begun + self.seconds)

    def remaining(self) -> float:
        """Return the seconds that are left, at least 0."""
        return max(0.0, self.begun + self.seconds - boot_seconds())


class AccountScrape:
    """Start or join an account's jobs, then turn their results into its part of the Snapshot."""

    def __init__(
        self,
        client: Client,
        state: AccountState,
        *,
        request: ScrapeRequest,
        tools: Tools,
    ) -> None:
        self.jobs: list[Future[Any]] = []
        self.account = client.account
        self._client = client
        self.state = state
        self._request = request
        self._tools = tools
        self._now = tools.clock.now()
        self._access: AccountAccess | None = None
        self._failure = state.backoff.failure(self._now)
        self._checks: dict[str, Job[None]] = {}
        # None where the queues are not known in time.
        self._asked: list[tuple[Queue, QueueFetch | QueueResult]] | None = None

    @property
    def may_ask(self) -> bool:
        """Whether the account may be asked now: not while it backs off."""
        return self._failure is None

    def open(self, found: Access | Failure) -> None:
        """Record how to reach the account, or why it cannot be reached."""
        if isinstance(found, Failure):
            self._failure = found
        else:
            tools = self._tools
            self._access = AccountAccess(
                self._client, found, self.state, tools.observer, tools.clock
            )

    @property
    def lists_to_await(self) -> list[Job[None]]:
        """The jobs that list the queues; empty once the queues are asked for."""
        if self._access is None or self._asked is not None:
            return []
        return [job for name, job in self._checks.items() if name.startswith("/api/")]

    @property
    def last_asked_at(self) -> float:
        """When the account was last asked for a queue, by the steady clock."""
        return self.state.last_asked_at()

    def start(self) -> None:
        """Ask for the account's queues, or only for its lists if its queues are not known yet."""
        if self._access is not None and self.state.catalog.must_be_read_first:
            self._start_checks(self._access)
        self.go_on()

    def start_list(self) -> None:
        """Ask only which queues the account has, if that is not known yet."""
        if self._access is not None and not self.state.catalog.queues_known:
            self._start_check("/api/queues/", read_queues, self._access)

    def go_on(self) -> None:
        """Ask for the queues if the lists that name them have been read by now."""
        if self._access is None or self._asked is not None:
            return
        # Without lists to wait for, another scrape has read them meanwhile.
        are_read = not self.state.catalog.must_be_read_first
        if are_read or all(job.done() for job in self.lists_to_await):
            self._start_queues(self._access)

    def verify_again(self) -> bool:
        """Start what the answers have made necessary to check; return whether that is anything."""
        before = len(self._checks)
        state = self.state
        in_doubt = state.catalog.statuses.in_doubt or state.filters_to_verify(self._now)
        if in_doubt and self._asked and self._access is not None:
            self._start_checks(self._access)
        return len(self._checks) > before

    def finish(self) -> tuple[AccountSnapshot, list[QueueSnapshot]]:
        """Collect the results of the jobs so far, and trust only verified numbers."""
        for job in self._checks.values():
            job.attempts.abandon()
        untrusted = self.state.untrusted(self._now) if self._access is not None else None
        # Before the results: a list that another scrape waits for may end at any moment.
        queues_known = self.state.catalog.queues_known
        results = [
            (queue, self._verified(queue, result, untrusted)) for queue, result in self._results()
        ]
        failures = self._failures(
            [result.failure for _, result in results], untrusted, queues_known=queues_known
        )
        summary = AccountSnapshot(
            self.account,
            # An account without queues counts as read once it is known to have none.
            up=any(result.failure is None for _, result in results)
            or (queues_known and self._asked == [] and not failures),
            failures=failures,
            hold_until=self.state.backoff.until(self._tools.clock.now()),
            queues_known=queues_known,
            missing=tuple(one.queue for one in self.state.catalog.missing if one.queue is not None),
        )
        snapshots = [self._queue_snapshot(queue, result) for queue, result in results]
        self.state.forget_queues_that_left()
        return summary, snapshots

    def _start_checks(self, access: AccountAccess) -> None:
        for name, check in due_checks(access, self._now).items():
            if name not in self._checks:
                self._start_check(name, check, access)

    def _start_check(self, name: str, check: Check, access: AccountAccess) -> None:
        job, _ = self._tools.jobs.join_or_start(
            (access.state, name),
            self._request.deadline(),
            partial(CheckJob, check, access),
        )
        self._checks[name] = job
        self.jobs.append(job)

    def _start_queues(self, access: AccountAccess) -> None:
        """Start or join the fetches of the account's queues, except pointless ones."""
        found: dict[int, QueueFetch | QueueResult] = {}
        queues = self._queues
        # Not first, as a refused key is to be counted as an error of the queues; nor last, as lists
        # have pages, read one after the other, which would delay everything.
        checks_after = max(self.account.max_parallel_requests, FORBIDDEN_QUEUES)
        for queue in self.state.in_order(queues):
            found[queue.id] = self._start_queue(queue, access)
            if len(found) == checks_after:
                self._start_checks(access)
        self._start_checks(access)
        self._asked = [(queue, found[queue.id]) for queue in queues]

    def _start_queue(self, queue: Queue, access: AccountAccess) -> QueueFetch | QueueResult:
        state, tools = self.state, self._tools
        why_not = (
            access.refusal
            or state.ignored_filter()
            or state.catalog.unknown(queue)
            or state.backoff.failure(self._now, queue)
        )
        if why_not is not None:
            return QueueResult(None, why_not, None, self._now)
        max_age = self.account.max_age if self._request.max_age is None else self._request.max_age
        if recent := state.recent_result(queue, self._now, max_age):
            tools.observer.coalesced(self.account.name)
            return recent

        job, shared = tools.jobs.join_or_start(
            (access.state, queue.id, queue.available_status),
            self._request.deadline(),
            partial(QueueFetch, queue, access),
            urgent=self._request.is_urgent,
        )
        if shared:
            tools.observer.coalesced(self.account.name)
        self.jobs.append(job)
        return job

    @property
    def _queues(self) -> list[Queue]:
        """The queues of this scrape, as far as they are known."""
        catalog = self.state.catalog
        if self._request.only is None:
            return list(catalog.queues)
        found = {queue.id: queue for name in self._request.only if (queue := catalog.find(name))}
        return list(found.values())

    def _failures(
        self,
        of_queues: Sequence[Failure | None],
        untrusted: Failure | None,
        *,
        queues_known: bool,
    ) -> tuple[Failure, ...]:
        """Return the failures of the account as a whole, each code once, the reason first."""
        if self._access is None:
            return () if self._failure is None else (self._failure,)
        # A joined job reports to the scrape that started it, so the results are checked, too.
        refusals = [self._access.refusal, *(job.access.refusal for job in self._checks.values())]
        refusals += [one for one in of_queues if one is not None and one.code in _WHOLE_ACCOUNT]
        found = [one for one in refusals if one is not None][:1]
        found += self.state.catalog.failures()
        if not found and not queues_known:
            found = [LATE]
        if not found and self._request.only is None and _host_is_dead(of_queues):
            found = [one for one in of_queues if one is not None][:1]
        if not found and untrusted is not None and self._asked is not None:
            found = [untrusted]
        by_code = {failure.code: failure for failure in reversed(found)}
        return tuple(failure for failure in found if by_code[failure.code] is failure)

    def _results(self) -> list[tuple[Queue, QueueResult]]:
        if self._asked is None:
            result = QueueResult(None, self._failure or LATE, None, self._now)
            return [(queue, result) for queue in self._queues]
        return [
            (queue, found if isinstance(found, QueueResult) else found.outcome())
            for queue, found in self._asked
        ]

    def _verified(
        self, queue: Queue, result: QueueResult, untrusted: Failure | None
    ) -> QueueResult:
        """Return the result, or a failure in place of a number that means nothing."""
        failure = None
        if untrusted is not None and (untrusted.code == "filter_ignored" or result.failure is None):
            failure = untrusted
        elif result.failure is None or result.failure.code == "400":
            failure = self.state.catalog.unknown(queue)
        if failure is None:
            return result
        return QueueResult(None, failure, result.duration_seconds, result.finished_at)

    def _queue_snapshot(self, queue: Queue, result: QueueResult) -> QueueSnapshot:
        schedule = queue.schedule
        return QueueSnapshot(
            self.account,
            queue,
            result,
            open=schedule is None or schedule.is_open(self._now.unix),
            utc_offset=schedule.utc_offset(self._now.unix) if schedule else 0.0,
            last_success_at=self.state.record_success(queue, result, self._tools.clock.now()),
        )


def _host_is_dead(failures: Sequence[Failure | None]) -> bool:
    """Return whether no queue was read, each because of the host."""
    return bool(failures) and all(
        failure is not None and failure.code in _HOST_IS_DEAD for failure in failures
    )
