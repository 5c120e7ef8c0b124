"""`make bench`, cut short: each part of it runs, and what it says is possible."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.process_fixtures import ROOT, UNTRACED


def test_all_of_it_runs_without_the_programs_of_others(tmp_path: Path) -> None:
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "docs").mkdir()
    shutil.copy(ROOT / "docs/scaling.md", tmp_path / "docs")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", tmp_path, "--quick", "--output", tmp_path],
        cwd=ROOT,
        env=dict(UNTRACED),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results = (tmp_path / "benchmarks/results.md").read_text()
    committed = (ROOT / "benchmarks/results.md").read_text()
    headings = re.compile(r"^## .*", re.MULTILINE)
    assert headings.findall(results) == headings.findall(committed)
    assert "left out: prometheus-blackbox-exporter, json_exporter" in results
    # Faster than possible would be a fault of the measurement.
    warm = re.search(r"10 queues, 16 at a time, 10 ms.* \| 0\.01 \| (\S+) \((\S+) x\)", results)
    assert warm is not None
    assert float(warm[1]) >= 0.01
    assert float(warm[2]) >= 1
    assert "A burst of 6 scrapes of 10 queues" in results
    # Each number stands under its name.
    columns = re.search(
        r"^\|  \| first scrape \| warm \| sockets alone \| queues a second .*\n.*\n"
        r"\| 10 queues, 16 at a time \| \S+ \| (\S+) \| \S+ \| (\S+) ",
        results,
        re.MULTILINE,
    )
    assert columns is not None
    assert 0.8 < float(columns[1]) * float(columns[2]) / 10 < 1.2
    # One request a queue, for each of two servers; half of that with `max_age`.
    assert re.search(r"^\| this exporter \| 0 \| 0 \| \S+ \| 10 \| 20 \|$", results, re.MULTILINE)
    assert re.search(r"`max_age: 10s` \|.*\| 10 \|$", results, re.MULTILINE)
    # Each question is answered by asking, and with `max_age` most are from memory.
    assert re.search(r"^\| 10 \| 0 \| by asking \| 20 \|", results, re.MULTILINE)
    assert re.search(r"^\| 10 \| 5 \| from memory \| ", results, re.MULTILINE)
    growth = (tmp_path / "docs/scaling.md").read_text()
    assert re.search(r"^\| 2 x 4 \| 0\.05 \| ", growth, re.MULTILINE)
    assert re.search(r"^\| 7 x 4 \| .* \| 24 of 24 \|$", growth, re.MULTILINE)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs the repository's commits")
def test_two_commits_are_compared() -> None:
    """Each has its own copy, and none is left behind."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--compare", "HEAD", "--quick"],
        cwd=ROOT,
        env=dict(UNTRACED),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    row = r"^\| CPU a queue and scrape, 20 queues, ms( \| \d+\.\d+){3} \| .* to .* \|$"
    assert re.search(row, done.stdout, re.MULTILINE)
    trees = subprocess.run(
        ["git", "worktree", "list"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "/commit " not in trees


def test_what_is_said_of_the_speed_was_measured() -> None:
    """README names the row of 500 queues."""
    results = (ROOT / "benchmarks/results.md").read_text()
    row = re.search(
        r"^\| 500 queues, 16 at a time, 50 ms \| (\S+) \| (\S+) ", results, re.MULTILINE
    )
    assert row is not None
    said = re.search(r"in (\S+) s, where (\S+) s is the least", (ROOT / "README.md").read_text())
    assert said is not None
    assert (said[2], float(said[1])) == (row[1], round(float(row[2]), 2))
