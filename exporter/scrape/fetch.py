"""One queue's fetch: the unit of work that any number of pages may wait for."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from exporter.calltools import RequestContext
from exporter.errors import ApiError
from exporter.model import Attempt, Failure, QueueResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.calltools import Client
    from exporter.secret import Secret
    from exporter.settings import Account, Queue
    from exporter.transport import Deadline, Transport

__all__ = ["Fetch", "Round", "ScrapeObserver"]

log = structlog.get_logger(__name__)

#: After so many queues that are forbidden, and none that was read, the key itself is at fault.
_FORBIDDEN_QUEUES: Final = 3


class ScrapeObserver(Protocol):
    """Who counts what a scrape does to the API."""

    def attempt(self, account: str, attempt: Attempt) -> None:
        """Count a request that was tried."""

    def connection(self, account: str) -> None:
        """Count a connection that was opened."""

    def coalesced(self, account: str) -> None:
        """Count a fetch that was shared instead of sent."""


class Round:
    """What one page's fetches of one account tell each other: when to stop asking."""

    def __init__(self, account: Account, client: Client, transport: Transport, key: Secret) -> None:
        self.account = account
        self.client = client
        self.transport = transport
        self.key = key
        self.refusal: Failure | None = None
        self._lock = threading.Lock()
        self._forbidden = 0
        self._answered = False

    def note(self, failure: Failure | None) -> None:
        """Learn from one queue's end whether the rest of the account needs to be asked."""
        with self._lock:
            if failure is None:
                self._answered = True
            elif failure.code in {"401", "429"}:
                self.refusal = failure
            elif failure.code == "403":
                self._forbidden += 1
                if self._forbidden >= _FORBIDDEN_QUEUES and not self._answered:
                    self.refusal = failure


class Fetch:
    """Read one queue, and count each of its requests exactly once.

    A page whose budget ends counts the request in flight as a `timeout`, so that the page that
    shows the failure also counts it; how that request ends later is then not counted again.
    """

    def __init__(
        self,
        queue: Queue,
        around: Round,
        deadline: Deadline,
        observer: ScrapeObserver,
        clock: Callable[[], float],
    ) -> None:
        self.queue = queue
        self.round = around
        self.begun = time.monotonic()
        self.deadline = deadline
        self.result: QueueResult | None = None
        self._observer = observer
        self._clock = clock
        self._lock = threading.Lock()
        self._sent_at: float | None = None

    def run(self) -> QueueResult:
        """Read the queue, or say why not; never raise."""
        refusal = self.round.refusal
        if refusal is None and self.deadline.remaining() <= 0:
            refusal = Failure("timeout", "no turn within the scrape's budget; nothing was sent")
        if refusal is not None:
            return QueueResult(None, refusal, None, self._clock())
        begun = time.monotonic()
        available, failure = self._read()
        self.round.note(failure)
        return QueueResult(available, failure, time.monotonic() - begun, self._clock())

    def _read(self) -> tuple[int | None, Failure | None]:
        around = self.round
        context = RequestContext(around.transport, around.key, self.deadline, self)
        try:
            return around.client.count_available(self.queue, context), None
        except ApiError as error:
            return None, error.failure
        except Exception as error:  # noqa: BLE001 - the edge of a thread: one queue fails alone
            # Only the kind of the error: its text or its traceback could hold people's names.
            log.error(  # noqa: TRY400
                "fetch failed in the exporter itself",
                account=around.account.name,
                queue=self.queue.name,
                error=type(error).__name__,
            )
            words = f"a fault of this exporter ({type(error).__name__}); please report it"
            return None, Failure("unexpected_answer", words)

    def abandon(self) -> Failure:
        """Say why there is no result at the end of a page's budget, and count it now."""
        with self._lock:
            sent_at, self._sent_at = self._sent_at, None
        if sent_at is None:
            return Failure("timeout", "no turn or no whole answer within the scrape's budget")
        waited = time.monotonic() - sent_at
        self._observer.attempt(self.round.account.name, Attempt("timeout", waited))
        return Failure("timeout", f"no whole answer after {waited:.3g} s, when the page had to go")

    def attempt_started(self) -> None:
        """Note that a request is in flight."""
        with self._lock:
            self._sent_at = time.monotonic()

    def connection_opened(self) -> None:
        """Count a connection, also for a request that nobody waits for any more."""
        self._observer.connection(self.round.account.name)

    def attempt_ended(self, attempt: Attempt) -> None:
        """Count a request, unless a page has counted it as a `timeout` already."""
        with self._lock:
            outstanding, self._sent_at = self._sent_at is not None, None
        if outstanding:
            self._observer.attempt(self.round.account.name, attempt)
