"""Write the rule files and the tables of docs/alerting.md from templates/ and thresholds.py.

usage: python -m prometheus.build [--runbooks URL] [--dashboards URL] [--output FOLDER]

Without arguments it writes what is committed. With another folder, only the rules are written.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from prometheus.thresholds import Thresholds, duration, seconds

__all__ = [
    "ANSWERED",
    "DOCUMENT",
    "REPOSITORY",
    "RULES",
    "main",
    "rule_files",
    "rules",
    "with_tables",
]

REPOSITORY = Path(__file__).parents[1]
RULES = REPOSITORY / "prometheus/rules"
DOCUMENT = REPOSITORY / "docs/alerting.md"
TEMPLATES = REPOSITORY / "prometheus/templates"

#: Labels that distinguish the replicas of one exporter; `replica` is for two Prometheus servers
#: seen together. `host` and `team` are the target's, as only the info metrics have their own.
REPLICA = "instance, pod, replica, host, team"
BESIDE_HOST = "instance, pod, replica, team, exported_host"
BESIDE_TEAM = "instance, pod, replica, host, exported_team"
#: Failures that are not the silo's: the API answered with a reason that concerns the account or the
#: queue, or was not asked at all (`token`). All others are: no answer, an error (5xx), or an answer
#: from something else (an HTML page, a redirect).
ANSWERED = "4..|token|unknown_id|filter_ignored|unexpected_answer|too_large"
#: How the texts name a queue, and what they add while it cannot be read.
WHERE = (
    "Account {{ $labels.account }}, queue {{ $labels.queue }}"
    "{{ with $labels.team }} (team {{ . }}){{ end }}"
)
HELD = (
    "{{ if lt $value 0.0 }} At the moment the queue cannot be read; this is its last known state."
    "{{ end }}"
)
_ACCOUNT = "var-account={{$labels.account|urlquery}}"
_QUEUE = f"{_ACCOUNT}&var-queue={{{{$labels.queue|urlquery}}}}"
_COMMENTED = re.compile(r"((?: {6}# .*\n)+) {6}- (alert|record): (\S+)")


def rule_files(
    limits: Thresholds | None = None,
    runbooks: str = "https://calltools-exporter.example/docs/runbooks",
    dashboards: str = "https://grafana.example/d",
) -> dict[str, str]:
    """Return the rule files' text by name."""
    limits = limits or Thresholds()
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        variable_start_string="<<",
        variable_end_string=">>",
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - it writes YAML
    )
    values = asdict(limits) | {
        "replica": REPLICA,
        "beside_host": BESIDE_HOST,
        "beside_team": BESIDE_TEAM,
        "account_info": _own("calltools_account_info", "host"),
        "queue_info": _own("calltools_queue_info", "team"),
        "answered": ANSWERED,
        "where": WHERE,
        "held": HELD,
        "piece": f"{seconds(limits.coverage_evaluation) - 1:g}s",
        "coarse": duration(2 * seconds(limits.evaluation)),
        "sample_minutes": f"{seconds(limits.evaluation) / 60:g}",
        "runbooks": runbooks.rstrip("/"),
        "queue_dashboard": f"{dashboards}/calltools-operations?{_QUEUE}",
        "coverage_dashboard": f"{dashboards}/calltools-coverage?{_QUEUE}",
        "account_dashboard": f"{dashboards}/calltools-exporter?{_ACCOUNT}",
        "exporter_dashboard": f"{dashboards}/calltools-exporter",
        "samples": limits.samples,
        "within": limits.within,
        "current": lambda series: f"last_over_time({series}[{limits.within(limits.evaluation)}])",
        "rest": lambda window, part: duration(seconds(window) - seconds(part)),
        "seconds": lambda text: f"{seconds(text):g}",
        "percent": lambda share: f"{share:.0%}",
    }
    head = "# Made by `make rules` from prometheus/templates; change those, not this file.\n"
    return {
        Path(name).stem: head + templates.get_template(name).render(values)
        for name in templates.list_templates()
    }


def _own(metric: str, label: str) -> str:
    """Return a metric with the exporter's own label, also if its targets have one of that name."""
    return f'label_replace({metric}, "{label}", "$1", "exported_{label}", "(.+)")'


def rules(files: dict[str, str] | None = None) -> Iterator[dict[str, Any]]:
    """Yield every rule, as Prometheus reads it."""
    for text in (files or rule_files()).values():
        for group in yaml.safe_load(text)["groups"]:
            yield from group["rules"]


def with_tables(document: str) -> str:
    """Return docs/alerting.md with the tables made from the rules' comments."""
    severities = {rule["alert"]: rule["labels"]["severity"] for rule in rules() if "alert" in rule}
    alerts = ["| alert | severity | fires when | why |", "| --- | --- | --- | --- |"]
    series = ["| series | meaning |", "| --- | --- |"]
    for text in rule_files().values():
        for comment, kind, name in _COMMENTED.findall(text):
            reason = " ".join(line.strip("# ") for line in comment.splitlines())
            if kind == "record":
                series.append(f"| `{name}` | {reason} |")
            else:
                fires, _, why = reason.partition(". ")
                link = f"[{name}](runbooks/{name}.md)"
                alerts.append(f"| {link} | {severities[name]} | {fires} | {why} |")
    for name, table in {"alerts": alerts, "series": series}.items():
        begin, end = f"<!-- {name}: made by prometheus/build.py -->\n", f"\n<!-- /{name} -->"
        before, found, rest = document.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"{DOCUMENT.name} has no marks for the table of {name}")
        document = before + begin + "\n".join(table) + end + after
    return document


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files."""
    parser = argparse.ArgumentParser(prog="python -m prometheus.build", description=__doc__)
    parser.add_argument("--runbooks", help="the URL of docs/runbooks")
    parser.add_argument("--dashboards", help="Grafana's URL and /d")
    parser.add_argument("--output", type=Path, default=RULES, help="the folder to write to")
    options = vars(parser.parse_args(arguments))
    folder = options.pop("output")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in rule_files(**{name: to for name, to in options.items() if to}).items():
        (folder / name).write_text(text)
    if folder == RULES:
        DOCUMENT.write_text(with_tables(DOCUMENT.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
