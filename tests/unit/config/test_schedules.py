"""Schedules as they are written."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest

from exporter.schedule import Span
from exporter.settings import Account

LoadText: TypeAlias = "Callable[..., tuple[Account, ...]]"

FILE = """
accounts:
  - name: acme
    url: https://east-2.calltools.io
    token_env: TOKEN
    available_status: 20561
    queues: [5457]
    schedule: hours
schedules:
  hours:
    timezone: Asia/Kathmandu
    open: %s
"""
NINE_TO_FIVE = (Span(540, 1020),)


@pytest.mark.parametrize(
    ("written", "week"),
    [
        ("{mon-fri: 9:00-17:00}", (NINE_TO_FIVE,) * 5 + ((), ())),
        ("{fri-mon: 09:00 - 17:00}", (NINE_TO_FIVE, (), (), (), *[NINE_TO_FIVE] * 3)),
        ("{wed: 22:00-06:00}", ((), (), (Span(1320, 1800),), (), (), (), ())),
        ("{mon-sun: 00:00-24:00}", ((Span(0, 1440),),) * 7),
        ("{mon: [09:00-12:00, 12:00-17:00]}", ((Span(540, 720), Span(720, 1020)),) + ((),) * 6),
        (
            "{sun: 22:00-06:00, mon: 06:00-07:00}",
            ((Span(360, 420),), *[()] * 5, (Span(1320, 1800),)),
        ),
        ("{mon: 09:00-17:00, sun: []}", (NINE_TO_FIVE, *[()] * 6)),
        ("{Mon-FRI: 9:00-17:00}", (NINE_TO_FIVE,) * 5 + ((), ())),
        ("{}", ((),) * 7),
    ],
    ids=[
        "range",
        "range over sunday",
        "past midnight",
        "always",
        "touching",
        "touching over sunday",
        "nothing on a day",
        "capitals",
        "never",
    ],
)
def test_hours_by_day(
    load_text: LoadText, written: str, week: tuple[tuple[Span, ...], ...]
) -> None:
    (account,) = load_text(FILE % written)

    schedule = account.queues[0].schedule
    assert schedule is not None
    assert (schedule.timezone, schedule.week, schedule.closed) == ("Asia/Kathmandu", week, ())


def test_a_queue_s_schedule_beats_the_account_s_and_that_the_defaults(load_text: LoadText) -> None:
    one, two = load_text("""
        defaults: {schedule: a, url: https://east-2.calltools.io, token_env: T, available_status: 1}
        accounts:
          - {name: one, queues: [1]}
          - {name: two, schedule: b, queues: [1, {id: 2, schedule: c}]}
        schedules:
          a: {timezone: UTC, open: {mon: 00:00-24:00}}
          b: {timezone: EST5EDT, open: {mon: 00:00-24:00}}
          c: {timezone: Pacific/Apia, open: {mon: 00:00-24:00}}
    """)

    zones = [queue.schedule and queue.schedule.timezone for queue in (*one.queues, *two.queues)]
    assert zones == ["UTC", "EST5EDT", "Pacific/Apia"]


def test_without_a_schedule_a_queue_is_always_open(load_text: LoadText) -> None:
    (account,) = load_text(FILE.replace("    schedule: hours\n", "") % "{}")

    assert account.queues[0].schedule is None
