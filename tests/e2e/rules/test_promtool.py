"""Prometheus' own tools find nothing in the rules, and the rules do what their tests say."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from prometheus.build import REPOSITORY, RULES, rules
from tests.e2e.conftest import RunsTool
from tests.e2e.rules.merged_cases import merged

TESTS = sorted((REPOSITORY / "prometheus/tests").glob("*.yml"))
ALERTS = {rule["alert"] for rule in rules() if "alert" in rule}
NAMED = re.compile(r'alertname=~?"([^"]*)"')


@cache
def document(file: Path) -> dict[str, Any]:
    """Return a file of tests with texts for all values, as 0x9 is a number for YAML."""
    found: dict[str, Any] = yaml.load(file.read_text(), yaml.CBaseLoader)
    for case in found["tests"]:
        for one in case.get("promql_expr_test", ()):
            for sample in one.get("exp_samples") or ():
                sample["value"] = float(sample["value"])
    return found


def cases(file: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = document(file)["tests"]
    return found


def fired(case: dict[str, Any]) -> set[str]:
    """Return the alerts of which a case asserts labels and texts."""
    return {one["alertname"] for one in case.get("alert_rule_test", ()) if one.get("exp_alerts")}


def silent(case: dict[str, Any]) -> set[str]:
    """Return the alerts of which a case says by name that they do not fire, never that they do."""
    silent = {one["alertname"] for one in case.get("alert_rule_test", ())} - fired(case)
    told: set[str] = set()
    for one in case.get("promql_expr_test", ()):
        for names in NAMED.findall(one["expr"]):
            named = {alert for alert in ALERTS if re.fullmatch(names, alert)}
            (told if one.get("exp_samples") or "unless" in one["expr"] else silent).update(named)
    return silent - told


@pytest.mark.matrix
@pytest.mark.parametrize("file", sorted(RULES.iterdir()), ids=lambda file: file.name)
def test_promtool_accepts_the_rules(promtool: RunsTool, file: Path) -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


@pytest.mark.matrix
@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.name)
def test_the_rules_do_what_is_said_of_them(promtool: RunsTool, file: Path, tmp_path: Path) -> None:
    said = document(file)
    files = [str(file.parent / name) for name in said["rule_files"]]
    written = tmp_path / file.name
    # JSON is YAML as well, and quick to write.
    written.write_text(
        json.dumps({**said, "rule_files": files, "tests": list(merged(said["tests"]))})
    )
    done = promtool("test", "rules", written)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_seen_to_fire_with_its_texts() -> None:
    assert set().union(*(fired(case) for file in TESTS for case in cases(file))) == ALERTS


def test_each_alert_is_seen_to_be_silent_in_two_cases_at_least() -> None:
    found = Counter(name for file in TESTS for case in cases(file) for name in silent(case))
    assert {name for name in ALERTS if found[name] < 2} == {"CallToolsWatchdog"}
