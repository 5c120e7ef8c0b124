"""Every query of the dashboards has data, in a Prometheus filled by the exporter's own code."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from grafana.words import State
from tests.e2e import tools
from tests.grafana_expressions import Expression, all_expressions
from tests.history.backfill import backfill
from tests.history.centre import one_account
from tests.history.server import Server, Tools, server

# A Thursday on which the made-up past has an outage, a refused key and an order to wait.
END = datetime(2026, 11, 19, 20, tzinfo=UTC).timestamp()
WEEK = 7 * 86400
HOURS = 3600


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Run a Prometheus with three hours of the past, and two of a week before."""
    programs = Tools(tools.require("prometheus"), tools.require("promtool"))
    folder = tmp_path_factory.mktemp("history") / "data"
    spans = [(END - 3 * HOURS, END), (END - WEEK - 2 * HOURS, END - WEEK)]
    backfill(one_account, folder, spans=spans, tools=programs)
    with server(folder, programs, lookback="5m") as running:
        yield running


@pytest.mark.parametrize("expression", all_expressions(), ids=str)
def test_it_returns_data(expression: Expression, filled: Server) -> None:
    # Some panels are empty as long as all is well, so any moment of the three hours will do.
    step = 60 if expression.panel == "annotations" else 600
    found = list(filled.query_range(expression.filled(), END - 3 * HOURS, END, step))
    assert found, expression.text
    assert any(value != "NaN" for _, points in found for _, value in points)


def test_it_says_what_was_made(filled: Server) -> None:
    """The past is what the panels say of it: an outage is unknown, never empty."""
    state = next(one for one in all_expressions() if one.panel == "State over time").filled()
    series = {
        labels["queue"]: dict(points)
        for labels, points in filled.query_range(state, END - 60, END, 60)
    }
    assert len(series) == 12
    assert series["billing"][END] == str(State.UNREADABLE.value)  # not read for the last 25 minutes
    assert series["weekend"][END] == str(State.CLOSED.value)  # a Thursday
