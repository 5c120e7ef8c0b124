"""Which labels an expression's result has, worked out from those of the series it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import promql_parser as promql

Labels = frozenset[str]

#: Labels that the rules take away whether or not a target has them.
_REPLICA = frozenset(
    {"instance", "pod", "replica", "host", "team", "exported_host", "exported_team"}
)


class UnknownNameError(Exception):
    """An expression names a metric or a label that there is not."""


class LabelReader:
    """Works out labels; `metrics` has the labels of every series that there is, by name."""

    def __init__(self, metrics: Mapping[str, Iterable[str]]) -> None:
        self._metrics = {name: frozenset(labels) for name, labels in metrics.items()}

    def read(self, expression: str) -> Labels:
        """Return the labels of an expression's result.

        Raises:
            UnknownNameError: a metric, or a label that is matched, grouped or joined by.
        """
        return self._of(promql.parse(expression))

    def _of(self, node: Any) -> Labels:
        kinds: dict[type, Callable[[Any], Labels]] = {
            promql.NumberLiteral: lambda _: frozenset(),
            promql.StringLiteral: lambda _: frozenset(),
            promql.ParenExpr: lambda node: self._of(node.expr),
            promql.MatrixSelector: lambda node: self._of(node.vector_selector),
            promql.SubqueryExpr: lambda node: self._of(node.expr),
            promql.VectorSelector: self._of_selector,
            promql.Call: self._of_call,
            promql.AggregateExpr: self._of_aggregate,
            promql.BinaryExpr: self._of_binary,
        }
        return kinds[type(node)](node)

    def _of_selector(self, node: Any) -> Labels:
        if node.name not in self._metrics:
            raise UnknownNameError(f"no metric {node.name}")
        labels = self._metrics[node.name]
        return self._having(labels, (one.name for one in node.matchers.matchers), node)

    def _of_call(self, node: Any) -> Labels:
        name = node.func.name
        arguments = [self._of(argument) for argument in node.args]
        if name in {"absent", "vector", "time"}:
            return frozenset()
        if name == "histogram_quantile":
            return self._having(arguments[-1], ["le"], node) - {"le"}
        if name == "label_replace":
            return arguments[0] | {node.args[1].val}
        return next((labels for labels in arguments if labels), frozenset())

    def _of_aggregate(self, node: Any) -> Labels:
        inner = self._of(node.expr)
        named = frozenset(node.modifier.labels if node.modifier else ())
        self._having(inner | _REPLICA, named, node)
        if str(node.op) == "topk":
            return inner
        by = node.modifier is None or node.modifier.type == promql.AggModifierType.By
        return named if by else inner - named

    def _of_binary(self, node: Any) -> Labels:
        left, right = self._of(node.lhs), self._of(node.rhs)
        modifier = node.modifier
        matching = modifier.matching if modifier else None
        named = frozenset(matching.labels if matching else ())
        scalars = (promql.NumberLiteral,)
        if isinstance(node.lhs, scalars) or isinstance(node.rhs, scalars) or not (left and right):
            return left | right
        self._having(left | right | _REPLICA, named, node)
        if matching is not None and matching.type == promql.LabelModifierType.Include:
            used = named, named
        else:
            used = left - named, right - named
        if str(node.op) != "or" and used[0] != used[1]:
            raise UnknownNameError(f"sides cannot match by {used[0]} and {used[1]}: {node}")
        many = modifier.card == promql.VectorMatchCardinality.ManyToOne if modifier else False
        if many:
            return left | frozenset(modifier.group_labels or ())
        if str(node.op) in {"and", "or", "unless"} or matching is None:
            return left
        return used[0]

    @staticmethod
    def _having(labels: Labels, named: Any, node: Any) -> Labels:
        if missing := set(named) - labels - {"__name__"}:
            raise UnknownNameError(f"no label {missing} among {set(labels)}: {node}")
        return labels
