"""Measure how well the rules alert.

    python -m benchmarks.paging [--queues N] [--days N] [--seed TEXT] [--promtool PATH]
                                [--rules FOLDER]

Queues with truth, faults and scrapes made by chance are given to `promtool test rules`, which
evaluates the committed rules with Prometheus' own engine, each 15 s, as a server does.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.paging.run import Extent, Figures, measure
from benchmarks.paging.world import Setup

SETUPS = (Setup(15, 1), Setup(30, 1), Setup(15, 2), Setup(30, 2))


def main() -> int:
    """Print the figures of each setup; fail if the aim is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paging", description=__doc__)
    parser.add_argument("--queues", type=int, default=14, help="of each of four setups")
    parser.add_argument("--days", type=float, default=7)
    parser.add_argument("--seed", default="paging")
    parser.add_argument("--promtool", default="promtool")
    parser.add_argument("--rules", type=Path, help="other rules than those of this version")
    options = parser.parse_args()
    files = options.rules and [file.read_text() for file in sorted(options.rules.glob("*.yml"))]
    extent = Extent(options.queues, options.days, options.seed)
    total = Figures()
    for setup in SETUPS:
        found = measure(Path(options.promtool), setup, extent, files)
        total += found
        exporters = "one exporter" if setup.replicas == 1 else f"{setup.replicas} exporters"
        print(f"{setup.interval} s, {exporters}: {found.in_words()}", flush=True)
        for line in found.wrong:
            print(f"  {line}")
    print(f"all: {total.in_words()}")
    return 1 if total.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
