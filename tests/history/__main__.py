"""Make a past to look at: two weeks of a simulated call centre in a Prometheus data folder.

usage: python -m tests.history FOLDER [--days 14] [--accounts N] [--until TIME] [--no-rules]

It needs `prometheus` and `promtool`, which `make tools` fetches.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from tests.history.backfill import backfill
from tests.history.centre import one_account, vendor
from tests.history.server import Tools


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the past and say where it is."""
    parser = argparse.ArgumentParser(prog="python -m tests.history", description=__doc__)
    parser.add_argument("folder", type=Path, help="a folder that is not there yet")
    parser.add_argument("--days", type=float, default=14)
    parser.add_argument("--accounts", type=int, help="this many of a vendor's, four queues each")
    parser.add_argument("--until", type=datetime.fromisoformat, help="2026-11-19T20:00+00:00; now")
    parser.add_argument("--no-rules", action="store_true", help="leave recorded rules out")
    parser.add_argument("--tools", type=Path, help="the folder of prometheus and promtool")
    options = parser.parse_args(arguments)
    if options.folder.exists():
        parser.error(f"{options.folder} is there already")
    begun = time.monotonic()
    end = options.until.timestamp() if options.until else time.time()
    make = partial(vendor, options.accounts) if options.accounts else one_account
    backfill(
        make,
        options.folder,
        spans=[(end - options.days * 86400, end)],
        tools=Tools.find(options.tools),
        rules=not options.no_rules,
    )
    seconds = time.monotonic() - begun
    print(f"{options.folder} holds {options.days:g} days, made in {seconds:.0f} s")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
