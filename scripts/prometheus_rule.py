"""Print the rules as a PrometheusRule, for the Prometheus operator.

usage: python scripts/prometheus_rule.py [RULE FILE...]
"""

import sys
from pathlib import Path

import yaml

RULES = Path(__file__).parents[1] / "prometheus" / "rules"


def main(paths: list[Path]) -> None:
    """Print one document with the groups of all files."""
    groups = [group for path in paths for group in yaml.safe_load(path.read_text())["groups"]]
    document = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {
            "name": "calltools",
            "labels": {"app.kubernetes.io/name": "calltools-exporter"},
        },
        "spec": {"groups": groups},
    }
    yaml.safe_dump(document, sys.stdout, sort_keys=False, width=100)


if __name__ == "__main__":
    main(
        [Path(path) for path in sys.argv[1:]]
        or [RULES / "calltools.recording.yml", RULES / "calltools.alerts.yml"]
    )
