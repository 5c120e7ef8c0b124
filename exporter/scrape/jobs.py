"""Jobs for one account, which any number of scrapes may share."""

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, Protocol, TypeVar, cast

import structlog

from exporter.calltools.client import Client
from exporter.calltools.requester import RequestContext
from exporter.calltools.rows import summarise, unknown_statuses
from exporter.clock import Clock, boot_seconds
from exporter.errors import ApiError, Failure
from exporter.scrape.state import AccountState
from exporter.scrape.workers import NOTHING_SENT, TIMED_OUT, HostBoundedPool, Ticket
from exporter.settings import Queue
from exporter.snapshot import AgentDetail, Attempt, QueueResult, RequestObserver
from exporter.transport.deadline import Deadline
from exporter.transport.transports import Access

log = structlog.get_logger(__name__)

T = TypeVar("T")
J = TypeVar("J", bound="Job[Any]")

#: How old a fetch may be, in seconds, for a scrape to join it: its number may be older than the
#: scrape by that much.
JOIN_SECONDS = 3.0
#: By how much a fetch may exceed its deadline before it counts as late.
_SLACK_SECONDS = 1.0
#: After this many forbidden queues, and none read, the key itself counts as forbidden.
FORBIDDEN_QUEUES = 3


class ScrapeObserver(Protocol):
    """Counts the requests of scrapes to the API."""

    def attempt(self, account: str, attempt: Attempt) -> None:
        """Count an attempted request."""

    def connection(self, account: str) -> None:
        """Count a connection that was opened."""

    def coalesced(self, account: str) -> None:
        """Count a fetch that was shared instead of sent."""

    def queues_changed(self, account: str, *, appeared: int, vanished: int) -> None:
        """Count queues that appeared in the account's list or vanished from it."""


class Attempts(RequestObserver):
    """Report each request of a job exactly once, however many scrapes share it.

    A scrape whose budget ends reports the request in flight as a `timeout`, so that it counts the
    failure that it shows; the later end of that request is not counted again. Requests that verify
    the API are not errors of the queues: without ``errors``, their failures are not counted by
    code.
    """

    def __init__(self, account: str, observer: ScrapeObserver, *, errors: bool = True) -> None:
        self._account = account
        self._observer = observer
        self._errors = errors
        self._lock = threading.Lock()
        self._sent_at: float | None = None
        self.sent = False
        self.in_flight = False

    def attempt_started(self) -> None:
        """Record that a request is in flight."""
        with self._lock:
            self._sent_at, self.sent = time.monotonic(), True
        self.in_flight = True

    def connection_opened(self) -> None:
        """Count a connection, even for a request that no scrape waits for any more."""
        self._observer.connection(self._account)

    def attempt_ended(self, attempt: Attempt) -> None:
        """Count a request, unless a scrape has counted it as a `timeout` already."""
        self.in_flight = False
        if self._settle() is not None:
            self._report(attempt)

    def abandon(self) -> float | None:
        """Count the request in flight as a `timeout`; return how long it has taken."""
        sent_at = self._settle()
        if sent_at is None:
            return None
        waited = time.monotonic() - sent_at
        self._report(Attempt("timeout", waited))
        return waited

    def _settle(self) -> float | None:
        with self._lock:
            sent_at, self._sent_at = self._sent_at, None
        return sent_at

    def _report(self, attempt: Attempt) -> None:
        code = attempt.code if self._errors else None
        self._observer.attempt(self._account, Attempt(code, attempt.seconds))


class AccountAccess:
    """An account's API within one scrape, until an answer says to stop asking."""

    def __init__(
        self,
        client: Client,
        access: Access,
        state: AccountState,
        observer: ScrapeObserver,
        clock: Clock,
    ) -> None:
        self.account = client.account
        self.client = client
        self.state = state
        self.observer = observer
        self.clock = clock
        self.refusal: Failure | None = None
        self._access = access
        self._lock = threading.Lock()
        self._forbidden = 0
        self._answered = False

    def context(self, deadline: Deadline, attempts: Attempts) -> RequestContext:
        """Return what the requests of one job have in common."""
        return RequestContext(self._access.transport, self._access.token, deadline, attempts)

    def record(self, failure: Failure | None) -> None:
        """Record how a job ended: it may mean that the rest of the account is not asked for."""
        with self._lock:
            if failure is None:
                self._answered = True
            elif failure.code in {"401", "429"}:
                self.refusal = failure
            elif failure.code == "403":
                self._forbidden += 1
                if self._forbidden >= FORBIDDEN_QUEUES and not self._answered:
                    self.refusal = failure


class Job(Future[T]):
    """Work for one account, with a deadline of its own; it never ends with an exception."""

    def __init__(
        self, access: AccountAccess, deadline: Deadline, *, count_errors: bool = True
    ) -> None:
        super().__init__()
        self.begun: float | None = None
        self.ticket: Ticket | None = None
        self.access = access
        self.deadline = deadline
        self.attempts = Attempts(access.account.name, access.observer, errors=count_errors)

    def work(self) -> T:
        """Do the work and return its result; never raise."""
        raise NotImplementedError

    def _context(self) -> RequestContext:
        return self.access.context(self.deadline, self.attempts)


class QueueFetch(Job[QueueResult]):
    """Read one queue."""

    def __init__(self, queue: Queue, access: AccountAccess, deadline: Deadline) -> None:
        super().__init__(access, deadline)
        self.queue = queue

    def work(self) -> QueueResult:
        """Return the number of available agents, or why it could not be read."""
        refusal = self.access.refusal
        if refusal is None and self.deadline.remaining() <= 0:
            refusal = Failure("timeout", "not started within the scrape's budget; nothing was sent")
        if refusal is not None:
            return QueueResult(None, refusal, None, self.access.clock.now())
        begun = self.access.clock.steady()
        available, detail, failure = self._read()
        ended = self.access.clock.now()
        seconds = ended.steady - begun
        if failure is None and seconds > self._longest():
            # The process or the machine was suspended: the number may be older.
            available, detail = None, None
            failure = Failure(
                "timeout", f"no complete answer in time; it came after {seconds:.3g} s"
            )
        self.access.record(failure)
        result = QueueResult(available, failure, seconds, ended, detail)
        self.access.state.record_result(self.queue, result)
        return result

    def _longest(self) -> float:
        """Return how many seconds the fetch may take: a last request may have its own timeout."""
        begun = self.deadline.at if self.begun is None else self.begun
        return self.deadline.at - begun + (self.access.account.timeout or 0) + _SLACK_SECONDS

    def outcome(self) -> QueueResult:
        """Return the result for a scrape that ends now, and count what is in flight."""
        if self.done():
            return self.result()
        waited = self.attempts.abandon()
        if waited is None:
            words = "not started or no complete answer within the scrape's budget"
        else:
            words = f"no complete answer within {waited:.3g} s"
        return QueueResult(None, Failure("timeout", words), waited, self.access.clock.now())

    def _read(self) -> tuple[int | None, AgentDetail | None, Failure | None]:
        access, queue = self.access, self.queue
        catalog = access.state.catalog
        try:
            if access.account.detail == "agents":
                agents = access.client.read_agents(queue, self._context())
                names = catalog.status_names
                if unknown := unknown_statuses(agents, names):
                    is_ready = any(one.ready and one.logged_in is not False for one in unknown)
                    now = access.clock.now()
                    if failure := catalog.record_unknown_status(now.steady, is_ready=is_ready):
                        return None, None, failure
                return *summarise(agents, queue.status_ids, names), None
            return access.client.count_available(queue, self._context()), None, None
        except ApiError as error:
            now = access.clock.now()
            access.state.backoff.record(error, now, queue)
            if error.failure.code == "filter_ignored":
                access.state.record_contradiction(now)
            return None, None, error.failure
        except Exception as error:  # noqa: BLE001 - the edge of a thread: one queue fails alone
            # Only the kind of the error: its text or its traceback could hold people's names.
            log.error(  # noqa: TRY400
                "Internal error while reading a queue",
                account=access.account.name,
                queue=queue.name,
                error=type(error).__name__,
            )
            words = f"internal error of the exporter ({type(error).__name__}); please report it"
            return None, None, Failure("unexpected_answer", words)


class JobsInFlight:
    """The one map of jobs in progress: a scrape joins the job that it needs, or starts it."""

    def __init__(self, pool: HostBoundedPool) -> None:
        self._pool = pool
        self._lock = threading.Lock()
        self._jobs: dict[Hashable, Job[Any]] = {}

    def join_or_start(
        self,
        key: Hashable,
        deadline: Deadline,
        make: Callable[[Deadline], J],
        *,
        urgent: bool = False,
    ) -> tuple[J, bool]:
        """Return the job in progress, or a new one; and whether it was in progress.

        Args:
            key: what the job is about.
            deadline: until when the result is wanted.
            make: makes a new job with this deadline.
            urgent: this job alone is waited for.
        """
        with self._lock:
            found = self._jobs.get(key)
            if found is not None and _is_worth_joining(found):
                found.deadline.extend(deadline.at)
            else:
                found = None
                job = self._jobs[key] = make(deadline)
        if found is not None:
            # It may be waiting for a thread that could not be started.
            self._pool.start_threads()
            if urgent and found.ticket is not None:
                self._pool.hurry(found.ticket)
            return cast("J", found), True
        job.ticket = self._pool.submit(
            job.access.account, lambda: self._run(key, job), urgent=urgent
        )
        return job, False

    def _run(self, key: Hashable, job: Job[Any]) -> object:
        with self._lock:  # a scrape either joins it before or sees that it has begun
            job.begun = boot_seconds()
        result = job.work()
        # First, so that a scrape that begins after the result does not find this job.
        with self._lock:
            if self._jobs.get(key) is job:
                del self._jobs[key]
        job.set_result(result)
        if not job.attempts.sent:
            return NOTHING_SENT
        return TIMED_OUT if job.deadline.remaining() <= 0 else None


def _is_worth_joining(job: Job[Any]) -> bool:
    """Return whether a scrape that begins now can use a job in progress like its own.

    It cannot use one that has waited for long: the answer may be as old as the request, or never
    come. As only young jobs are joined, overlapping scrapes cannot keep one going for ever. Nor can
    it use one that ends for want of time, unless its request has the account's own timeout.
    """
    if job.begun is None:
        return True
    in_flight = job.access.account.timeout is not None and job.attempts.in_flight
    has_time = job.deadline.remaining() > 0 or in_flight
    return has_time and boot_seconds() - job.begun < JOIN_SECONDS
