"""A page read back says what the snapshot said, whatever its names are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.errors import Failure
from exporter.metrics import Families, snapshot_families
from exporter.settings import Queue
from exporter.snapshot import AgentDetail, Snapshot
from exporter.web.exposition import choose_format
from tests.unit.snapshots import account, queue_snapshot, snapshot

NAMES = st.text(min_size=1, max_size=30) | st.text('"\\\n\r\t {}=,#\u2028é\x00', min_size=1)


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Return an account with a queue that was read, all its rows told, and one that failed."""
    good, bad = draw(st.lists(NAMES, min_size=2, max_size=2, unique=True))
    queues = [Queue(id_, name, (1, 2), team=draw(NAMES)) for id_, name in enumerate((good, bad))]
    of = account(draw(NAMES), *queues)
    statuses = draw(st.dictionaries(NAMES, st.integers(0, 1000), max_size=3))
    detail = AgentDetail(tuple(statuses.items()), 3, 2, 1.5e9)
    number = draw(st.integers(0, 1_000_000))
    return snapshot(
        queue_snapshot(number, queue=queues[0], of=of, detail=detail),
        queue_snapshot(Failure("503", "words"), queue=queues[1], of=of),
    )


@pytest.mark.parametrize(
    "accept",
    [
        "text/plain;version=0.0.4",
        "text/plain;version=1.0.0;escaping=allow-utf-8",
        "application/openmetrics-text;version=1.0.0",
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8",
    ],
)
@given(made=snapshots())
def test_every_name_and_number_is_read_back(accept: str, made: Snapshot) -> None:
    page = Families(lambda: snapshot_families(made))
    parse = parse_openmetrics if "openmetrics" in accept else parse_text
    read = list(parse(choose_format(accept).render(page).decode()))
    samples = [sample for family in read for sample in family.samples]
    found = {(one.name, tuple(sorted(one.labels.items()))): one.value for one in samples}
    assert len(found) == len(samples), "no series is there twice"
    for written in page.collect():
        for sample in written.samples:
            labels = tuple(sorted((name, str(value)) for name, value in sample.labels.items()))
            assert found[sample.name, labels] == pytest.approx(float(sample.value))
