"""Prove that filters are honoured and read an account's lists, now and then, within a scrape."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from exporter.calltools import Filter, RequestContext
from exporter.errors import ApiError, Failure
from exporter.scrape.fetch import Round
from exporter.scrape.tally import ScrapeObserver, Tally
from exporter.transport import Deadline

__all__ = ["Upkeep"]

log = structlog.get_logger(__name__)


class Upkeep:
    """What is due for one account; its requests go side by side, like those for the queues."""

    def __init__(
        self,
        around: Round,
        now: float,
        deadline: Deadline,
        observer: ScrapeObserver,
        clock: Callable[[], float],
    ) -> None:
        self.begun = time.monotonic()
        self.deadline = deadline
        self._round = around
        self._observer = observer
        self._clock = clock
        standing = around.standing
        statuses_are_due, queues_are_due = standing.directory.due(now)
        self._jobs: list[Callable[[], None]] = [
            self._job(self._filter_check(name)) for name in standing.due_filters(now)
        ]
        if statuses_are_due:
            self._jobs.append(self._job(self._read_statuses))
        if queues_are_due:
            self._jobs.append(self._job(self._read_queues))
        self._tallies: list[Tally] = []
        self._lock = threading.Lock()
        self._outstanding = len(self._jobs)
        self._then: list[Callable[[], None]] = []

    @property
    def is_due(self) -> bool:
        """Tell whether there is anything to do."""
        return self._outstanding > 0

    def claim(self) -> list[Callable[[], None]]:
        """Return the jobs to run: to the first who asks, and to nobody else."""
        with self._lock:
            jobs, self._jobs = self._jobs, []
        return jobs

    def then(self, call: Callable[[], None]) -> None:
        """Call something when all is done: in the thread that ends it, or now."""
        with self._lock:
            if self._outstanding:
                self._then.append(call)
                return
        call()

    def abandon(self) -> None:
        """Count what is in flight as timeouts, for a page that has to go."""
        for tally in tuple(self._tallies):
            tally.abandon()

    def _job(self, work: Callable[[RequestContext], None]) -> Callable[[], None]:
        def run() -> None:
            around = self._round
            try:
                if around.refusal is None and self.deadline.remaining() > 0:
                    tally = Tally(around.account.name, self._observer, errors=False)
                    self._tallies.append(tally)
                    work(around.context(self.deadline, tally))
            except Exception as error:  # noqa: BLE001 - the edge of a thread
                log.error(  # noqa: TRY400 - a traceback could hold people's names
                    "checking an account failed in the exporter itself",
                    account=around.account.name,
                    error=type(error).__name__,
                )
            self._done()

        return run

    def _done(self) -> None:
        with self._lock:
            self._outstanding -= 1
            calls, self._then = (self._then, []) if not self._outstanding else ([], self._then)
        for call in calls:
            call()

    def _failed(self, error: ApiError) -> Failure:
        # A list may be forbidden to a key that may read queues, so a 403 says nothing of those.
        if error.failure.code in {"401", "429"}:
            self._round.note(error.failure)
        self._round.standing.holds.note(error, self._clock())
        return error.failure

    def _filter_check(self, name: Filter) -> Callable[[RequestContext], None]:
        def check(context: RequestContext) -> None:
            verdict: Failure | ApiError | None
            try:
                verdict = self._round.client.check_filter(name, context)
            except ApiError as error:
                self._failed(error)
                verdict = error
            self._round.standing.note_filter(name, verdict, self._clock())

        return check

    def _read_statuses(self, context: RequestContext) -> None:
        directory = self._round.standing.directory
        try:
            found = self._round.client.read_statuses(context)
        except ApiError as error:
            self._say_missing("/api/statuses/", self._failed(error))
            directory.note_statuses(error.failure, self._clock())
        else:
            directory.note_statuses(found, self._clock())

    def _read_queues(self, context: RequestContext) -> None:
        directory, account = self._round.standing.directory, self._round.account
        try:
            found = self._round.client.read_queues(context)
        except ApiError as error:
            self._say_missing("/api/queues/", self._failed(error))
            directory.note_queues(error.failure, self._clock())
            return
        appeared, vanished = directory.note_queues(found, self._clock())
        if account.every_queue is None:
            return
        for name in sorted(appeared):
            log.info("queue appeared", account=account.name, queue=name)
        for name in sorted(vanished):
            log.warning("queue vanished", account=account.name, queue=name)
        self._observer.queues_changed(account.name, appeared=len(appeared), vanished=len(vanished))

    def _say_missing(self, path: str, failure: Failure) -> None:
        """Say once that a list cannot be read: ids are then believed as they are."""
        if self._round.standing.directory.is_first_failure(path, failure):
            log.warning(
                "list cannot be read; its ids cannot be checked",
                account=self._round.account.name,
                path=path,
                code=failure.code,
                reason=failure.message,
            )
