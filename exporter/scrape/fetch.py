"""One queue's fetch: the unit of work that any number of pages may wait for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

import structlog

from exporter.calltools import Client, RequestContext, summarise, unknown_statuses
from exporter.errors import ApiError, Failure
from exporter.scrape.standing import Standing
from exporter.scrape.tally import ScrapeObserver, Tally
from exporter.settings import Account, Queue, Secret
from exporter.snapshot import AgentDetail, QueueResult
from exporter.transport import Deadline, Transport

__all__ = ["FORBIDDEN_QUEUES", "Fetch", "Round"]

log = structlog.get_logger(__name__)

#: After so many queues that are forbidden, and none that was read, the key itself is at fault.
FORBIDDEN_QUEUES: Final = 3


class Round:
    """What one page asks of one account, and when to stop asking."""

    def __init__(
        self,
        account: Account,
        client: Client,
        transport: Transport,
        key: Secret,
        standing: Standing,
    ) -> None:
        self.account = account
        self.client = client
        self.standing = standing
        self.refusal: Failure | None = None
        self._transport = transport
        self._key = key
        self._lock = threading.Lock()
        self._forbidden = 0
        self._answered = False

    def context(self, deadline: Deadline, tally: Tally) -> RequestContext:
        """Return what the requests of one job have in common."""
        return RequestContext(self._transport, self._key, deadline, tally)

    def note(self, failure: Failure | None) -> None:
        """Learn from a job's end whether the rest of the account needs to be asked."""
        with self._lock:
            if failure is None:
                self._answered = True
            elif failure.code in {"401", "429"}:
                self.refusal = failure
            elif failure.code == "403":
                self._forbidden += 1
                if self._forbidden >= FORBIDDEN_QUEUES and not self._answered:
                    self.refusal = failure


class Fetch:
    """Read one queue, for all the pages that wait for it."""

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
        self._tally = Tally(around.account.name, observer)
        self._clock = clock

    def run(self) -> None:
        """Read the queue into ``result``, or say there why not; never raise."""
        refusal = self.round.refusal
        if refusal is None and self.deadline.remaining() <= 0:
            refusal = Failure("timeout", "no turn within the scrape's budget; nothing was sent")
        if refusal is not None:
            self.result = QueueResult(None, refusal, None, self._clock())
            return
        begun = time.monotonic()
        available, detail, failure = self._read()
        self.round.note(failure)
        seconds = time.monotonic() - begun
        self.result = QueueResult(available, failure, seconds, self._clock(), detail)

    def abandon(self) -> QueueResult:
        """Return the result for a page that has to go, and count what is in flight."""
        waited = self._tally.abandon()
        if waited is None:
            words = "no turn or no whole answer within the scrape's budget"
        else:
            words = f"no whole answer after {waited:.3g} s, when the page had to go"
        return QueueResult(None, Failure("timeout", words), waited, self._clock())

    def _read(self) -> tuple[int | None, AgentDetail | None, Failure | None]:
        around, queue = self.round, self.queue
        context = around.context(self.deadline, self._tally)
        try:
            if around.account.detail == "agents":
                agents = around.client.read_agents(queue, context)
                names = around.standing.directory.status_names
                if unknown_statuses(agents, names):
                    around.standing.directory.miss_status()
                return *summarise(agents, queue.status_ids, names), None
            return around.client.count_available(queue, context), None, None
        except ApiError as error:
            around.standing.holds.note(error, self._clock(), queue)
            return None, None, error.failure
        except Exception as error:  # noqa: BLE001 - the edge of a thread: one queue fails alone
            # Only the kind of the error: its text or its traceback could hold people's names.
            log.error(  # noqa: TRY400
                "fetch failed in the exporter itself",
                account=around.account.name,
                queue=queue.name,
                error=type(error).__name__,
            )
            words = f"a fault of this exporter ({type(error).__name__}); please report it"
            return None, None, Failure("unexpected_answer", words)
