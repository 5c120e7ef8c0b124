"""In which order a past is filled with what the rules record."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from prometheus.build import rule_files, rules
from tests.history.stages import stages


def group(*rules: tuple[str, str]) -> dict[str, Any]:
    made = [{"record": name, "expr": expression} for name, expression in rules]
    return {"interval": "15s", "rules": made}


def names(*groups: dict[str, Any]) -> list[list[str]]:
    found = stages([{"groups": groups}], scrape=60)
    return [[filling.labels["__name__"] for filling in stage] for stage in found]


def test_the_rules_can_be_filled_in() -> None:
    files = [yaml.safe_load(text) for text in rule_files().values()]
    assert sum(map(len, stages(files, scrape=60))) == len(list(rules()))


def test_a_rule_is_filled_after_those_it_rests_on_except_later_ones_of_its_group() -> None:
    first, second = ("a:first:x", "a:second:x or raw"), ("a:second:x", "a:first:x or a:other:x")
    assert names(group(first, second), group(("a:other:x", "raw"))) == [
        ["a:first:x", "a:other:x"],
        ["a:second:x"],
    ]


def test_groups_that_rest_on_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="rest on each other"):
        names(group(("a:first:x", "a:second:x")), group(("a:second:x", "a:first:x")))
