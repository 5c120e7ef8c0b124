"""From an empty queue to the right words for the right person, and what must not page.

HURRY=1 pytest -rP tests/e2e/rules/test_paging.py    at full length, in half an hour
"""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exporter.schedule import Schedule, Span
from exporter.settings import Account, Configuration, Queue, TokenEnvironment
from exporter.simulator import AVAILABLE, TOKEN, SimulatedAccount
from tests.e2e.rules.call_centre import HURRY, CallCentre
from tests.simulator import FixedWorld, Simulator
from tests.simulator_fixtures import StartSimulator

AGENTS = "CallTools(Nobody|AllAgents|TooFew).*"
SALES, SUPPORT = 5457, 5460


@pytest.fixture
def world() -> FixedWorld:
    made = FixedWorld()
    made.set_available(SALES, 2)
    made.set_available(SUPPORT, 1)
    return made


@pytest.fixture
def simulator(start_simulator: StartSimulator, world: FixedWorld) -> Simulator:
    return start_simulator(SimulatedAccount(world))


def configured(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, *queues: Queue
) -> Configuration:
    monkeypatch.setenv("CALLTOOLS_TEST_TOKEN", TOKEN)
    token = TokenEnvironment("CALLTOOLS_TEST_TOKEN")
    return Configuration((Account("acme", simulator.url, token, queues),))


def told(since: float, what: str, within: float = 7 * 60) -> None:
    """Write a line of the transcript, in seconds of full length, and hold it against a limit."""
    passed = (time.time() - since) * HURRY
    sys.stdout.write(f"{passed:6.0f} s  {what}\n")
    noise = 10 * HURRY if HURRY > 1 else 0
    assert passed < within + noise


@pytest.mark.matrix
def test_an_empty_queue_is_one_notification_and_a_filled_one_its_end(
    simulator: Simulator, world: FixedWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sales = Queue(SALES, "sales", (AVAILABLE,), team="inbound")
    support = Queue(SUPPORT, "support", (AVAILABLE,), team="inbound")
    with CallCentre(configured(simulator, monkeypatch, sales, support), tmp_path) as centre:
        centre.pass_time(60)
        empty = time.time()
        world.set_available(SALES, 0)
        page = centre.wait_for("inbound-pager", 1)
        told(empty, "from the empty queue to the notification")
        assert page.names == ["CallToolsNobodyAvailable"]
        (alert,) = page.alerts
        assert page.status == alert["status"] == "firing"
        assert {
            "account": "acme",
            "queue": "sales",
            "team": "inbound",
            "severity": "critical",
        }.items() <= alert["labels"].items()
        assert "replica" not in alert["labels"]
        assert alert["annotations"]["summary"] == "Nobody is available in an open queue"
        assert alert["annotations"]["description"].startswith(
            "Account acme, queue sales (team inbound): nobody has been available for about"
        )
        assert alert["annotations"]["runbook_url"].endswith("/CallToolsNobodyAvailable.md")

        # Neither a restart of Prometheus nor an API that dies is the end of it.
        centre.restart_prometheus()
        centre.pass_time(60)
        died = time.time()
        simulator.stop()
        silo = centre.wait_for("platform-pager", 1)
        told(died, "from the API's death to the notification about the silo")
        assert silo.names == ["CallToolsSiloUnreachable"]
        (active,) = centre.prometheus.query('ALERTS{alertname="CallToolsNobodyAvailable"}')
        assert active.labels["alertstate"] == "firing"
        assert centre.to("inbound-pager") == [page]
        simulator.start()
        centre.pass_time(90)
        assert centre.to("inbound-pager") == [page]

        filled = time.time()
        world.set_available(SALES, 1)
        end = centre.wait_for("inbound-pager", 2)
        told(filled, "from the filled queue to the notification that it is over", within=240)
        assert (end.status, end.names) == ("resolved", ["CallToolsNobodyAvailable"])
        assert end.alerts[0]["labels"] == alert["labels"]
        # Only the team was told of the queue, and support, which was staffed, is in nothing.
        assert centre.to("operations-pager") == centre.to("inbound-chat") == []
        queues = {
            one["labels"].get("queue") for note in centre.notifications for one in note.alerts
        }
        assert queues == {"sales", None}


@pytest.mark.matrix
def test_an_api_that_dies_before_a_queue_empties_pages_for_the_silo_alone(
    simulator: Simulator, world: FixedWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sales = Queue(SALES, "sales", (AVAILABLE,), team="inbound")
    with CallCentre(configured(simulator, monkeypatch, sales), tmp_path) as centre:
        centre.pass_time(60)
        # It empties, and the API dies before a page can rest on it.
        world.set_available(SALES, 0)
        centre.pass_time(75)
        simulator.stop()
        died = time.time()
        silo = centre.wait_for("platform-pager", 1)
        told(died, "from the API's death to the notification about the silo")
        assert silo.names == ["CallToolsSiloUnreachable"]
        unreadable = {"CallToolsQueueUnreadable"}
        centre.wait(lambda: centre.fired(*unreadable) == unreadable, what="the queue's own alert")
        centre.pass_time(60)
        assert centre.fired(AGENTS) == set()
        # The queue is silenced by its silo: the platform team is told once.
        assert {one.receiver for one in centre.notifications} == {"platform-pager"}

        simulator.start()
        back = time.time()
        page = centre.wait_for("inbound-pager", 1)
        told(back, "from the API's return to the page for the queue that is empty")
        assert page.names == ["CallToolsNobodyAvailable"]


@pytest.mark.matrix
def test_on_the_night_when_the_clock_goes_back_only_open_hours_page(
    simulator: Simulator, world: FixedWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sunday(start: int, end: int) -> Schedule:
        hours = (Span(start * 30, end * 30),)
        return Schedule("America/New_York", ((),) * 6 + (hours,))

    # On 1 November 2026 New York's clock shows 01:00 to 02:00 twice: at 05:00 and at 06:00 UTC.
    early = Queue(SALES, "early", (AVAILABLE,), schedule=sunday(0, 3))  # 00:00-01:30
    late = Queue(SUPPORT, "late", (AVAILABLE,), schedule=sunday(2, 6))  # 01:00-03:00
    night = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
    world.set_available(SALES, 0)
    world.set_available(SUPPORT, 0)
    configuration = configured(simulator, monkeypatch, early, late)
    with CallCentre(configuration, tmp_path, at=night + 3.5 * 3600) as centre:
        centre.pass_time(330)  # Saturday evening: closed, empty, silent
        assert centre.fired(AGENTS) == set()

        # 01:05 for the second time: the early queue has closed the first time, the late is open.
        centre.clock.set(night + 6 * 3600 + 300)
        opened = time.time()
        page = centre.wait_for("operations-pager", 1)
        told(opened, "from opening to the page for the queue that is open")
        assert [alert["labels"]["queue"] for alert in page.alerts] == ["late"]

        closed = time.time()
        centre.clock.set(night + 8 * 3600)  # 03:00
        end = centre.wait_for("operations-pager", 2)
        told(closed, "from closing time to the notification that it is over", within=180)
        assert (end.status, end.alerts[0]["labels"]["queue"]) == ("resolved", "late")
        assert len(centre.notifications) == 2
