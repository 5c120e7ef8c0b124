"""A piece of the simulated year of `python -m benchmarks.paging`, and proof that it can fail."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from benchmarks.paging.run import Extent, measure
from benchmarks.paging.world import Setup
from prometheus.build import rule_files
from prometheus.thresholds import Thresholds
from tests.e2e import tools
from tests.process_fixtures import ROOT, UNTRACED

ALERTING = (ROOT / "docs/alerting.md").read_text()
PIECE = Extent(queues=15, days=0.1, seed="piece")


@pytest.mark.matrix
@pytest.mark.parametrize("setup", [Setup(30, 1), Setup(15, 2)])
def test_no_page_is_false_none_is_missed_and_none_is_late(setup: Setup) -> None:
    found = measure(tools.require("promtool"), setup, PIECE)
    assert found.wrong == ()
    assert found.due > 3
    assert found.pages >= found.due


@pytest.mark.parametrize(
    ("limits", "wrong", "piece"),
    [
        (Thresholds(page_window="9m"), "missed", Extent(16, 0.1, "piece2")),
        (Thresholds(blink_samples=12, empty_samples=3), "false", Extent(8, 0.12, "c")),
        (Thresholds(staffed_share=0.1, staffed_samples=1), "interrupted", Extent(16, 0.1, "b")),
        (Thresholds(page_window="6m"), "late", Extent(8, 0.12, "c")),
    ],
    ids=["window", "blink", "staffed", "slow"],
)
def test_other_thresholds_miss_the_aim(limits: Thresholds, wrong: str, piece: Extent) -> None:
    setup = Setup(30, 1)
    files = rule_files(limits).values()
    found = measure(tools.require("promtool"), setup, piece, files)
    assert any(line.startswith(wrong) for line in found.wrong), found.in_words()


def test_the_documented_measurement_runs() -> None:
    """Here with one queue for half an hour."""
    said = re.search(r"^python (-m benchmarks\.paging .*)$", ALERTING, re.MULTILINE)
    assert said is not None
    shorter = re.sub(r"--queues=\d+ --days=[\d.]+", "--queues=1 --days=0.02", said[1])
    assert shorter != said[1]
    done = subprocess.run(
        [sys.executable, *shorter.split(), f"--promtool={tools.require('promtool')}"],
        cwd=ROOT,
        env=dict(UNTRACED),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        *("15 s, one exporter", "30 s, one exporter", "15 s, 2 exporters", "30 s, 2 exporters"),
        "all",
    ]
    assert not re.search(r"[1-9]\d* (false|missed|late|interrupted|stuck)", done.stdout)
