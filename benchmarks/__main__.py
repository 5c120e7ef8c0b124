"""Measure everything, and write benchmarks/results.md and the tables of docs/scaling.md.

    python -m benchmarks CACHE [--quick] [--output FOLDER]
    python -m benchmarks --compare COMMIT [--quick]

CACHE/peers holds what the exporter is compared with; `make bench` fetches it before. The second
form writes nothing: it measures what is here and another commit in turns, and prints ratios.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import availability, burst, commits, cost, growth, limit, report
from benchmarks.exporters import LATENCY
from benchmarks.peers import compare
from benchmarks.processes import API_CORES, pin

ROOT = Path(__file__).parents[1]

HEAD = """# Results

Written by `make bench` in {minutes:.0f} minutes. {machine}

The API is the [simulator](../exporter/simulator) over TLS 1.3 with kept connections, in its own
process. It shares {api} core{s} with the client that scrapes; what is measured has another core.
The contenders take turns in each round. Everything runs on one machine, so a round trip costs
almost nothing: over the internet, each new connection takes two more round trips, which peers that
open a connection for each probe would pay and these tables do not show.
"""
PEERS = """
The exporter is behind in two columns, for these reasons:

- **Memory.** Most of it is used before the first queue: Python, `requests`, TLS, the checks of the
  configuration and the web server. The peers are written in Go, or end after each round. Only
  another language would reach their figures.
- **Samples.** Each queue has its number, and what an alert needs to trust it: whether it could be
  read and why not, open hours, required agents, team. The peers leave that to their users.

blackbox_exporter reports only whether somebody is available, not how many, and like json_exporter
it is one target per queue for Prometheus. The loop has no scrape: node_exporter exposes its
numbers, which are as old as its last run, and nothing reports what failed.
"""


WORK = compare.Work(queues=200, parallel=16, latency=0.05)
SHARED = growth.Size(accounts=50, queues=40)
COMPARING = commits.Work()
ASKING = availability.Work()


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int = 3
    cases: tuple[limit.Case, ...] = (
        *limit.cases((10, 100, 500), (16, 32, 64), (0.05,)),
        *limit.cases((2000,), (32, 64), (0.05,)),
        # What is faster or slower than that says no more in other numbers.
        *limit.cases((100, 500), (32,), (0.2,)),
        *limit.cases((10, 100, 500, 2000), (32,), (0,)),
    )
    work: compare.Work = WORK
    cost_queues: int = 500
    memory: tuple[int, ...] = (1, 100, 2000)
    scrapes: int = 10_000
    burst: tuple[int, int] = (200, 500)
    growing_queues: tuple[int, ...] = (100, 500, 1000, 2000, 5000)
    growing_accounts: tuple[int, ...] = (1, 30, 100, 300)
    replicas: tuple[int, ...] = (1, 2, 4)
    shared: growth.Size = SHARED
    silo_accounts: tuple[int, ...] = (150, 600)
    silo_budget: float = 9.5
    comparing: commits.Work = COMPARING
    asking: availability.Work = ASKING


QUICK = Plan(
    rounds=1,
    cases=tuple(limit.cases((10,), (16,), (0, 0.01))),
    work=compare.Work(10, 4, 0.01),
    cost_queues=20,
    memory=(1,),
    scrapes=20,
    burst=(10, 6),
    growing_queues=(10,),
    growing_accounts=(2,),
    replicas=(1, 2),
    shared=growth.Size(4, 3),
    silo_accounts=(7,),
    silo_budget=1.5,
    comparing=commits.Work(queues=20, many=30, rounds=1),
    asking=availability.Work(queues=20, rates=(10,), seconds=2.0, scrape_interval=1.0),
)


def main() -> int:
    """Measure, and write what was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("cache", type=Path, nargs="?")
    parser.add_argument("--compare", metavar="COMMIT", help="print ratios to this commit")
    parser.add_argument("--quick", action="store_true", help="only see whether all of it runs")
    parser.add_argument("--output", type=Path, default=ROOT, help="default: this repository")
    options = parser.parse_args()
    plan = QUICK if options.quick else Plan()
    if options.compare:
        pin(API_CORES)
        print(commits.compare(ROOT, options.compare, plan.comparing))
        return 0
    if options.cache is None:
        parser.error("a CACHE, or --compare COMMIT, is needed")
    machine = report.machine()
    pin(API_CORES)
    begun = time.monotonic()
    found = _measure(plan, options.cache / "peers")
    head = HEAD.format(
        minutes=(time.monotonic() - begun) / 60,
        machine=machine,
        api=len(API_CORES),
        s="s" * (len(API_CORES) > 1),
    )
    growth_tables = found.pop("Growth")
    parts = [head, *(f"## {name}\n\n{text.strip()}\n" for name, text in found.items())]
    parts.append("## Growth\n\nSee [docs/scaling.md](../docs/scaling.md#growth).\n")
    (options.output / "benchmarks/results.md").write_text("\n".join(parts))
    _replace(options.output / "docs/scaling.md", "growth: made by make bench", growth_tables)
    return 0


def _measure(plan: Plan, peers: Path) -> dict[str, str]:
    sections: dict[str, Callable[[], str]] = {
        "Against the limit": lambda: limit.measure(plan.cases, plan.rounds),
        "Against what people would use instead": lambda: (
            compare.measure(plan.work, plan.rounds, peers) + PEERS
        ),
        "Cost": lambda: "\n".join(
            [
                cost.cpu(plan.cost_queues, plan.rounds),
                cost.start(2 * plan.rounds),
                burst.measure(*plan.burst, 2 * plan.rounds),
                cost.memory(plan.memory, plan.rounds),
                cost.growth_over_scrapes(plan.scrapes, 5),
            ]
        ),
        "Before a transfer": lambda: availability.measure(plan.asking),
        "Growth": lambda: _growth(plan),
    }
    found = {}
    for name, measure in sections.items():
        print(name, file=sys.stderr, flush=True)
        found[name] = measure()
    return found


def _growth(plan: Plan) -> str:
    size, milliseconds = plan.shared, 1000 * LATENCY
    return f"""
{growth.PARALLEL} requests at a time, an answer after {milliseconds:.0f} ms, medians of
{plan.rounds} scrapes:

{growth.by_queues(plan.growing_queues, plan.rounds)}
{growth.by_accounts(plan.growing_accounts, 4, plan.rounds)}
Seven silos, one of which stops answering; 16 requests at a time to each, and a budget of
{plan.silo_budget} s:

{growth.by_silos(plan.silo_accounts, 4, 7, plan.silo_budget, plan.rounds)}
{size.accounts} accounts of {size.queues} queues over `/probe`, shared by a hash, 16 requests at a
time for each replica, all replicas on one core:

{growth.by_replicas(plan.replicas, size, 16, plan.rounds)}
"""


def _replace(path: Path, name: str, text: str) -> None:
    """Put a text between the marks `<!-- NAME -->` and `<!-- /NAME's first word -->`."""
    end = f"<!-- /{name.partition(':')[0]} -->"
    pattern = re.compile(f"(<!-- {re.escape(name)} -->\n).*?({re.escape(end)})", re.DOTALL)
    whole, number = pattern.subn(lambda found: f"{found[1]}{text}{found[2]}", path.read_text())
    if number != 1:
        sys.exit(f"{path} has no place marked `<!-- {name} -->`")
    path.write_text(whole)


if __name__ == "__main__":
    sys.exit(main())
