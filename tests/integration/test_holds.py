"""Told to wait; and sharing answers between two who ask."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from exporter.runtime import Runtime
from exporter.settings import Account
from exporter.simulator import SimulatedAccount
from exporter.snapshot import Snapshot
from tests.integration.conftest import MakeAccount
from tests.simulator import FixedWorld, Simulator
from tests.simulator_fixtures import StartSimulator

START = 1_800_000_000.0


class Setting:
    """An account that has been scraped once, with a clock of its own."""

    def __init__(
        self, simulator: Simulator, account: Account, make: Callable[..., Runtime]
    ) -> None:
        self.now = START
        self.set_by = 0.0
        self.simulator = simulator
        self.account = account
        self.runtime = make(
            account, clock=lambda: self.now + self.set_by, steady_clock=lambda: self.now
        )

    def page(self) -> Snapshot:
        return self.runtime.snapshot([self.account], 10)

    def codes(self) -> list[str | int | None]:
        return [
            one.result.failure.code if one.result.failure else one.result.available
            for one in self.page().queues
        ]

    def asked(self) -> int:
        number = len(self.simulator.requests)
        self.simulator.forget_requests()
        return number


@pytest.fixture
def set_up(
    start_simulator: StartSimulator, make_account: MakeAccount, make_runtime: Callable[..., Runtime]
) -> Callable[..., Setting]:
    def set_up(**settings: float) -> Setting:
        world = FixedWorld()
        world.set_available(5457, 2)
        simulator = start_simulator(SimulatedAccount(world))
        account = make_account(simulator, 5457, 5460, max_parallel_requests=1, **settings)
        setting = Setting(simulator, account, make_runtime)
        assert setting.codes() == [2, 0]
        setting.asked()
        return setting

    return set_up


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("60", 60),
        ("1", 1),
        ("300", 300),
        ("86400", 300),
        ("999999999", 300),
        ("60".zfill(20), 60),
    ],
)
def test_an_account_told_to_wait_is_left_alone_that_long(
    set_up: Callable[..., Setting], retry_after: str, seconds: float
) -> None:
    setting = set_up()
    setting.simulator.faults.set("status", code=429, retry_after=retry_after)
    assert setting.codes() == ["429", "429"]
    assert setting.asked() == 1
    setting.simulator.faults.clear()
    setting.now += seconds - 0.5
    snapshot = setting.page()
    assert [one.result.failure and one.result.failure.code for one in snapshot.queues] == [
        "429",
        "429",
    ]
    assert snapshot.accounts[0].hold_until == START + seconds
    assert snapshot.queues[0].result.duration_seconds is None
    assert setting.asked() == 0
    setting.now += 0.5
    assert setting.codes() == [2, 0]
    assert setting.page().accounts[0].hold_until is None


@pytest.mark.parametrize(
    "retry_after",
    [
        *("", "0", "soon", "-5", "1.5", "Wed, 21 Oct 2015 07:28:00 GMT"),
        "Wed, 21 Oct 2015 07:28:00 +99999999999999",
        "Wed, 21 Oct 99999999999999999999 07:28:00 GMT",
    ],
)
def test_without_a_time_to_come_only_this_scrape_ends(
    set_up: Callable[..., Setting], retry_after: str
) -> None:
    setting = set_up()
    setting.simulator.faults.set("status", code=429, retry_after=retry_after, times=1)
    assert setting.codes() == ["429", "429"]
    assert setting.page().accounts[0].hold_until is None
    assert setting.codes() == [2, 0]


def test_a_date_to_come_is_obeyed(set_up: Callable[..., Setting]) -> None:
    setting = set_up()
    setting.simulator.faults.set("status-429-date", times=1)
    setting.codes()
    hold_until = setting.page().accounts[0].hold_until
    assert hold_until is not None
    assert START < hold_until <= START + 300


def test_a_503_holds_its_queue_for_a_minute_at_most(set_up: Callable[..., Setting]) -> None:
    setting = set_up()
    setting.simulator.faults.set("status", queue=5457, code=503, retry_after="3600", times=1)
    assert setting.codes() == ["503", 0]
    assert setting.page().accounts[0].hold_until is None
    setting.asked()
    setting.now += 59.5
    assert setting.codes() == ["503", 0]
    assert setting.asked() == 1
    setting.now += 0.5
    assert setting.codes() == [2, 0]


@pytest.mark.parametrize("by", [-86_400, -30, 30, 86_400])
def test_a_clock_that_is_set_changes_no_wait_and_no_age(
    set_up: Callable[..., Setting], by: float
) -> None:
    """The kind: what is counted by a clock that people and NTP set."""
    setting = set_up(max_age=10.0)
    setting.now += 15
    assert setting.codes() == [2, 0]
    setting.asked()
    setting.now += 5
    setting.set_by += by
    assert setting.codes() == [2, 0]
    assert setting.asked() == 0, "five seconds old"
    setting.now += 6
    setting.simulator.faults.set("status", code=429, retry_after="60", times=1)
    assert setting.codes() == ["429", "429"]
    setting.set_by -= by / 2
    setting.now += 59.5
    snapshot = setting.page()
    assert [one.result.failure and one.result.failure.code for one in snapshot.queues] == [
        "429",
        "429",
    ]
    # What is said in Unix time is right by the clock as it is set now.
    unix = setting.now + setting.set_by
    assert snapshot.accounts[0].hold_until == pytest.approx(unix + 0.5)
    assert snapshot.queues[0].last_success_at == pytest.approx(unix - 11 - 59.5)
    setting.now += 0.5
    assert setting.codes() == [2, 0]


def test_by_default_every_scrape_asks_again(set_up: Callable[..., Setting]) -> None:
    setting = set_up()
    assert setting.codes() == [2, 0]
    assert setting.asked() == 2


def test_with_max_age_two_servers_cost_the_api_one_fetch(set_up: Callable[..., Setting]) -> None:
    setting = set_up(max_age=10.0)
    setting.now += 15
    first = setting.page()
    assert setting.asked() == 2
    setting.now += 7
    second = setting.page()
    assert setting.asked() == 0
    assert [one.result for one in second.queues] == [one.result for one in first.queues]
    assert second.queues[0].last_success_at == START + 15, "its age is on the page"
    setting.now += 8
    assert setting.codes() == [2, 0]
    assert setting.asked() == 2


def test_only_numbers_are_shared_never_failures(set_up: Callable[..., Setting]) -> None:
    setting = set_up(max_age=10.0)
    setting.now += 15
    setting.simulator.faults.set("status", queue=5457, code=500)
    assert setting.codes() == ["500", 0]
    setting.simulator.faults.clear()
    setting.now += 1
    assert setting.codes() == [2, 0]
    setting.now += 10
    setting.simulator.faults.set("status", queue=5457, code=500)
    assert setting.codes() == ["500", 0], "too old to be shown"
