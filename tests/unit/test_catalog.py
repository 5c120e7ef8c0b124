"""Lists that are read in one thread while a scrape in another looks at what they say."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from exporter.calltools.rows import QueueRow, StatusRow
from exporter.errors import Failure
from exporter.scrape.catalog import CachedList, Catalog
from exporter.settings import Account, Queue, QueueException, TokenEnvironment

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
            lambda catalog: (
                catalog.must_be_read_first,
                catalog.unknown(*catalog.queues) is not None,
            ),
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


def test_a_queue_that_the_account_no_longer_has_is_unknown_at_once() -> None:
    """The kind: a count under an id that no longer exists, which is 0."""
    catalog = Catalog(account(queues=(), every_queue=Queue(0, "", (1,))))
    catalog.record(catalog.listed_queues, {5457: QueueRow(5457, "sales")}, 0.0)
    (queue,) = catalog.queues
    assert catalog.unknown(queue) is None
    catalog.record(catalog.listed_queues, {5460: QueueRow(5460, "support")}, 1.0)
    failure = catalog.unknown(queue)
    assert failure is not None
    assert failure.message == "the account has no queue with the id 5457"


def test_an_empty_list_is_read_again_soon() -> None:
    """An account that had no queues for a moment had none, so nobody, for ten minutes."""
    cached = CachedList[QueueRow](needed=True)
    cached.record({}, 1000.0)
    assert not cached.is_due(1059.0)
    assert cached.is_due(1060.0)
    cached.record({5457: QueueRow(5457, "sales")}, 1060.0)
    assert not cached.is_due(1659.0)


def test_a_list_that_comes_while_it_is_looked_at_lacks_no_name() -> None:
    class Arriving(CachedList[QueueRow]):
        reads = 0

        def __getattribute__(self, name: str) -> Any:
            if name == "rows":
                Arriving.reads += 1
                return {5457: QueueRow(5457, "sales")} if Arriving.reads > 1 else None
            return super().__getattribute__(name)

    exception = QueueException(None, "sales", None)
    catalog = Catalog(account(queues=(), every_queue=QUEUE, exceptions=(exception,)))
    catalog.listed_queues = Arriving(needed=True)
    Arriving.reads = 0
    assert catalog.failures() == []


@pytest.mark.parametrize(
    ("code", "seconds"),
    [("timeout", 60), ("dns", 60), ("503", 60), ("401", 600), ("429", 600), ("403", 3600)],
)
def test_a_list_that_failed_is_soon_read_again(code: str, seconds: float) -> None:
    """The kind: one short question, or a network that is late, that costs ten minutes of checks."""
    cached = CachedList[QueueRow](needed=False)
    cached.record(Failure(code, "it failed"), 0.0)
    assert not cached.is_due(seconds - 1)
    assert cached.is_due(seconds)
