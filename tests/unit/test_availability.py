"""Three answers: yes, no, and not known, which is never no."""

from __future__ import annotations

import dataclasses
import json

import pytest

from exporter.availability import (
    Availability,
    AvailabilityReport,
    availability,
    report,
    unlisted_queue,
)
from exporter.clock import Moment
from exporter.errors import Failure
from exporter.settings import Queue
from exporter.snapshot import AccountSnapshot, Snapshot
from tests.unit.snapshots import account, at, queue_snapshot, snapshot

GONE = Failure("503", "the API failed (503)")


@pytest.mark.parametrize(
    ("found", "is_open", "expected"),
    [
        (2, True, True),
        (0, True, False),
        (2, False, False),
        (0, False, False),
        (GONE, True, None),
        (GONE, False, False),  # closed is known from the configuration alone
    ],
)
def test_the_answer_of_a_queue(
    found: int | Failure, *, is_open: bool, expected: bool | None
) -> None:
    answer = availability(queue_snapshot(found, is_open=is_open), at(1002.5))
    assert answer.can_take_call is expected
    assert answer.open is is_open
    read = found is not GONE
    assert (answer.available, answer.failure) == ((found, None) if read else (None, GONE))
    assert (answer.read_at, answer.age_seconds) == ((1000.0, 2.5) if read else (None, None))


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([True, False, None], True),
        ([False, None], None),
        ([False, False], False),
        ([None], None),
        ([], False),
    ],
)
def test_the_answer_of_several(answers: list[bool | None], expected: bool | None) -> None:
    queues = tuple(Availability("acme", "sales", can_take_call=answer) for answer in answers)
    assert AvailabilityReport(queues).can_take_call is expected


def test_an_account_without_known_queues_is_not_known() -> None:
    dead = AccountSnapshot(account("dead"), up=False, failures=(GONE,))
    empty = snapshot(queue_snapshot(0))
    both = dataclasses.replace(empty, accounts=(*empty.accounts, dead))
    assert report(empty, at(1000.0)).can_take_call is False
    assert report(both, at(1000.0)).can_take_call is None
    assert not report(both, at(1000.0)).is_complete
    assert [failed.account for failed in report(both, at(1000.0)).accounts] == ["dead"]
    assert report(Snapshot((dead,), (), 0.1, 1.0), at(1000.0)).can_take_call is None


def test_somebody_in_one_account_is_an_answer_whatever_failed_beside_it() -> None:
    dead = AccountSnapshot(account("dead"), up=False, failures=(GONE,))
    staffed = snapshot(queue_snapshot(1), queue_snapshot(GONE))
    both = dataclasses.replace(staffed, accounts=(*staffed.accounts, dead))
    assert report(both, at(1000.0)).can_take_call is True
    assert not report(both, at(1000.0)).is_complete


def test_the_fields_in_json() -> None:
    queue = Queue(5457, "sales", (20561,), required_agents=2, team="blue")
    read = queue_snapshot(3, queue=queue, finished_at=at(1764167000.25))
    answer = availability(read, at(1764167001.0))
    assert json.loads(json.dumps(answer.as_json())) == {
        "account": "acme",
        "queue": "sales",
        "queue_id": 5457,
        "team": "blue",
        "can_take_call": True,
        "available": 3,
        "required": 2,
        "open": True,
        "read_at": "2025-11-26T14:23:20.250Z",
        "age_seconds": 0.75,
        "failure": None,
    }
    dead = AccountSnapshot(account("acme"), up=False, failures=(GONE,), queues_known=False)
    unread = unlisted_queue(dead, "sales").as_json()
    assert unread.keys() == answer.as_json().keys()
    assert (unread["can_take_call"], unread["queue_id"]) == (None, None)
    assert unread["failure"] == {"code": "503", "message": "the API failed (503)"}


@pytest.mark.parametrize("set_by", [-3600.0, 3600.0])
def test_a_clock_that_was_set_changes_no_age(set_by: float) -> None:
    answer = availability(queue_snapshot(3), Moment(1050.0 + set_by, 1050.0))
    assert (answer.age_seconds, answer.read_at) == (50.0, 1000.0 + set_by)
