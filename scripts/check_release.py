"""Check that a tag, the version, the chart and the changelog name the same release.

usage: python scripts/check_release.py vVERSION
"""

import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]


def versions(root: Path) -> dict[str, str]:
    """Return the version that each file names, by the file's path."""
    package = (root / "exporter/__init__.py").read_text("utf-8")
    chart = yaml.safe_load((root / "deploy/helm/calltools-exporter/Chart.yaml").read_text("utf-8"))
    changelog = (root / "CHANGELOG.md").read_text("utf-8")
    return {
        "exporter/__init__.py": _first(r'^__version__ = "(.+)"$', package),
        "Chart.yaml, version": str(chart["version"]),
        "Chart.yaml, appVersion": str(chart["appVersion"]),
        "CHANGELOG.md, first section": _first(r"^## (\S+)", changelog),
    }


def _first(pattern: str, text: str) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    return found[1] if found else "none"


def main(tag: str) -> int:
    """Print what differs from the tag; return 1 if anything does."""
    wrong = {
        place: found for place, found in versions(ROOT).items() if found != tag.removeprefix("v")
    }
    for place, found in wrong.items():
        print(f"{place}: found {found}, expected {tag.removeprefix('v')} as in the tag {tag}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
