"""A failure is said once when it begins, and once when it ends."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from exporter.errors import Failure
from exporter.history import ScrapeHistory
from exporter.settings import Queue
from exporter.snapshot import AccountSnapshot, Snapshot
from tests.unit.snapshots import account, queue_snapshot, snapshot

TIMEOUT = Failure("timeout", "no complete answer")
REFUSED = Failure("401", "the API refuses the key (401)")


def told(history: ScrapeHistory, *found: int | Failure) -> list[MutableMapping[str, Any]]:
    with capture_logs() as logs:
        history.record(snapshot(*(queue_snapshot(one) for one in found)), 1000.0)
    return logs


def test_it_begins_once_and_ends_once() -> None:
    history = ScrapeHistory()
    (begins,) = told(history, TIMEOUT)
    assert begins == {
        "log_level": "warning",
        "event": "Cannot read queue",
        "account": "acme",
        "queue": "sales",
        "code": "timeout",
        "reason": "no complete answer",
    }
    # What goes on is for debugging, also when it goes wrong in another way.
    for failure in (TIMEOUT, REFUSED):
        (goes_on,) = told(history, failure)
        assert (goes_on["log_level"], goes_on["code"]) == ("debug", failure.code)
    (ends,) = told(history, 3)
    assert (ends["log_level"], ends["event"]) == ("info", "Queue readable again")
    assert ends["failing_seconds"] >= 0
    assert (ends["account"], ends["queue"]) == ("acme", "sales")
    (well,) = told(history, 3)
    assert (well["log_level"], well["event"], well["available"]) == ("debug", "Queue read", 3)
    # And anew.
    assert told(history, TIMEOUT)[0]["log_level"] == "warning"


def test_a_first_success_is_not_an_end() -> None:
    assert [line["log_level"] for line in told(ScrapeHistory(), 0)] == ["debug"]


def test_each_queue_has_its_own() -> None:
    history = ScrapeHistory()
    sales, support = Queue(1, "sales", (2,)), Queue(2, "support", (2,))
    other = account("other", sales)
    acme = account("acme", sales, support)

    def levels(first: int | Failure, second: int | Failure, third: int | Failure) -> list[str]:
        with capture_logs() as logs:
            history.record(
                snapshot(
                    queue_snapshot(first, of=acme, queue=sales),
                    queue_snapshot(second, of=acme, queue=support),
                    queue_snapshot(third, of=other, queue=sales),
                ),
                1000.0,
            )
        return [line["log_level"] for line in logs]

    assert levels(TIMEOUT, 1, 1) == ["warning", "debug", "debug"]
    assert levels(TIMEOUT, TIMEOUT, 1) == ["debug", "warning", "debug"]
    assert levels(TIMEOUT, 1, TIMEOUT) == ["debug", "info", "warning"]


def test_a_page_of_one_account_ends_nothing_of_the_others() -> None:
    history = ScrapeHistory()
    assert told(history, TIMEOUT)[0]["log_level"] == "warning"
    with capture_logs() as logs:
        history.record(snapshot(queue_snapshot(1, of=account("other"))), 1000.0)
    assert [line["log_level"] for line in logs] == ["debug"]
    assert told(history, TIMEOUT)[0]["log_level"] == "debug"


@pytest.mark.parametrize(("kept", "level"), [("acme", "debug"), ("other", "warning")])
def test_an_account_that_left_and_came_back_begins_anew(kept: str, level: str) -> None:
    history = ScrapeHistory()
    told(history, TIMEOUT)
    history.retain([kept])
    assert told(history, TIMEOUT)[0]["log_level"] == level


def test_an_account_that_cannot_be_read_is_logged_once_and_when_it_can_again() -> None:
    history = ScrapeHistory()

    def recorded(failures: tuple[Failure, ...] = (), *, up: bool = True) -> list[tuple[str, str]]:
        of = account()
        with capture_logs() as logs:
            history.record(Snapshot((AccountSnapshot(of, up, failures),), (), 0.5, 9.5), 1000.0)
        return [(line["log_level"], line["event"]) for line in logs]

    assert recorded() == []
    assert recorded((REFUSED,), up=False) == [("warning", "Cannot read account")]
    assert recorded((REFUSED,), up=False) == [("debug", "Still cannot read account")]
    # A probe of a queue that could not be read itself says nothing of the account.
    assert recorded(up=False) == []
    # Nor does a list that could not be renewed while the queues are read.
    assert recorded((TIMEOUT,)) == [("info", "Account readable again")]
    assert recorded((TIMEOUT,)) == []
