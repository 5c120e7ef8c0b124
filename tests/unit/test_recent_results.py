"""Numbers of earlier fetches: what they are used for, and what is too old or means something else.

The kind: an answer counts as new because it came late.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.clock import Moment
from exporter.errors import Failure
from exporter.history import ScrapeHistory
from exporter.scrape.state import AccountState
from exporter.settings import Account, Queue
from exporter.snapshot import AccountSnapshot, QueueResult, Snapshot
from tests.unit.snapshots import account, at, queue_snapshot, snapshot

SALES = Queue(5457, "sales", (20561,))


def read(available: int, asked: float, ended: float) -> QueueResult:
    return QueueResult(available, None, ended - asked, at(ended))


def of_account(acme: Account, failure: Failure | None, seconds: float) -> Snapshot:
    failures = () if failure is None else (failure,)
    return Snapshot((AccountSnapshot(acme, failure is None, failures),), (), seconds, 60.0)


@pytest.fixture
def state() -> AccountState:
    return AccountState(account())


def test_what_was_asked_for_first_and_comes_last_replaces_nothing(state: AccountState) -> None:
    state.record_result(SALES, newer := read(2, asked=1015, ended=1015.2))
    state.record_result(SALES, read(1, asked=1000, ended=1020))
    assert state.recent_result(SALES, at(1021), 30) == newer
    state.record_result(SALES, newest := read(3, asked=1022, ended=1023))
    assert state.recent_result(SALES, at(1024), 30) == newest


def test_the_age_of_a_number_counts_from_when_it_was_asked_for(state: AccountState) -> None:
    state.record_result(SALES, read(1, asked=1000, ended=1020))
    assert state.recent_result(SALES, at(1021), 15) is None
    assert state.recent_result(SALES, at(1021), 22) is not None


@pytest.mark.parametrize(("asked", "is_used"), [(990.0, False), (1000.1, True)])
def test_without_an_age_only_what_was_asked_for_since_is_used(
    state: AccountState, asked: float, is_used: bool
) -> None:
    begun = at(1000)
    state.record_result(SALES, read(1, asked=asked, ended=1000.2))
    assert (state.recent_result(SALES, begun, 0) is not None) == is_used


def test_a_number_under_other_statuses_is_not_used(state: AccountState) -> None:
    state.record_result(SALES, read(3, asked=1000, ended=1000.1))
    assert state.recent_result(replace(SALES, available_status=(7,)), at(1001), 30) is None


def test_a_slow_reading_is_not_shown_as_the_last_one() -> None:
    history = ScrapeHistory()
    acme = account()
    late = Failure("timeout", "no complete answer within 20 s")
    for found, ended, seconds in ((2, 1015.0, 0.2), (late, 1020.0, 20.0), (1, 1021.0, 21.0)):
        scraped = queue_snapshot(found, finished_at=at(ended), duration_seconds=seconds)
        history.record(snapshot(scraped), ended)
    (shown,) = history.status(acme, acme.queues).queues or ()
    assert shown.scraped is not None
    assert shown.scraped.result.available == 2
    assert shown.outage is None


def test_an_account_that_a_slow_scrape_could_not_read_is_not_shown_as_unreadable() -> None:
    history, acme = ScrapeHistory(), account()
    history.record(of_account(acme, None, 5.0), 1015.0)
    history.record(of_account(acme, Failure("timeout", "no complete answer"), 20.0), 1020.0)
    assert history.status(acme, ()).outage is None


def test_an_account_that_has_moved_shows_no_outage_of_its_old_host() -> None:
    history, acme = ScrapeHistory(), account()
    history.record(of_account(acme, Failure("dns", "no address"), 0.1), 1015.0)
    assert history.status(acme, ()).outage is not None
    moved = history.status(replace(acme, url="https://west-2.calltools.io"), ())
    assert (moved.outage, moved.asked_at) == (None, None)


def test_a_row_that_contradicts_its_request_renews_the_verification(state: AccountState) -> None:
    """Not at each such row, as one queue's may do so for good."""
    for name in state.filters_to_verify(at(1000)):
        state.record_filter(name, None, at(1000))
    assert state.filters_to_verify(at(1020)) == []
    state.record_contradiction(at(1020))
    assert state.filters_to_verify(at(1020)) == ["queue", "agent_status_id", "ready"]
    for name in ("queue", "agent_status_id"):
        state.record_filter(name, None, at(1020.5))
    agents = ({"ready": True, "app_user": "a"},)
    state.record_by_ready("true", agents, Moment(1020.5, 1020.5))
    state.record_by_ready("false", (), Moment(1020.5, 1020.5))
    assert state.filters_to_verify(at(1021)) == []
    state.record_contradiction(at(1022))
    assert state.filters_to_verify(at(1022)) == []
    assert len(state.filters_to_verify(at(1035))) == 3
