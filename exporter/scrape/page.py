"""What one page waits for, and what it makes of what has come."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from exporter.errors import Failure
from exporter.scrape.fetch import Fetch, Round
from exporter.scrape.standing import Standing
from exporter.scrape.upkeep import Upkeep
from exporter.settings import Account, Configuration, Queue
from exporter.snapshot import AccountSnapshot, QueueResult, QueueSnapshot

__all__ = ["Memory", "Page", "Part"]


class Memory:
    """When each queue was last read, in Unix time; it outlives scrapes and reloads."""

    def __init__(self) -> None:
        self._read_at: dict[tuple[str, int], float] = {}

    def note(self, account: Account, queue: Queue, result: QueueResult) -> float | None:
        """Take a result in and return when the queue was last read."""
        key = (account.name, queue.id)
        if result.failure is None:
            self._read_at[key] = max(result.finished_at, self._read_at.get(key, 0))
        return self._read_at.get(key)

    def keep(self, configuration: Configuration) -> None:
        """Forget the accounts that are gone."""
        names = {account.name for account in configuration.accounts}
        for key in [key for key in tuple(self._read_at) if key[0] not in names]:
            self._read_at.pop(key, None)


@dataclass(slots=True)
class Page:
    """How long a page can wait, and for how many things it does: its own start is one.

    ``only`` is the name of the one queue that it is about. What is ``outstanding`` is counted under
    the scraper's lock.
    """

    budget_seconds: float
    only: str | None = None
    begun: float = field(default_factory=time.monotonic)
    outstanding: int = 1
    complete: threading.Event = field(default_factory=threading.Event)

    def remaining(self) -> float:
        """Return the seconds that are left of the budget."""
        return max(0.0, self.begun + self.budget_seconds - time.monotonic())


@dataclass(slots=True)
class Part:
    """One account's part of a page; ``asked`` stays None where its queues are not known in time."""

    account: Account
    standing: Standing
    now: float
    only: str | None = None
    failure: Failure | None = None
    round: Round | None = None
    upkeep: Upkeep | None = None
    asked: list[tuple[Queue, Fetch | QueueResult]] | None = None

    @property
    def queues(self) -> list[Queue]:
        """The queues that this part is about, as far as they are known."""
        return [
            queue
            for queue in self.standing.directory.queues
            if self.only is None or queue.name == self.only
        ]

    def finish(self, memory: Memory, now: float) -> tuple[AccountSnapshot, list[QueueSnapshot]]:
        """Take what the jobs have found by now, and believe of it only what rests on proof."""
        if self.upkeep is not None:
            self.upkeep.abandon()
        distrust = self.standing.distrust(self.now) if self.round is not None else None
        results = [
            (queue, self._believe(queue, result, distrust)) for queue, result in self._results()
        ]
        up = any(result.failure is None for _, result in results)
        failures = self._failures() or ([distrust] if distrust is not None else [])
        by_code = {failure.code: failure for failure in reversed(failures)}
        hold_until = self.standing.holds.until(now)
        return AccountSnapshot(self.account, up, tuple(by_code.values()), hold_until), [
            QueueSnapshot(
                self.account,
                queue,
                result,
                open=queue.schedule is None or queue.schedule.is_open(self.now),
                utc_offset=queue.schedule.utc_offset(self.now) if queue.schedule else 0.0,
                last_success_at=memory.note(self.account, queue, result),
            )
            for queue, result in results
        ]

    def _failures(self) -> list[Failure]:
        """Return what concerns the whole account; an order to wait has a metric of its own."""
        if self.round is None:
            return [self.failure] if self.failure and self.failure.code != "429" else []
        refusal = self.round.refusal
        refusals = [refusal] if refusal is not None and refusal.code != "429" else []
        return refusals + self.standing.directory.failures()

    def _results(self) -> list[tuple[Queue, QueueResult]]:
        if self.asked is None:
            words = "the account's lists could not be read in time"
            failure = self.failure or Failure("timeout", words)
            result = QueueResult(None, failure, None, self.now)
            return [(queue, result) for queue in self.queues]
        return [
            (queue, one if isinstance(one, QueueResult) else one.result or one.abandon())
            for queue, one in self.asked
        ]

    def _believe(self, queue: Queue, result: QueueResult, distrust: Failure | None) -> QueueResult:
        """Put a failure in the place of a result that means nothing."""
        failure = None
        if distrust is not None and (distrust.code == "filter_ignored" or result.failure is None):
            failure = distrust
        elif result.failure is None or result.failure.code == "400":
            failure = self.standing.directory.unknown(queue)
        if failure is None:
            return result
        return QueueResult(None, failure, result.duration_seconds, result.finished_at)
