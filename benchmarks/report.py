"""Tables of what was measured, in Markdown."""

from __future__ import annotations

import os
import platform
import re
import ssl
import statistics
import subprocess
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("requests", "urllib3", "prometheus-client", "uvicorn", "starlette", "PyYAML")


def median(values: Iterable[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def times(ratio: float) -> str:
    """Return a ratio as text."""
    return f"{ratio:.2f} x"


def table(head: Sequence[str], rows: Iterable[Sequence[object]], text: Sequence[int] = (0,)) -> str:
    """Return a table; `text` are the columns that are no numbers."""
    kinds = ["---" if column in text else "---:" for column in range(len(head))]
    lines = [head, kinds, *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def machine() -> str:
    """Return what this was measured on."""
    processor = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    cores = len(os.sched_getaffinity(0))
    libraries = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    ).stdout.strip()
    ahead = os.sched_getscheduler(0) != os.SCHED_OTHER
    priority = " With real-time priority, as others used the machine." if ahead else ""
    return (
        f"{processor[1] if processor else platform.machine()}, {cores} cores, Linux"
        f" {platform.release().partition('-')[0]}, Python {platform.python_version()},"
        f" {ssl.OPENSSL_VERSION.rpartition(' ')[0].rpartition(' ')[0].rpartition(' ')[0]},"
        f" {libraries}. Commit {commit or 'unknown'}.{priority}"
    )
