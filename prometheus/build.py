"""Write the rule files and the tables of docs/alerting.md from their one source.

usage: python -m prometheus.build [--runbooks URL] [--dashboards URL] [--output FOLDER]

Without arguments it writes what is committed. With another folder, only the rules are written.
"""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from prometheus.coverage import coverage
from prometheus.exporter_alerts import exporter, watchdog
from prometheus.model import Alert, Group, Record
from prometheus.queue_alerts import queues
from prometheus.recording import now
from prometheus.source_alerts import sources
from prometheus.thresholds import Thresholds

__all__ = [
    "DOCUMENT",
    "REPOSITORY",
    "RULES",
    "Bases",
    "all_alerts",
    "main",
    "rule_files",
    "tables",
    "with_tables",
]

REPOSITORY: Final = Path(__file__).parents[1]
RULES: Final = REPOSITORY / "prometheus/rules"
DOCUMENT: Final = REPOSITORY / "docs/alerting.md"
_HEAD: Final = "# Made by `python -m prometheus.build`; change prometheus/*.py, not this file."
_WIDTH: Final = 90
_LABEL: Final = re.compile(r"{(\w+)}")


@dataclass(frozen=True, slots=True)
class Bases:
    """Where the links of the alerts lead; set them to your own with --runbooks, --dashboards."""

    runbooks: str = "https://calltools-exporter.example/docs/runbooks"
    dashboards: str = "https://grafana.example/d"

    def annotations(self, alert: Alert) -> dict[str, str]:
        """Return an alert's links."""
        dashboard = _LABEL.sub(r"{{$labels.\1|urlquery}}", alert.dashboard)
        return {
            "runbook_url": f"{self.runbooks.rstrip('/')}/{alert.name}.md",
            "dashboard_url": f"{self.dashboards.rstrip('/')}/{dashboard}",
        }


class _Dumper(yaml.SafeDumper):
    """Writes text of several lines as a block, and a long one folded, as people do."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else ">" if len(text) > _WIDTH and " " in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def _groups(limits: Thresholds) -> dict[str, tuple[Group, ...]]:
    return {
        "calltools.recording.yml": (now(limits), coverage(limits)),
        "calltools.alerts.yml": (queues(limits), sources(limits), exporter(limits)),
        "calltools.watchdog.yml": (watchdog(limits),),
    }


def all_alerts(limits: Thresholds | None = None) -> list[Alert]:
    """Return all alerts, in the order of the files."""
    groups = (group for file in _groups(limits or Thresholds()).values() for group in file)
    return [rule for group in groups for rule in group.rules if isinstance(rule, Alert)]


def rule_files(limits: Thresholds | None = None, bases: Bases | None = None) -> dict[str, str]:
    """Return the rule files' text by name."""
    return {
        name: f"{_HEAD}\ngroups:\n" + "".join(_group(group, bases or Bases()) for group in groups)
        for name, groups in _groups(limits or Thresholds()).items()
    }


def _group(group: Group, bases: Bases) -> str:
    lines = [f"  - name: {group.name}", f"    interval: {group.interval}", "    rules:"]
    for rule in group.rules:
        reason = f"{rule.fires}. {rule.why}" if isinstance(rule, Alert) else rule.why
        lines += [
            f"      # {line}" for line in textwrap.wrap(reason[0].upper() + reason[1:], _WIDTH)
        ]
        text = yaml.dump([_rule(rule, bases)], Dumper=_Dumper, sort_keys=False, width=_WIDTH)
        lines += [f"      {line}" if line else "" for line in text.splitlines()]
    return "\n".join(lines) + "\n"


def _rule(rule: Record | Alert, bases: Bases) -> dict[str, Any]:
    if isinstance(rule, Record):
        return {"record": rule.name, "expr": rule.expression}
    times = {"for": rule.wait, "keep_firing_for": rule.keep}
    return {
        "alert": rule.name,
        "expr": rule.expression,
        **{key: value for key, value in times.items() if value},
        "labels": {"severity": rule.severity},
        "annotations": {
            "summary": rule.summary,
            "description": rule.description,
            **bases.annotations(rule),
        },
    }


def tables() -> dict[str, str]:
    """Return the tables of docs/alerting.md by the name between their marks."""
    rows = ["| alert | severity | fires when | why so |", "| --- | --- | --- | --- |"]
    rows += [
        f"| [{alert.name}](runbooks/{alert.name}.md) | {alert.severity} | {alert.fires} |"
        f" {alert.why} |"
        for alert in all_alerts()
    ]
    series = ["| series | what it is |", "| --- | --- |"]
    limits = Thresholds()
    series += [
        f"| `{rule.name}` | {rule.why} |"
        for group in (now(limits), coverage(limits))
        for rule in group.rules
        if isinstance(rule, Record)
    ]
    return {"alerts": "\n".join(rows), "series": "\n".join(series)}


def with_tables(document: str) -> str:
    """Return a document with its tables brought up to date."""
    for name, table in tables().items():
        begin, end = f"<!-- {name}: made by prometheus/build.py -->\n", f"\n<!-- /{name} -->"
        before, found, rest = document.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            msg = f"{DOCUMENT.name} has no marks for the table of {name}"
            raise ValueError(msg)
        document = f"{before}{begin}{table}{end}{after}"
    return document


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files."""
    bases = Bases()
    parser = argparse.ArgumentParser(prog="python -m prometheus.build", description=__doc__)
    parser.add_argument("--runbooks", default=bases.runbooks, help="where docs/runbooks is shown")
    parser.add_argument("--dashboards", default=bases.dashboards, help="Grafana's address and /d")
    parser.add_argument("--output", type=Path, default=RULES, help="the folder to write to")
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    chosen = Bases(options.runbooks, options.dashboards)
    for name, text in rule_files(bases=chosen).items():
        (options.output / name).write_text(text)
    if options.output == RULES:
        DOCUMENT.write_text(with_tables(DOCUMENT.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
