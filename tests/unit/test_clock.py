"""Moments by two clocks, of which one may be set."""

from __future__ import annotations

import time

import pytest

from exporter.clock import Clock, Moment, boot_seconds


@pytest.mark.parametrize("set_by", [0, 0.4, -0.4, 5, -5, 86_400, -86_400])
def test_a_moment_is_told_by_the_clock_as_it_is_set_now(set_by: float) -> None:
    then = Moment(1000.0, 50.0)
    now = Moment(1030.0 + set_by, 80.0)
    # A clock that is only slewed changes nothing, or what is shown would tremble.
    assert then.unix_at(now) == (1000.0 if abs(set_by) < 1 else 1000.0 + set_by)
    assert then.unix_at(now) <= now.unix


def test_the_steady_clock_is_not_the_one_on_the_wall() -> None:
    clock = Clock(unix=lambda: 7.0)
    first = clock.now()
    later = boot_seconds()
    assert first.unix == 7.0
    assert first.steady <= later
    if hasattr(time, "CLOCK_BOOTTIME"):
        assert boot_seconds() == pytest.approx(time.clock_gettime(time.CLOCK_BOOTTIME), abs=5)
