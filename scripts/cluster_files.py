"""Write the rules and dashboards into what deploy/ applies to a cluster.

usage: python scripts/cluster_files.py [FOLDER]

The chart takes copies, as a chart reads nothing outside its folder; for kustomize they become
objects. They are read from this checkout and written to FOLDER, by default this checkout too.
"""

import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
RULES = ("calltools.recording.yml", "calltools.alerts.yml")
LABELS = {"app.kubernetes.io/name": "calltools-exporter"}


class _Dumper(yaml.SafeDumper):
    """Write texts of several lines as blocks, so that a change of one shows as one."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def rule_object() -> dict[str, Any]:
    """Return the rules as one PrometheusRule of the Prometheus operator."""
    texts = [(ROOT / "prometheus/rules" / name).read_text("utf-8") for name in RULES]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "calltools-exporter", "labels": LABELS},
        "spec": {"groups": [group for text in texts for group in yaml.safe_load(text)["groups"]]},
    }


def dashboard_objects() -> list[dict[str, Any]]:
    """Return a ConfigMap for each dashboard, with the label that Grafana's sidecar looks for."""
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": f"{path.stem}-dashboard",
                "labels": {**LABELS, "grafana_dashboard": "1"},
            },
            "data": {path.name: path.read_text("utf-8")},
        }
        for path in dashboards()
    ]


def dashboards() -> list[Path]:
    """Return the dashboards' files."""
    return sorted((ROOT / "grafana/dashboards").glob("*.json"))


def texts() -> dict[str, str]:
    """Return every file that is made, by its path."""
    chart = "deploy/helm/calltools-exporter/files"
    made = {
        f"{chart}/rules/{name}": (ROOT / "prometheus/rules" / name).read_text("utf-8")
        for name in RULES
    }
    for path in dashboards():
        made[f"{chart}/dashboards/{path.name}"] = path.read_text("utf-8")
    made["deploy/kubernetes/operator/prometheusrule.yaml"] = _yaml([rule_object()])
    made["deploy/kubernetes/dashboards/dashboards.yaml"] = _yaml(dashboard_objects())
    return made


def main(folder: Path) -> None:
    """Write the files below a folder."""
    for name, text in texts().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _yaml(objects: list[dict[str, Any]]) -> str:
    head = "# Made by `make cluster`; edit prometheus/ or grafana/ instead.\n"
    return head + yaml.dump_all(objects, Dumper=_Dumper, sort_keys=False, width=100)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)
