"""Tables, and the links from their rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders import common, table
from grafana_foundation_sdk.models import common as m
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    Threshold,
    ValueMapping,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.panels import DATA_SOURCE, Query, column, named, query, thresholds
from grafana.words import NEUTRAL, steps

__all__ = ["link_to_queue", "rows"]


def link_to_queue(dashboard: str, row: str) -> dict[str, object]:
    """Return a link to a dashboard of one queue, whose names `row` holds as fields or labels."""
    variables = "".join(
        f"&var-{name}=${{__{row}.{name}:percentencode}}" for name in ("account", "queue")
    )
    url = f"/d/{dashboard}?${{datasource:queryparam}}&${{__url_time_range}}{variables}"
    return {"title": "This queue alone", "url": url}


def _table_query(expression: str) -> Query:
    return query(expression).format(PromQueryFormat.TABLE)


def rows(
    title: str,
    description: str,
    expressions: Sequence[str],
    columns: Mapping[str, str],
    *,
    empty: str,
    width: int,
    height: int,
    overrides: Mapping[str, Mapping[str, object]],
    sort: tuple[str, bool] | None = None,
    then: str | None = None,
    transformations: Sequence[tuple[str, dict[str, object]]] | None = None,
    unit: str = "none",
    cell: m.TableCellOptions | None = None,
    mappings: Sequence[ValueMapping] = (),
    levels: list[Threshold] | None = None,
) -> table.Panel:
    """Return a table: `columns` are fields in their order, with their headings.

    Several expressions are joined by the labels that they share; their values are the fields
    `Value #A`, `Value #B` and so on, or `Value` if there is only one.
    """
    chosen = transformations or (
        ("merge", {}),
        (
            "organize",
            {
                "excludeByName": {"Time": True},
                "indexByName": {name: place for place, name in enumerate(columns)},
                "renameByName": dict(columns),
            },
        ),
        ("filterFieldsByName", {"include": {"names": list(columns.values())}}),
    )
    made = (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(DATA_SOURCE)
        .targets(named([_table_query(expression) for expression in expressions]))
        .transformations([DataTransformerConfig(name, options=what) for name, what in chosen])
        .unit(unit)
        .no_value(empty)
        .mappings(list(mappings))
        .thresholds(thresholds(levels or steps(NEUTRAL)))
        .cell_height(m.TableCellHeight.SM)
        .min_width(50)
        .show_header(True)
        .span(width)
        .height(height)
    )
    if cell is not None:
        made.cell_options(cell)
    for name, properties in overrides.items():
        if name.startswith("/"):
            made.override_by_regexp(name, column(**properties))
        else:
            made.override_by_name(name, column(**properties))
    if sort is not None:
        heading, descending = sort
        order = [(heading, descending), *([(then, False)] if then else [])]
        made.sort_by(
            [common.TableSortByFieldState().display_name(name).desc(down) for name, down in order]
        )
    return made
