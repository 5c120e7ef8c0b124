"""The series that rules read: with the others, each of their evaluations only takes longer."""

from __future__ import annotations

import re

from prometheus.build import RULES

__all__ = ["READ_BY_RULES"]

READ_BY_RULES = frozenset(
    name
    for file in RULES.glob("*.yml")
    for name in re.findall(r"\b(?:calltools|process|python)_\w+", file.read_text())
)
