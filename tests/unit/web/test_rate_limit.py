from __future__ import annotations

import pytest

from exporter.web.available_users import AvailableUser, RateLimits


def caller(name: str, rate: float) -> AvailableUser:
    return AvailableUser(name, "", None, None, rate)


def test_a_user_may_ask_so_many_questions_a_second() -> None:
    now = 100.0
    limits = RateLimits(lambda: now)
    partner, other = caller("partner", 4), caller("other", 4)
    assert [limits.seconds_to_wait(partner) for _ in range(5)] == [0, 0, 0, 0, 0.25]
    assert limits.seconds_to_wait(other) == 0
    now += 0.25
    assert limits.seconds_to_wait(partner) == 0
    assert limits.seconds_to_wait(partner) == pytest.approx(0.25)
    now += 3600
    assert [limits.seconds_to_wait(partner) for _ in range(5)] == [0, 0, 0, 0, 0.25]


def test_a_rate_below_one_a_second() -> None:
    now = 100.0
    limits = RateLimits(lambda: now)
    assert limits.seconds_to_wait(caller("a", 0.1)) == 0
    assert limits.seconds_to_wait(caller("a", 0.1)) == pytest.approx(10)
    now += 9
    assert limits.seconds_to_wait(caller("a", 0.1)) == pytest.approx(1)
    now += 1
    assert limits.seconds_to_wait(caller("a", 0.1)) == 0
