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


def filled_in(dashboard: str, panel: str, number: int = 0, *, span: str = "3h") -> str:
    """Return one query, with a value for each variable."""
    (found,) = (
        one
        for one in all_expressions()
        if (one.dashboard, one.panel, one.number) == (dashboard, panel, number)
    )
    return found.filled().replace("[3h", f"[{span}")


def test_what_was_read_throughout_is_not_without_open_hours(filled: Server) -> None:
    """Nothing is recorded of time that could not be read where there was none, as on most days."""
    calm = END - 2 * HOURS
    (total,) = filled.query_range(
        filled_in("calltools-coverage", "Not read", span="10m"), calm, calm, 60
    )
    assert [value for _, value in total[1]] == ["0"]
    table = filled_in("calltools-coverage", "Queues", 4, span="10m")
    shares = {
        labels["queue"]: points[0][1]
        for labels, points in filled.query_range(table, calm, calm, 60)
    }
    assert shares["support"] == "0"


def test_a_dead_silo_is_without_answers_and_not_only_in_part(filled: Server) -> None:
    """The requests that verify filters fail as well, but are no errors: an outage was at 25 %."""
    share = filled_in("calltools-exporter", "Without a valid answer, by silo")
    ((_, points),) = filled.query_range(share, END - 3 * HOURS, END, 60)
    values = [float(value) for _, value in points]
    assert max(values) == 1.0, "the key was refused for six minutes"
    assert min(values) == 0.0


def test_every_queue_is_counted_in_one_tile(filled: Server) -> None:
    """A vendor's empty queues, which require nobody, were in none."""
    tiles = ("Empty", "Low", "Not known", "Staffed", "Not required", "Closed")
    for at in (END - 2 * HOURS, END):
        counts = [
            int(points[0][1])
            for tile in tiles
            for _, points in filled.query_range(filled_in("calltools-operations", tile), at, at, 60)
        ]
        assert len(counts) == len(tiles)
        assert sum(counts) == 12
