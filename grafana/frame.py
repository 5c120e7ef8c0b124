"""The common frame of the dashboards: variables, links, annotations, rows and numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from grafana.panels import DATA_SOURCE, Panels

__all__ = ["SCHEMA_VERSION", "TAG", "Dashboard", "choice", "dashboard", "variable"]

Dashboard: TypeAlias = dict[str, Any]

#: The version that Grafana 10.4 writes; newer ones migrate it.
SCHEMA_VERSION: Final = 39
TAG: Final = "calltools"


def variable(name: str, label: str, query: str) -> build.QueryVariable:
    """Return a variable of a label's values: one, several or all."""
    return (
        build.QueryVariable(name)
        .label(label)
        .query({"query": query, "refId": name})
        .definition(query)
        .datasource(DATA_SOURCE)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.NATURAL_ASC)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(VariableOption(text=["All"], value=["$__all"]))
    )


def choice(name: str, label: str, values: Mapping[str, str], default: str) -> build.CustomVariable:
    """Return a variable with a few values, by the words for them."""
    text = next(word for word, value in values.items() if value == default)
    return (
        build.CustomVariable(name)
        .label(label)
        .values(", ".join(f"{word} : {value}" for word, value in values.items()))
        .current(VariableOption(text=text, value=default))
    )


def _variables(queues: bool) -> list[Builder[Any]]:  # noqa: FBT001
    data_source = build.DatasourceVariable("datasource").label("Data source").type("prometheus")
    account = variable("account", "Account", "label_values(calltools_account_info, account)")
    # As the rules have it: a target may have a label `team` of its own.
    known = "account_queue:calltools_queue_info:last"
    team = variable("team", "Team", f'label_values({known}{{account=~"$account"}}, team)')
    queue = variable(
        "queue",
        "Queue",
        f'label_values({known}{{account=~"$account", team=~"$team"}}, queue)',
    )
    return [data_source, account, *([team, queue] if queues else [])]


def _annotation(
    name: str, color: str, expression: str, title: str, text: str
) -> build.AnnotationQuery:
    return (
        build.AnnotationQuery()
        .name(name)
        .datasource(DATA_SOURCE)
        .enable(True)
        .hide(False)
        .icon_color(color)
        .expr(expression)
        .step("60s")
        .title_format(title)
        .text_format(text)
    )


def dashboard(
    uid: str,
    title: str,
    description: str,
    rows: Sequence[tuple[str | None, Panels]],
    *,
    since: str,
    refresh: str = "30s",
    queues: bool = True,
    more: Sequence[Builder[Any]] = (),
) -> Dashboard:
    """Return a dashboard as JSON; a row without a heading has None for it."""
    made = (
        build.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .timezone("browser")
        .time(since, "now")
        .refresh(refresh)
        .variables([*_variables(queues), *more])
        .annotations(
            [
                _annotation(
                    "Critical alerts",
                    "red",
                    'ALERTS{alertstate="firing", severity="critical",'
                    ' alertname=~"CallTools.*", account=~"$account|"}',
                    "{{alertname}}",
                    "{{account}} {{queue}}",
                ),
                _annotation(
                    "Configuration loaded",
                    "blue",
                    "changes(calltools_exporter_config_last_reload_success_timestamp_seconds[2m])"
                    " > 0",
                    "Configuration loaded",
                    "{{instance}}",
                ),
            ]
        )
        .link(
            build.DashboardLink("CallTools dashboards")
            .type(DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .icon("external link")
            .keep_time(True)
            .include_vars(True)
            .as_dropdown(False)
            .target_blank(False)
        )
    )
    for heading, panels in rows:
        if heading is not None:
            made.with_row(build.Row(heading))
        for panel in panels:
            made.with_panel(panel)
    document: Dashboard = json.loads(json.dumps(made.build(), cls=JSONEncoder))
    _drop(document, "")
    document["schemaVersion"] = SCHEMA_VERSION
    for number, panel in enumerate(document["panels"], 1):
        panel["id"] = number
    return document


#: Keys that the library writes by default, by the key above, and that Grafana 10.4 does not need.
_UNASKED: Final = {
    "list": {"placement", "builtIn", "allowCustomValue", "auto", "auto_min", "auto_count"},
    "links": {"placement", "tooltip"},
    "panels": {"repeatDirection", "transparent"},
    "options": {
        *("alignValue", "frameIndex", "namePlacement", "percentChangeColorMode", "perPage"),
        *("showPercentChange", "showTypeIcons", "maxVizHeight", "minVizHeight", "minVizWidth"),
        *("sizing", "footer"),
    },
    "custom": {"inspect"},
}


def _drop(value: object, above: str) -> None:
    """Remove these keys."""
    if isinstance(value, dict):
        for key in _UNASKED.get(above, set()) & value.keys():
            del value[key]
        for key, item in value.items():
            _drop(item, key)
    elif isinstance(value, list):
        for item in value:
            _drop(item, above)
