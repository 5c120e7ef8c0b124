"""Lists that are read in one thread while a scrape in another looks at what they say."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from exporter.calltools.rows import QueueRow, StatusRow
from exporter.scrape.catalog import Catalog
from exporter.settings import Account, Queue, TokenEnvironment

QUEUE = Queue(5457, "sales", ("Ready",))


def account(**settings: Any) -> Account:
    return Account("acme", "https://acme.example", TokenEnvironment("KEY"), **settings)


@pytest.mark.parametrize(
    ("settings", "record", "look", "half_known", "known"),
    [
        (
            {"queues": (QUEUE,)},
            lambda catalog: catalog.record(
                catalog.statuses, {1: StatusRow(1, "Ready", "", None)}, 0.0
            ),
            lambda catalog: (catalog.must_be_read_first, catalog.unknown(QUEUE) is not None),
            (False, True),
            (False, False),
        ),
        (
            {"queues": (), "every_queue": Queue(0, "", (1,))},
            lambda catalog: catalog.record(
                catalog.listed_queues, {5457: QueueRow(5457, "sales")}, 0.0
            ),
            lambda catalog: (catalog.queues_known, bool(catalog.queues)),
            (True, False),
            (True, True),
        ),
    ],
    ids=["statuses", "queues"],
)
def test_a_list_is_known_only_with_all_that_follows_from_it(
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    record: Callable[[Catalog], object],
    look: Callable[[Catalog], object],
    half_known: object,
    known: object,
) -> None:
    catalog = Catalog(account(**settings))
    resolve = Catalog._resolve
    half_way, looked = threading.Event(), threading.Event()

    def resolve_slowly(self: Catalog) -> None:
        half_way.set()
        looked.wait(0.2)
        resolve(self)

    monkeypatch.setattr(Catalog, "_resolve", resolve_slowly)
    with ThreadPoolExecutor() as threads:
        recorded = threads.submit(record, catalog)
        assert half_way.wait(10)
        seen = look(catalog)
        looked.set()
        recorded.result(10)
    assert seen != half_known
    assert look(catalog) == known
