"""Any rows of agents: a number that they bear out, or the refusal to tell one."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from exporter.calltools.pages import read_page
from exporter.calltools.rows import read_agent, read_queue, read_status, summarise
from exporter.errors import ApiError
from exporter.transport.transport import HttpAnswer

STATUSES = {20561: "Available", 43069: "Lunch", 7: "Available"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
STATUS = (
    st.sampled_from([*STATUSES, *map(str, STATUSES), *STATUSES.values(), "https://x/20561/"])
    | st.builds(lambda value: {"id": value}, JSON)
    | JSON
)
TIME = (
    st.datetimes().map(str)
    | st.builds("{}{}".format, st.datetimes(), st.sampled_from(["Z", "+14:00", "-23:59"]))
    | st.floats()
    | JSON
)
ROW = st.fixed_dictionaries(
    {},
    optional={
        "app_user": st.uuids().map(str) | JSON,
        "agent_status": STATUS,
        "ready": st.booleans() | JSON,
        "logged_in": st.booleans() | JSON,
        "ready_since": TIME,
        "agent_status_modified_on": TIME,
        "id": st.integers() | JSON,
        "name": st.text() | JSON,
        "queue_action": JSON,
        "agent_can_select": JSON,
    },
)


def read(rows: list[Any], read_row: Callable[[Any], tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Read rows as they come over the wire."""
    body = json.dumps({"count": len(rows), "results": rows}).encode()
    page = read_page(HttpAnswer(200, {}, body), "/api/agentstatuses/", {})
    return [read_row(row) for row in page.rows]


@given(rows=st.lists(ROW, max_size=5), available=st.sets(st.sampled_from([*STATUSES]), min_size=1))
def test_agents(rows: list[Any], available: set[int]) -> None:
    try:
        agents = [agent for _, agent in read(rows, read_agent)]
        number, detail = summarise(agents, available, STATUSES)
    except ApiError:
        return
    ready = sum(row.get("ready") is True for row in rows)
    gone = sum(row.get("logged_in") is False for row in rows)
    assert 0 <= number <= min(ready, len(rows) - gone)
    assert sum(count for _, count in detail.by_status) == len(rows)
    assert all(name.isprintable() and len(name) <= 200 for name, _ in detail.by_status)
    assert detail.ready in {None, ready}
    assert detail.logged_in is None or detail.logged_in <= len(rows) - gone
    if detail.available_since is not None:
        assert 1e9 <= detail.available_since < 1e10
        assert number


@given(rows=st.lists(ROW, max_size=3))
def test_statuses_and_queues(rows: list[Any]) -> None:
    for read_row in (read_status, read_queue):
        with contextlib.suppress(ApiError):
            for _, row in read(rows, read_row):
                assert row.name
                assert row.name.isprintable()
