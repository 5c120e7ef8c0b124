"""What docs/security.md says is shown by a test is a test."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/security.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/\S+?\.py)::(\w+)`", TEXT)))


def test_every_threat_names_a_test() -> None:
    _, found, after = TEXT.partition("| who | could |")
    assert found
    table = [line for line in after.splitlines() if line.startswith("| ")][1:]
    assert len(table) > 20
    assert all("::" in line.rsplit("|", 2)[1] for line in table)


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_the_test_is_there(path: str, name: str) -> None:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
