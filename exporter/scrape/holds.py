"""Orders to wait: of a 429 for the account, of a 503 for one queue."""

from __future__ import annotations

from typing import Final

from exporter.errors import ApiError, Failure
from exporter.settings import Queue

__all__ = ["Holds"]

#: The longest that ``Retry-After`` is obeyed, in seconds: for an account, for a queue.
LONGEST_SECONDS: Final = 300.0
LONGEST_QUEUE_SECONDS: Final = 60.0


class Holds:
    """Until when an account and its queues are to be left alone; times are Unix times."""

    def __init__(self) -> None:
        self._held: dict[int | None, tuple[float, Failure]] = {}

    def note(self, error: ApiError, now: float, queue: Queue | None = None) -> None:
        """Take in a failure, which may have come with a ``Retry-After``."""
        if not error.retry_after:
            return
        if error.failure.code == "429":
            until = now + min(error.retry_after, LONGEST_SECONDS)
            self._held[None] = (until, error.failure)
        elif error.failure.code == "503" and queue is not None:
            until = now + min(error.retry_after, LONGEST_QUEUE_SECONDS)
            self._held[queue.id] = (until, error.failure)

    def until(self, now: float) -> float | None:
        """Return until when the account is to be left alone, None if it is not."""
        return self._held[None][0] if self.failure(now) else None

    def failure(self, now: float, queue: Queue | None = None) -> Failure | None:
        """Say why the account, or one of its queues, is not to be asked now."""
        held = self._held.get(queue.id if queue else None)
        # Longer than ever ordered: the clock has been set back.
        if held is None or not 0 < held[0] - now <= LONGEST_SECONDS:
            return None
        words = f"told to wait for another {held[0] - now:.0f} s: {held[1].message}"
        return Failure(held[1].code, words)
