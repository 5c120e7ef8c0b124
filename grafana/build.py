"""Write the dashboards' JSON, and the tables of the README, from their one source.

usage: python -m grafana.build [FOLDER]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

from grafana.coverage import coverage
from grafana.exporter_and_api import exporter_and_api
from grafana.frame import Dashboard
from grafana.operations import operations
from grafana.tables import README, with_tables

__all__ = ["FOLDER", "all_dashboards", "main", "text"]

FOLDER: Final = Path(__file__).parent / "dashboards"


def all_dashboards() -> list[Dashboard]:
    """Return the dashboards."""
    return [operations(), coverage(), exporter_and_api()]


def text(dashboard: Dashboard) -> str:
    """Return a dashboard as its file has it."""
    return json.dumps(dashboard, indent=2, ensure_ascii=False) + "\n"


def main(folder: Path = FOLDER) -> int:
    """Write the files."""
    folder.mkdir(parents=True, exist_ok=True)
    for dashboard in all_dashboards():
        (folder / f"{dashboard['uid']}.json").write_text(text(dashboard))
    if folder == FOLDER:
        README.write_text(with_tables(README.read_text(), all_dashboards()))
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
