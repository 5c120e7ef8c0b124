"""Panels and their queries, for all three dashboards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias, cast

from grafana_foundation_sdk.builders import bargauge, common, prometheus, stat, statetimeline
from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.builders import timeseries as series
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as m
from grafana_foundation_sdk.models.dashboard import (
    DashboardLink,
    DynamicConfigValue,
    FieldColorModeId,
    Panel,
    Threshold,
    ThresholdsMode,
    ValueMapping,
)

from grafana.words import NEUTRAL, steps

__all__ = [
    "DATA_SOURCE",
    "Panels",
    "Query",
    "bars",
    "column",
    "count",
    "graph",
    "named",
    "query",
    "thresholds",
    "tiles",
    "timeline",
]

Query = prometheus.Dataquery
Panels: TypeAlias = "Sequence[Builder[Panel]]"
Properties = list[DynamicConfigValue]

#: The Prometheus that the reader has chosen.
DATA_SOURCE: Final = m.DataSourceRef(type_val="prometheus", uid="${datasource}")


def query(expression: str, legend: str = "__auto", *, over_time: bool = False) -> Query:
    """Return a query for one value now, or over time."""
    made = prometheus.Dataquery().expr(expression).legend_format(legend).datasource(DATA_SOURCE)
    return made.range() if over_time else made.instant()


def named(queries: Sequence[Query]) -> list[Builder[Dataquery]]:
    """Return queries with their letters."""
    return [one.ref_id(chr(ord("A") + number)) for number, one in enumerate(queries)]


def thresholds(steps: list[Threshold]) -> build.ThresholdsConfig:
    """Return thresholds of absolute values."""
    return build.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


def count(
    title: str,
    description: str,
    expression: str,
    *,
    levels: list[Threshold] | None = None,
    unit: str = "short",
    empty: str,
    width: int = 4,
    height: int = 4,
    decimals: int | None = None,
    mappings: Sequence[ValueMapping] = (),
    history: bool = False,
    legend: str = "__auto",
) -> stat.Panel:
    """Return one large number; `empty` is shown where there is none."""
    made = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(DATA_SOURCE)
        .targets(named([query(expression, legend, over_time=history)]))
        .unit(unit)
        .no_value(empty)
        .mappings(list(mappings))
        .thresholds(thresholds(levels or steps(NEUTRAL)))
        .color_scheme(build.FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .color_mode(m.BigValueColorMode.BACKGROUND_SOLID if levels else m.BigValueColorMode.NONE)
        .graph_mode(m.BigValueGraphMode.AREA if history else m.BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .span(width)
        .height(height)
    )
    return made if decimals is None else made.decimals(decimals)


def tiles(
    title: str,
    description: str,
    expression: str,
    legend: str,
    *,
    mappings: list[ValueMapping],
    empty: str,
    height: int,
    width: int = 24,
    link: Mapping[str, object] | None = None,
) -> stat.Panel:
    """Return a coloured tile with a word for each series."""
    made = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(DATA_SOURCE)
        .targets(named([query(expression, legend)]))
        .unit("none")
        .no_value(empty)
        .mappings(mappings)
        .thresholds(thresholds(steps(NEUTRAL)))
        .color_scheme(build.FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .color_mode(m.BigValueColorMode.BACKGROUND_SOLID)
        .graph_mode(m.BigValueGraphMode.NONE)
        .justify_mode(m.BigValueJustifyMode.CENTER)
        .text(common.VizTextDisplayOptions().title_size(11).value_size(15))
        .text_mode(m.BigValueTextMode.VALUE_AND_NAME)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .span(width)
        .height(height)
    )
    if link:
        made.data_links([_Link(link)])
    return made


class _Link(Builder[DashboardLink]):
    """A link from data: the library has a builder for links of dashboards only."""

    def __init__(self, link: Mapping[str, object]) -> None:
        self._link = link

    def build(self) -> DashboardLink:
        return cast("DashboardLink", self._link)


def timeline(
    title: str,
    description: str,
    expression: str,
    legend: str,
    *,
    mappings: list[ValueMapping],
    empty: str,
    height: int,
    link: Mapping[str, object],
) -> statetimeline.Panel:
    """Return one bar for each series, coloured by its state over time."""
    return (
        statetimeline.Panel()
        .title(title)
        .description(description)
        .datasource(DATA_SOURCE)
        .targets(named([query(expression, legend, over_time=True)]))
        .max_data_points(180)
        .unit("none")
        .no_value(empty)
        .mappings(mappings)
        .thresholds(thresholds(steps(NEUTRAL)))
        .color_scheme(build.FieldColor().mode(FieldColorModeId.FIXED).fixed_color(NEUTRAL))
        .data_links([_Link(link)])
        .show_value(m.VisibilityMode.NEVER)
        .merge_values(True)
        .row_height(0.85)
        .fill_opacity(90)
        .line_width(0)
        .legend(
            common.VizLegendOptions()
            .display_mode(m.LegendDisplayMode.LIST)
            .placement(m.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(common.VizTooltipOptions().mode(m.TooltipDisplayMode.SINGLE))
        .span(24)
        .height(height)
    )


def graph(
    title: str,
    description: str,
    queries: Sequence[Query],
    *,
    unit: str,
    empty: str,
    width: int,
    height: int = 9,
    overrides: Mapping[str, Mapping[str, object]] | None = None,
    stacked: bool = False,
    fill: float = 0,
    levels: list[Threshold] | None = None,
    lowest: float | None = 0,
    table_legend: bool = False,
    highest: float | None = None,
    points: int = 120,
) -> series.Panel:
    """Return lines over time; `overrides` are properties by a name, or by a /pattern/ of it.

    Each point is computed for every queue, so with hundreds of queues the points are the cost.
    """
    legend = common.VizLegendOptions().placement(m.LegendPlacement.BOTTOM).show_legend(True)
    if table_legend:
        legend.display_mode(m.LegendDisplayMode.TABLE).calcs(["lastNotNull", "max"])
        legend.placement(m.LegendPlacement.RIGHT).sort_by("Last *").sort_desc(True)
    else:
        legend.display_mode(m.LegendDisplayMode.LIST)
    made = (
        series.Panel()
        .title(title)
        .description(description)
        .datasource(DATA_SOURCE)
        .targets(named(queries))
        .unit(unit)
        .no_value(empty)
        .legend(legend)
        .tooltip(
            common.VizTooltipOptions().mode(m.TooltipDisplayMode.MULTI).sort(m.SortOrder.DESCENDING)
        )
        .max_data_points(points)
        .line_width(1)
        .fill_opacity(fill)
        .show_points(m.VisibilityMode.NEVER)
        .span_nulls(False)
        .span(width)
        .height(height)
    )
    if lowest is not None:
        made.min(lowest)
    if highest is not None:
        made.max(highest)
    if stacked:
        made.stacking(common.StackingConfig().mode(m.StackingMode.NORMAL).group("A"))
    if levels:
        made.thresholds(thresholds(levels))
        dashed = m.GraphThresholdsStyleMode.DASHED
        made.thresholds_style(common.GraphThresholdsStyleConfig().mode(dashed))
    for name, properties in (overrides or {}).items():
        values = column(**properties)
        if name.startswith("/"):
            made.override_by_regexp(name, values)
        else:
            made.override_by_name(name, values)
    return made


def bars(
    title: str,
    description: str,
    expression: str,
    legend: str,
    *,
    unit: str,
    empty: str,
    width: int,
    height: int = 9,
    levels: list[Threshold],
    highest: float | None = None,
) -> bargauge.Panel:
    """Return a horizontal bar for each series, the largest first."""
    made = (
        bargauge.Panel()
        .title(title)
        .description(description)
        .datasource(DATA_SOURCE)
        .targets(named([query(expression, legend)]))
        .unit(unit)
        .no_value(empty)
        .min(0)
        .thresholds(thresholds(levels))
        .color_scheme(build.FieldColor().mode(FieldColorModeId.THRESHOLDS))
        .orientation(m.VizOrientation.HORIZONTAL)
        .display_mode(m.BarGaugeDisplayMode.BASIC)
        .value_mode(m.BarGaugeValueMode.TEXT)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .span(width)
        .height(height)
    )
    return made if highest is None else made.max(highest)


def column(**properties: object) -> Properties:
    """Return the properties of a column or a line, by short names for the long ones."""
    places = {
        "axis": "custom.axisPlacement",
        "cell": "custom.cellOptions",
        "fill": "custom.fillOpacity",
        "line": "custom.lineWidth",
        "dash": "custom.lineStyle",
        "steps_after": "custom.lineInterpolation",
        "style": "custom.drawStyle",
        "stack": "custom.stacking",
        "hide": "custom.hideFrom",
        "width": "custom.width",
        "align": "custom.align",
        "axis_label": "custom.axisLabel",
    }
    return [DynamicConfigValue(places.get(name, name), value) for name, value in properties.items()]
