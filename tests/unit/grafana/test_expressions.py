"""Every expression is PromQL, and asks only for what the exporter or the rules have."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import promql_parser
import pytest
import yaml

from exporter.counters import Counters
from exporter.metrics import FAMILIES
from grafana.build import FOLDER
from prometheus.build import rules
from tests.grafana_expressions import Expression, all_expressions

RULES = FOLDER.parents[1] / "prometheus/rules"
EXPRESSIONS = all_expressions()

# What is between parentheses or braces after these is a list of labels.
LABEL_LISTS = re.compile(r"\b(?:by|on|without|ignoring|group_left|group_right) \(([^)]*)\)")
MATCHERS = re.compile(r"(\w+)(?:=~|!~|!=|=)\"")
NAMES = re.compile(r"(?:\w+:)?\b(?:calltools|process)_\w+(?::\w+)?|\bALERTS\b")


@cache
def recorded() -> set[str]:
    files = [yaml.safe_load(file.read_text()) for file in RULES.glob("*.yml")]
    groups = [group for file in files for group in file["groups"]]
    return {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}


@cache
def exported() -> dict[str, set[str]]:
    """Return the exporter's series with their labels."""
    series = {name: set(labels) for name, (labels, _) in FAMILIES.items()}
    for metric in Counters(["acme"]).families():
        for sample in metric.samples:
            series.setdefault(sample.name, set()).update(sample.labels)
    return series


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=str)
def test_it_is_promql(expression: Expression) -> None:
    promql_parser.parse(expression.filled())


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=str)
def test_every_series_exists(expression: Expression) -> None:
    # the names in quotes are labels' values
    text = re.sub(r'"[^"]*"', '""', expression.text)
    unknown = set(NAMES.findall(text)) - exported().keys() - recorded() - {"ALERTS"}
    assert not unknown


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=str)
def test_every_label_exists(expression: Expression) -> None:
    of_exporter = {label for labels in exported().values() for label in labels}
    of_alerts = {"alertname", "alertstate", "severity"}
    of_targets = {"instance", "job"}
    of_rules = {"seen", "alert"}
    made = set(re.findall(r'(?:count_values[^"]*|label_\w+\([^"]*)"(\w+)"', expression.text))
    lists = (name for found in LABEL_LISTS.findall(expression.text) for name in found.split(","))
    used = {name.strip() for name in lists if name.strip()} | set(MATCHERS.findall(expression.text))
    assert used <= of_exporter | of_alerts | of_targets | of_rules | made


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=str)
def test_no_join_fails_for_what_is_there_twice(expression: Expression) -> None:
    """The kind: a join with a series that another installation, or a second host, has as well.

    One such account or queue is an error for all, and for as long as the range shows it.
    """

    def unique(node: Any, labels: set[str]) -> bool:
        match node:
            case promql_parser.ParenExpr():
                return unique(node.expr, labels)
            case promql_parser.NumberLiteral():
                return True
            case promql_parser.BinaryExpr():
                return unique(node.lhs, labels) and unique(node.rhs, labels)
            case promql_parser.AggregateExpr() if node.modifier:
                one = str(node.op) != "topk" or getattr(node.param, "val", None) == 1
                return one and set(node.modifier.labels) <= labels
        return False

    for join in joins(promql_parser.parse(expression.filled())):
        assert unique(join.rhs, set(join.modifier.matching.labels)), join.rhs


def joins(node: Any) -> Iterator[Any]:
    """Yield the joins of an expression that add labels or repeat a side."""
    if isinstance(node, promql_parser.BinaryExpr):
        many = promql_parser.VectorMatchCardinality.ManyToOne
        if node.modifier and node.modifier.card == many:
            yield node
        yield from (*joins(node.lhs), *joins(node.rhs))
    for inner in (getattr(node, "expr", None), *(getattr(node, "args", None) or ())):
        if inner is not None:
            yield from joins(inner)


def test_the_joins_are_found() -> None:
    assert sum(1 for one in EXPRESSIONS for _ in joins(promql_parser.parse(one.filled()))) > 8


def test_there_is_an_expression_for_every_exported_series() -> None:
    """What the exporter tells is shown somewhere; the rest is named here with its reason."""
    not_shown = {
        # the runtime's own, of no use in operation
        *("process_virtual_memory_bytes", "process_max_fds", "python_info"),
        # parts of the histograms besides their buckets
        *("calltools_api_request_duration_seconds_count",
          "calltools_api_request_duration_seconds_sum"),
        # seen in the latencies and in the state of the queue
        "calltools_queue_fetch_duration_seconds",
        "calltools_queue_ready_agents",
        *(f"calltools_exporter_available_request_duration_seconds_{part}"
          for part in ("count", "sum")),
    }  # fmt: skip
    texts = [one.text for one in EXPRESSIONS]
    texts += [rule["expr"] for rule in rules()]  # what is recorded of it is shown
    names: set[Any] = {name for text in texts for name in NAMES.findall(text)}
    assert exported().keys() - names == not_shown
