"""Measure what the dashboards cost Prometheus with many queues.

    python -m benchmarks.dashboards [--queues N] [--accounts N] [--hours N] [--prometheus PATH]
                                    [--promtool PATH] [--data FOLDER] [--dashboards FOLDER]

A Prometheus is filled with hours of series; then each panel's queries are sent as Grafana sends
them when a dashboard is refreshed, and the processor time that they take is read. A data folder
is kept and used again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.dashboards.data import fill, queues
from benchmarks.dashboards.server import Prometheus
from benchmarks.report import table
from grafana.build import FOLDER

#: Grafana asks for as many points as a panel of full width has pixels, if it names no number.
PIXELS, COLUMNS = 1600, 24
SCRAPE_INTERVAL = 30
#: Grafana's intervals: the step is rounded to one of them.
INTERVALS = (15, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600)
ROUNDS = 2
MOST = 1.5


def filled(expression: str, hours: float, step: int) -> str:
    """Return a query with a value in the place of each variable."""
    values = {
        "$__rate_interval": f"{max(step + SCRAPE_INTERVAL, 4 * SCRAPE_INTERVAL)}s",
        "$__range": f"{hours * 3600:.0f}s",
        "$objective": "0.95",
        **{f"${name}": ".*" for name in ("account", "queue", "team")},
    }
    for name, value in values.items():
        expression = expression.replace(name, value)
    return expression


def interval(panel: dict[str, Any], hours: float) -> int:
    """Return the step in which Grafana asks for a panel."""
    pixels = PIXELS * panel["gridPos"]["w"] // COLUMNS
    least = hours * 3600 / panel.get("maxDataPoints", pixels)
    return next(one for one in INTERVALS if one >= least)


def refresh(server: Prometheus, dashboard: dict[str, Any], hours: float, end: int) -> list[Any]:
    """Send what a refresh sends; return each panel's title, its CPU seconds and its samples."""
    found = []
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            continue
        step, before, answers = interval(panel, hours), server.cpu_seconds(), 0
        for target in panel["targets"]:
            query = filled(target["expr"], hours, step)
            if target.get("range"):
                start = end - hours * 3600
                answers += server.query_range(query, start // step * step, end, step)
            else:
                answers += server.query(query, end)
        found.append((panel["title"], server.cpu_seconds() - before, answers))
    before = server.cpu_seconds()
    for note in dashboard["annotations"]["list"]:
        server.query_range(filled(note["expr"], hours, 60), end - hours * 3600, end, 60)
    found.append(("annotations", server.cpu_seconds() - before, 1))
    return found


def main() -> int:
    """Print what each dashboard and each panel costs; fail if one costs too much."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboards", description=__doc__)
    parser.add_argument("--queues", type=int, default=600)
    parser.add_argument("--accounts", type=int, default=150)
    parser.add_argument("--hours", type=float, default=6)
    parser.add_argument("--prometheus", type=Path, default=Path("prometheus"))
    parser.add_argument("--promtool", type=Path, default=Path("promtool"))
    parser.add_argument("--data", type=Path, help="where the series are, or are to be put")
    parser.add_argument("--dashboards", type=Path, default=FOLDER)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dashboards-") as name:
        folder = options.data or Path(name) / "data"
        marker = folder / "end"
        if not marker.exists():
            end = int(time.time()) // 300 * 300
            centre = queues(options.queues, options.accounts)
            fill(options.promtool, folder, centre, int(end - options.hours * 3600 - 900), end)
            marker.write_text(str(end))
        end = int(marker.read_text()) - 30
        totals = []
        with Prometheus(options.prometheus, folder) as server:
            for file in sorted(options.dashboards.glob("*.json")):
                dashboard = json.loads(file.read_text())
                rounds = [
                    refresh(server, dashboard, options.hours, end) for _ in range(ROUNDS + 1)
                ][1:]
                rows = [
                    (title, f"{statistics.median(cpu):.2f}", answers[-1])
                    for title, cpu, answers in (
                        (panel[0][0], [one[1] for one in panel], [one[2] for one in panel])
                        for panel in zip(*rounds, strict=True)
                    )
                ]
                total = statistics.median(sum(one[1] for one in each) for each in rounds)
                totals.append((dashboard["title"], total))
                print(table((dashboard["title"], "CPU seconds", "series"), rows))
                print(f"{dashboard['title']}: {total:.2f} CPU seconds a refresh\n", flush=True)
    return 1 if any(total > MOST for _, total in totals) else 0


if __name__ == "__main__":
    raise SystemExit(main())
