from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.web.metrics_handler import DEFAULT_BUDGET_SECONDS, budget_seconds


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [
        ("10", 9.2),
        ("10.000000", 9.2),
        (" 10 ", 9.2),
        ("1e1", 9.2),
        ("3600", 3599.2),
        # Too short for all that is taken off: at least half of it is used.
        ("1.2", 0.6),
        ("0.5", 0.25),
        ("0.001", 0.0005),
        # As long as a client may hold a slot.
        ("3601", 3599.2),
        ("1e300", 3599.2),
    ],
)
def test_the_budget_is_the_timeout_less_the_way_back_and_the_rendering(
    timeout: str, seconds: float
) -> None:
    assert budget_seconds(timeout, offset=0.5, rendering=0.3, longest=3600) == pytest.approx(
        seconds
    )


@pytest.mark.parametrize(
    "timeout",
    [None, "", "ten", "10s", "0", "-0", "-1", "nan", "-nan", "inf", "-inf", "1,5"],
)
def test_nonsense_counts_as_no_header(timeout: str | None) -> None:
    # Many a client gives up after 10 s, and has its page before.
    assert DEFAULT_BUDGET_SECONDS <= 9
    for rendering, seconds in ((0.0, DEFAULT_BUDGET_SECONDS), (0.3, DEFAULT_BUDGET_SECONDS - 0.3)):
        found = budget_seconds(timeout, offset=0.5, rendering=rendering, longest=3600)
        assert found == pytest.approx(seconds)


@given(st.text() | st.floats().map(str), st.floats(0, 100), st.floats(0, 100), st.floats(0.5, 1e6))
def test_every_header_gives_a_usable_budget(
    text: str, offset: float, rendering: float, longest: float
) -> None:
    seconds = budget_seconds(text, offset=offset, rendering=rendering, longest=longest)
    assert math.isfinite(seconds)
    assert seconds > 0
