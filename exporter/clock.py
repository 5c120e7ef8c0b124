"""Two clocks: the wall clock, which can be set, and one that only counts seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

#: By how much both clocks may disagree before the wall clock counts as having been set.
_SET_SECONDS = 1.0


def boot_seconds() -> float:
    """Return the seconds since the machine started, including those in which it was suspended."""
    return time.clock_gettime(_BOOT_CLOCK)


# The fallback stops while the machine is suspended.
_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment by both clocks: ``unix`` for people, ``steady`` to count ages and waits by."""

    unix: float
    steady: float

    def __lt__(self, other: Moment) -> bool:
        return self.steady < other.steady

    def after(self, seconds: float) -> Moment:
        """Return the moment that many seconds later."""
        return Moment(self.unix + seconds, self.steady + seconds)

    def unix_at(self, now: Moment) -> float:
        """Return this moment in Unix time by a clock that may have been set since."""
        by_age = now.unix + (self.steady - now.steady)
        return self.unix if abs(by_age - self.unix) < _SET_SECONDS else by_age


@dataclass(frozen=True, slots=True)
class Clock:
    """Read both clocks."""

    unix: Callable[[], float] = time.time
    steady: Callable[[], float] = boot_seconds

    def now(self) -> Moment:
        """Return the moment."""
        return Moment(self.unix(), self.steady())
