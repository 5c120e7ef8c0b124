"""The rate limit of each user, in requests a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from exporter.web.available_users import AvailableUser


@dataclass(frozen=True, slots=True)
class Caller:
    """A user who may request `/available` only, by name."""

    name: str
    user: AvailableUser


class RateLimits:
    """A bucket for each user that refills at the user's rate and holds one second's requests."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def seconds_to_wait(self, caller: Caller) -> float:
        """Take one request out of the user's bucket; return 0, or the time until there is one."""
        rate = caller.user.questions_per_second
        size, now = max(rate, 1.0), self._clock()
        left, at = self._buckets.get(caller.name, (size, now))
        left = min(size, left + (now - at) * rate)
        if left < 1:
            self._buckets[caller.name] = left, now
            return (1 - left) / rate
        self._buckets[caller.name] = left - 1, now
        return 0.0
