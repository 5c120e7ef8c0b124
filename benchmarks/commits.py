"""Two commits in turns: what is here against another commit, as ratios.

In each round either has its turn on the same core with the same API, so that what disturbs the
machine disturbs both. A ratio is the median of the rounds' ratios, and its spread is given beside
it: where that reaches to both sides of 1, nothing was shown.
"""

from __future__ import annotations

import math
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.exporters import LATENCY, configured, read_page, started
from benchmarks.limit import BEFORE_FIRST
from benchmarks.report import median, table

PARALLEL = 32
FEW = 10
#: Warm pages of one start.
PAGES = 4


@dataclass(frozen=True)
class Work:
    """How much is measured of each commit in a round."""

    queues: int = 500
    many: int = 2000
    rounds: int = 7


def compare(root: Path, commit: str, work: Work) -> str:
    """Return a table of this copy against a commit of its repository."""
    with _checkout(root, commit) as other:
        copies = {"before": other, "after": root}
        taken: dict[str, list[Mapping[str, float]]] = defaultdict(list)
        for number in range(work.rounds):
            turns = sorted(copies, reverse=bool(number % 2))
            for turn in turns:
                taken[turn].append(_measure(copies[turn], work))
    return _table(commit, taken["before"], taken["after"], work)


@contextmanager
def _checkout(root: Path, commit: str) -> Iterator[Path]:
    """Give a work tree of a commit for as long as the ``with`` block lasts."""

    def git(*words: str | Path) -> None:
        subprocess.run(["git", "-C", root, "worktree", *words], check=True, capture_output=True)

    with tempfile.TemporaryDirectory() as name:
        tree = Path(name) / "commit"
        git("add", "--detach", tree, commit)
        try:
            yield tree
        finally:
            git("remove", "--force", tree)


def _measure(root: Path, work: Work) -> dict[str, float]:
    at_once = _sample(root, FEW, 1, wait=0)
    few, some = _sample(root, FEW, PAGES), _sample(root, work.queues, PAGES)
    many = _sample(root, work.many, 1)
    return {
        f"first scrape of {FEW} queues, s": few["first"],
        f"scrape of {FEW} queues, s": few["warm"],
        "start to the first scrape, s": at_once["start"],
        f"first scrape of {work.queues} queues, s": some["first"],
        f"scrape of {work.queues} queues, s": some["warm"],
        f"scrape of {work.queues} queues, of the limit": some["warm"] / _limit(work.queues),
        f"CPU a queue and scrape, {work.queues} queues, ms": some["cpu"],
        f"scrape of {work.many} queues, of the limit": many["warm"] / _limit(work.many),
        f"CPU a queue and scrape, {work.many} queues, ms": many["cpu"],
        f"memory with {FEW} queues, MiB": few["memory"],
        f"memory with {work.many} queues, MiB": many["memory"],
    }


def _limit(queues: int) -> float:
    return math.ceil(queues / PARALLEL) * LATENCY


def _sample(root: Path, queues: int, pages: int, wait: float = BEFORE_FIRST) -> dict[str, float]:
    with (
        configured(queues, parallel=PARALLEL) as (path, _),
        started(path, root) as (exporter, connection),
    ):
        time.sleep(wait)
        first = read_page(connection)
        start = time.monotonic() - exporter.started
        before = exporter.cost().cpu_seconds
        warm = [read_page(connection) for _ in range(pages)]
        cost = exporter.cost()
    if {first.read, *(page.read for page in warm)} != {queues}:
        raise RuntimeError(f"{root}: not all of {queues} queues were read")
    return {
        "first": first.seconds,
        "start": start,
        "warm": median(page.seconds for page in warm),
        "cpu": 1000 * (cost.cpu_seconds - before) / pages / queues,
        "memory": cost.mebibytes,
    }


def _table(
    commit: str,
    before: Sequence[Mapping[str, float]],
    after: Sequence[Mapping[str, float]],
    work: Work,
) -> str:
    rows = []
    for name in before[0]:
        ratios = [new[name] / old[name] for old, new in zip(before, after, strict=True)]
        rows.append(
            (
                name,
                f"{median(round_[name] for round_ in before):.3f}",
                f"{median(round_[name] for round_ in after):.3f}",
                f"{median(ratios):.2f}",
                f"{min(ratios):.2f} to {max(ratios):.2f}",
            )
        )
    return (
        f"{PARALLEL} requests at a time, an answer after {1000 * LATENCY:.0f} ms, TLS; medians of"
        f" {work.rounds} rounds in turns.\n\n"
        + table(("", commit, "here", "ratio", "ratios of the rounds"), rows)
    )
