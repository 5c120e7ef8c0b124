"""Test cases of rules put side by side, so that one evaluation of all rules serves many.

What an evaluation costs depends little on the number of series. Each case becomes an installation
of its own, told apart by its targets' label `case`, which all rules keep as they keep any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

Case = dict[str, Any]

#: An alert or a recorded series, which has a colon in its name, with its labels if it is given any.
_SELECTOR = re.compile(r"\b(ALERTS|[a-z]\w*:[\w:]*\w)(?:\{([^}]*)\})?")
#: The alerts that are about no target, and so the only ones without a case.
_WITHOUT = "CallTools(ExporterAbsent|Watchdog)"


def merged(cases: Iterable[Case]) -> Iterator[Case]:
    """Yield the same cases with those in one that only ask for expressions.

    Those that expect alerts with their texts stay apart, as promtool compares all alerts of a name,
    and those that are about the alerts on exporters.
    """
    beside: dict[str, list[Case]] = {}
    for case in cases:
        asked = [one["expr"] for one in case.get("promql_expr_test", ())]
        if case.get("alert_rule_test") or any("Exporter" in expr for expr in asked):
            yield case
        else:
            beside.setdefault(case["interval"], []).append(case)
    for interval, found in beside.items():
        if len(found) == 1:
            yield found[0]
            continue
        asked = [one for case in found for one in _asked(case)]
        yield {
            "name": f"{len(found)} cases, each with its own label",
            "interval": interval,
            "input_series": [one for case in found for one in _series(case)],
            "promql_expr_test": [*asked, *_none_without_case(asked)],
        }


def _series(case: Case) -> Iterator[dict[str, str]]:
    label = _label(case)
    for one in case["input_series"]:
        name, brace, labels = one["series"].partition("{")
        assert brace, one
        yield {**one, "series": f"{name}{{{label}, {labels}"}


def _asked(case: Case) -> Iterator[dict[str, Any]]:
    label = _label(case)

    def within(text: str) -> str:
        return _SELECTOR.sub(
            lambda found: f"{found[1]}{{{', '.join(filter(None, (label, found[2])))}}}", text
        )

    for one in case["promql_expr_test"]:
        samples = [
            {**sample, "labels": within(sample.get("labels", "{}"))}
            for sample in one.get("exp_samples") or ()
        ]
        assert _SELECTOR.search(one["expr"]), one
        yield {**one, "expr": within(one["expr"]), "exp_samples": samples}


def _none_without_case(asked: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield, for each time, that no alert has lost its case: it would not be seen."""
    alerts = f'ALERTS{{case="", alertname!~"{_WITHOUT}"}}'
    for at in sorted({one["eval_time"] for one in asked}):
        yield {"expr": f"count_over_time({alerts}[2h])", "eval_time": at}


def _label(case: Case) -> str:
    assert '"' not in case["name"], case["name"]
    return f'case="{case["name"]}"'
