"""The rules of dashboard-linter, and of these dashboards, on each panel."""

import json
import re
from collections.abc import Iterator
from typing import Any

from exporter.errors import HTTP_CODES, WORD_CODES
from grafana.frame import TAG
from grafana.words import STATES, State

Json = dict[str, Any]


def panels(dashboard: Json) -> list[Json]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def variables(dashboard: Json) -> dict[str, Json]:
    return {one["name"]: one for one in dashboard["templating"]["list"]}


def fields(value: object, key: str) -> Iterator[Any]:
    """Yield what stands under a key, wherever."""
    if isinstance(value, dict):
        if key in value:
            yield value[key]
        for item in value.values():
            yield from fields(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from fields(item, key)


def test_template_datasource(dashboard: Json) -> None:
    source = variables(dashboard)["datasource"]
    assert (source["type"], source["query"]) == ("datasource", "prometheus")
    assert "__inputs" not in dashboard


def test_every_data_source_is_the_variable(dashboard: Json) -> None:
    assert all(one["uid"] == "${datasource}" for one in fields(dashboard, "datasource"))
    assert all("datasource" in panel for panel in panels(dashboard))
    assert all("datasource" in target for panel in panels(dashboard) for target in panel["targets"])


def test_variables_follow_the_time_range_and_have_a_label(dashboard: Json) -> None:
    for one in variables(dashboard).values():
        assert one["label"]
        if one["type"] == "query":
            assert (one["refresh"], one["multi"], one["includeAll"], one["allValue"]) == (
                2, True, True, ".*",
            )  # fmt: skip
            assert one["definition"] == one["query"]["query"]


def test_panels_have_title_description_unit_and_a_query(dashboard: Json) -> None:
    for panel in panels(dashboard):
        assert panel["title"], panel["id"]
        assert len(panel["description"]) > 20, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["noValue"], panel["title"]
        assert panel["targets"], panel["title"]


def test_no_title_twice(dashboard: Json) -> None:
    titles = [panel["title"] for panel in dashboard["panels"]]
    assert len(titles) == len(set(titles))


def test_rates_are_over_the_rate_interval_or_the_rules_own(dashboard: Json) -> None:
    for expression in fields(dashboard, "expr"):
        for function, window in re.findall(r"\b(rate|irate)\([^\[]*\[([^\]]+)\]", expression):
            assert function == "rate"
            assert window in {"$__rate_interval", "15m"}


def test_counters_are_only_read_as_a_change(dashboard: Json) -> None:
    for expression in fields(dashboard, "expr"):
        for match in re.finditer(r"\b\w+(_total|_bucket)\b", expression):
            before = expression[: match.start()]
            assert re.search(r"(rate|increase)\(\s*$", before), expression


def test_no_query_is_longer_than_six_lines(dashboard: Json) -> None:
    for expression in fields(dashboard, "expr"):
        assert len(expression.splitlines()) <= 6, expression


def test_a_panel_that_rests_on_the_rules_says_so_where_they_are_missing(dashboard: Json) -> None:
    for panel in panels(dashboard):
        rests = any("account_queue:" in target["expr"] for target in panel["targets"])
        words = panel["fieldConfig"]["defaults"]["noValue"]
        if rests and panel["title"] != "Agents available" and "detail" not in words:
            assert re.search("rules|nothing read|no open hours", words), panel["title"]


def test_nothing_to_show_is_no_good_news_by_itself(dashboard: Json) -> None:
    """The kind: a list that is empty because nothing is known must not say that all is well."""
    for panel in panels(dashboard):
        text = panel["fieldConfig"]["defaults"]["noValue"]
        if text.startswith(("No", "The ")):
            assert re.search(r"\b(if|or)\b", text), (panel["title"], text)


def test_a_cell_without_a_value_has_its_own_text(dashboard: Json) -> None:
    """Where rows may come from any of the queries; the text of the whole panel is too long."""
    for panel in panels(dashboard):
        names = [
            name
            for step in panel.get("transformations", ())
            for key, name in step["options"].get("renameByName", {}).items()
            if key.startswith("Value #")
        ]
        own = {
            one["matcher"]["options"]
            for one in panel["fieldConfig"]["overrides"]
            if any(value["id"] == "noValue" for value in one["properties"])
        }
        if names and names[0] in own:
            assert set(names) <= own, panel["title"]


def test_unknown_is_never_made_a_zero(dashboard: Json) -> None:
    assert not [one for one in fields(dashboard, "expr") if "vector(0)" in one]


def test_panels_do_not_overlap(dashboard: Json) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in taken, (panel["title"], taken[x, y])
                taken[x, y] = panel["title"]


def test_every_line_of_panels_is_full(dashboard: Json) -> None:
    last = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in dashboard["panels"])
    area = sum(panel["gridPos"]["w"] * panel["gridPos"]["h"] for panel in dashboard["panels"])
    assert area == 24 * last


def test_ids_are_there_once(dashboard: Json) -> None:
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))


def test_the_frame(dashboard: Json) -> None:
    assert dashboard["schemaVersion"] == 39
    assert dashboard["uid"].startswith("calltools-")
    assert dashboard["tags"] == [TAG]
    assert dashboard["editable"] is False
    assert dashboard["graphTooltip"] == 1
    # what is recorded each five minutes is not asked more often
    assert dashboard["refresh"] == ("5m" if dashboard["uid"] == "calltools-coverage" else "30s")


def test_team_and_host_are_the_exporters_own(dashboard: Json) -> None:
    """The kind: Prometheus renames them where a target has labels of these names."""
    queries = [
        *fields(dashboard, "expr"),
        *(one["definition"] for one in variables(dashboard).values() if "definition" in one),
    ]
    assert not [one for one in queries if re.search(r"(?<!:)calltools_queue_info\b", one)]
    for query in queries:
        if "calltools_account_info" in query and "host" in query:
            assert '"exported_host"' in query


def test_links_between_the_dashboards_keep_time_and_variables(dashboard: Json) -> None:
    (link,) = dashboard["links"]
    assert (link["type"], link["tags"]) == ("dashboards", [TAG])
    assert (link["keepTime"], link["includeVars"]) == (True, True)


def test_links_from_data_keep_time_and_source(dashboard: Json) -> None:
    for url in fields(dashboard, "url"):
        assert url.startswith("/d/calltools-")
        assert "${__url_time_range}" in url
        assert "${datasource:queryparam}" in url
        assert "var-account=" in url


def mapped(dashboard: Json) -> list[dict[str, Json]]:
    """Return all mappings of values to words."""
    return [
        mapping["options"]
        for found in fields(dashboard, "mappings")
        for mapping in found
        if mapping["type"] == "value"
    ] + [
        mapping["options"]
        for found in fields(dashboard, "properties")
        for one in found
        if one["id"] == "mappings"
        for mapping in one["value"]
        if mapping["type"] == "value"
    ]


def test_every_state_has_a_word_and_a_colour() -> None:
    assert set(STATES) == set(State)
    words = {look.word for look in STATES.values()}
    colors = {look.color for look in STATES.values()}
    assert len(words) == len(colors) == len(State)


def test_the_states_are_mapped_whole_wherever_they_are_shown(dashboard: Json) -> None:
    shown = [options for options in mapped(dashboard) if "-2" in options]
    assert all(set(options) == {str(int(state)) for state in State} for options in shown)
    if dashboard["uid"] == "calltools-operations":
        assert len(shown) == 2


def test_every_failure_code_has_words(dashboard: Json) -> None:
    reasons = [options for options in mapped(dashboard) if "timeout" in options]
    assert all(set(options) == {*HTTP_CODES, *WORD_CODES} for options in reasons)
    assert bool(reasons) == (dashboard["uid"] != "calltools-coverage")


def test_no_registry_of_ids(dashboard: Json) -> None:
    """What Grafana gives a dashboard when it is imported has no place in the file."""
    assert not {"id", "version", "iteration", "gnetId"} & dashboard.keys()
    assert json.dumps(dashboard).count("schemaVersion") == 1
