"""The time of a simulated world."""

from __future__ import annotations

import time


class Clock:
    """A clock that can be set, stopped and sped up; at first it shows the real time."""

    def __init__(self) -> None:
        self._start = (0.0, 0.0, 0.0)
        self.set(time.time())

    def set(self, at: float, *, speed: float = 1.0) -> None:
        """Set the Unix time and the speed from now on; 0 stops the clock."""
        self._start = (at, time.monotonic(), speed)

    def __call__(self) -> float:
        """Return its Unix time."""
        at, since, speed = self._start
        return at + (time.monotonic() - since) * speed
