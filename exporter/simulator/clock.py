"""The time of a simulated world."""

from __future__ import annotations

import time


class Clock:
    """A clock that can be set, stopped and hurried; at first it shows the real time."""

    def __init__(self) -> None:
        self._start = (0.0, 0.0, 0.0)
        self.set(time.time())

    def set(self, at: float, *, speed: float = 1.0) -> None:
        """Show this Unix time from now on, going at this speed; 0 stands still."""
        self._start = (at, time.monotonic(), speed)

    def __call__(self) -> float:
        """Return the Unix time that it shows."""
        at, since, speed = self._start
        return at + (time.monotonic() - since) * speed
