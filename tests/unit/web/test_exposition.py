"""The text of a page: byte for byte what `prometheus_client` would write."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from prometheus_client import Metric, exposition
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.openmetrics import exposition as openmetrics

from exporter.counters import Counters
from exporter.errors import Failure
from exporter.metrics import Families, snapshot_families
from exporter.settings import Queue
from exporter.snapshot import AgentDetail, Attempt
from exporter.web.exposition import choose_format, write_families
from tests.unit.snapshots import account, queue_snapshot, snapshot


@pytest.fixture
def page() -> Families:
    """Return a page with every type of family, and with all that has to be escaped."""
    queues = (Queue(1, 'Zürich "1"\n\\', (1, 2), team="a"), Queue(2, "b", (1,)))
    of = account("acme", *queues)
    detail = AgentDetail((("Lunch", 2), ("Ready \\", 1)), 3, 2, 1.5e9)
    counters = Counters(["acme"])
    counters.attempt("acme", Attempt("503", 0.3))
    made = snapshot(
        queue_snapshot(3, queue=queues[0], of=of, detail=detail),
        queue_snapshot(Failure("503", "words"), queue=queues[1], of=of),
    )
    families = [*snapshot_families(made), *counters.families()]
    assert {family.type for family in families} == {"gauge", "counter", "histogram"}
    return Families(partial(list, families))


@pytest.mark.parametrize("escaping", ["underscores", "allow-utf-8", "dots"])
def test_it_is_what_the_library_would_write(page: Families, escaping: str) -> None:
    text = choose_format(f"text/plain;version=1.0.0;escaping={escaping}")
    assert text.render(page) == exposition.generate_latest(page, escaping)
    open_text = choose_format(f"application/openmetrics-text;version=1.0.0;escaping={escaping}")
    assert open_text.render(page) == openmetrics.generate_latest(page, escaping)


def test_labels_of_families_that_are_made_one_after_the_other_stay_their_own() -> None:
    def families() -> Iterator[Metric]:
        for family in range(100):
            made = GaugeMetricFamily("calltools_up", "words", labels=("account",))
            for number in range(10):
                made.add_metric((f"client-{10 * family + number}",), 1)
            yield made

    text = write_families(families(), openmetrics=False).decode()

    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert lines == [f'calltools_up{{account="client-{number}"}} 1.0' for number in range(1000)]
