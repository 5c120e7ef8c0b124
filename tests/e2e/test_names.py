"""Whatever a queue is called, Prometheus' own tool reads the page."""

from __future__ import annotations

import pytest

from exporter.errors import Failure
from exporter.metrics import Families, snapshot_families
from exporter.settings import Queue
from exporter.snapshot import AgentDetail
from exporter.web.exposition import choose_format
from tests.e2e.conftest import RunsTool
from tests.unit.snapshots import account, queue_snapshot, snapshot

NAMES = ('"', "\\", "\n", "\\n", "a\r\nb", "{}=,#", "Zürich 東京 🙂", "\u202e\u2028\x00\x1b[31m")


@pytest.mark.matrix
def test_promtool_reads_every_name(promtool: RunsTool) -> None:
    pages = []
    for name in NAMES:
        of = account(name, Queue(1, name, (1,), team=name), Queue(2, name + name, (1,)))
        detail = AgentDetail(((name, 1),), 1, 1, 1.5e9)
        pages.append(queue_snapshot(1, of=of, detail=detail))
        pages.append(queue_snapshot(Failure("503", name), of=of, queue=of.queues[1]))
    families = Families(lambda: snapshot_families(snapshot(*pages)))
    page = choose_format("text/plain").render(families).decode()
    found = promtool("check", "metrics", stdin=page)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")
