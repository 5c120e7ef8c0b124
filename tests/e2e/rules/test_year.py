"""A piece of the simulated year of `python -m benchmarks.paging`, and proof that it can fail."""

from __future__ import annotations

import pytest

from benchmarks.paging.run import Extent, measure
from benchmarks.paging.world import Setup
from prometheus.thresholds import Thresholds
from tests.e2e import tools

PIECE = Extent(queues=16, days=0.25, seed="piece2")


@pytest.mark.matrix
@pytest.mark.parametrize("setup", [Setup(30, 1), Setup(15, 2)])
def test_no_page_is_false_none_is_missed_and_none_is_late(setup: Setup) -> None:
    found = measure(tools.require("promtool"), setup, PIECE)
    assert found.wrong == ()
    assert found.due > 3
    assert found.pages >= found.due


@pytest.mark.parametrize(
    ("limits", "wrong"),
    [
        (Thresholds(page_window="9m"), "missed"),
        (Thresholds(blink_share=0.7), "false page"),
        (Thresholds(settled="15s"), "there for"),
    ],
    ids=["window", "blink", "settled"],
)
def test_other_thresholds_miss_the_aim(limits: Thresholds, wrong: str) -> None:
    setup = Setup(30, 1)
    found = measure(tools.require("promtool"), setup, PIECE, limits)
    assert any(wrong in line for line in found.wrong), found.in_words()
