"""Prometheus' own tools find nothing in the rules, and the rules do what their tests say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from prometheus.build import REPOSITORY, RULES, all_alerts

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import RunsTool

TESTS = sorted((REPOSITORY / "prometheus/tests").glob("*.yml"))


def fired(file: Path) -> set[str]:
    """Return the alerts of which a test asserts labels and texts."""
    tests: list[dict[str, Any]] = yaml.safe_load(file.read_text())["tests"]
    cases = [case for test in tests for case in test.get("alert_rule_test", ())]
    return {case["alertname"] for case in cases if case.get("exp_alerts")}


@pytest.mark.matrix
@pytest.mark.parametrize("file", sorted(RULES.iterdir()), ids=lambda file: file.name)
def test_promtool_accepts_the_rules(promtool: RunsTool, file: Path) -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


@pytest.mark.matrix
@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.name)
def test_the_rules_do_what_is_said_of_them(promtool: RunsTool, file: Path) -> None:
    done = promtool("test", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_seen_to_fire_with_its_texts() -> None:
    assert set().union(*map(fired, TESTS)) == {alert.name for alert in all_alerts()}
