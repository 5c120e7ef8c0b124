"""The soak, cut short: nothing stays behind, and no number is wrong."""

from __future__ import annotations

import subprocess
import sys

from tests.process_fixtures import ROOT, UNTRACED


def test_random_faults_leave_nothing_behind() -> None:
    command = [sys.executable, "-m", "benchmarks.soak", "--seconds", "4", "--warm-seconds", "1"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=dict(UNTRACED),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 wrong" in done.stdout
