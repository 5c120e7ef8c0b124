"""What a page holds, and what it must not hold."""

from __future__ import annotations

import time
from collections.abc import Iterable

import pytest
from prometheus_client.core import Metric

from exporter import __version__
from exporter.counters import Counters
from exporter.errors import HTTP_CODES, WORD_CODES, Failure
from exporter.metrics import FAMILIES, snapshot_families
from exporter.settings import Queue
from exporter.snapshot import AgentDetail, Attempt, Snapshot
from tests.unit.snapshots import account, queue_snapshot, snapshot

Samples = dict[str, dict[tuple[str, ...], float]]


def samples(families: Iterable[Metric]) -> Samples:
    """Return values by metric and by label values, in the order of the labels' names."""
    found: Samples = {}
    for family in families:
        for sample in family.samples:
            labels = tuple(value for _, value in sorted(sample.labels.items()))
            found.setdefault(sample.name.removeprefix("calltools_"), {})[labels] = sample.value
    return found


def page(made: Snapshot) -> Samples:
    return samples(snapshot_families(made))


def test_a_queue_that_was_read_has_its_number() -> None:
    queue = Queue(5457, "sales", (20561, 7), required_agents=2, team="night")
    acme = account("acme", queue)
    one = queue_snapshot(3, of=acme, last_success_at=1000.0, utc_offset=-14400.0)
    assert page(snapshot(one)) == {
        "queue_available_agents": {("acme", "sales"): 3},
        "queue_required_agents": {("acme", "sales"): 2},
        "queue_open": {("acme", "sales"): 1},
        "queue_utc_offset_seconds": {("acme", "sales"): -14400},
        "queue_up": {("acme", "sales"): 1},
        "queue_fetch_duration_seconds": {("acme", "sales"): 0.25},
        "queue_last_success_timestamp_seconds": {("acme", "sales"): 1000},
        "queue_info": {("acme", "sales", "5457", "20561,7", "night"): 1},
        "account_info": {("acme", "east-2.calltools.io"): 1},
        "up": {("acme",): 1},
        "scrape_duration_seconds": {(): 0.5},
        "scrape_budget_seconds": {(): 9.5},
    }


def test_nobody_is_a_number() -> None:
    assert page(snapshot(queue_snapshot(0)))["queue_available_agents"] == {("acme", "sales"): 0}


def test_a_queue_that_could_not_be_read_has_none_and_says_why() -> None:
    failure = Failure("timeout", "no complete answer")
    found = page(snapshot(queue_snapshot(failure, duration_seconds=None, is_open=False)))
    for absent in (
        "queue_available_agents",
        "queue_fetch_duration_seconds",
        "queue_last_success_timestamp_seconds",
        "queue_agents",
    ):
        assert absent not in found
    assert found["queue_up"] == {("acme", "sales"): 0}
    assert found["queue_open"] == {("acme", "sales"): 0}
    assert found["queue_failure"] == {("acme", "timeout", "sales"): 1}
    assert found["queue_required_agents"] == {("acme", "sales"): 1}
    assert found["up"] == {("acme",): 0}


def test_when_it_was_last_read_survives_a_failure() -> None:
    failure = Failure("503", "the API failed (503)")
    found = page(snapshot(queue_snapshot(failure, last_success_at=900.0)))
    assert found["queue_last_success_timestamp_seconds"] == {("acme", "sales"): 900}


def test_what_the_rows_tell_is_on_the_page() -> None:
    detail = AgentDetail((("Available", 2), ("Lunch", 1)), 3, 0, 800.0)
    found = page(snapshot(queue_snapshot(2, detail=detail)))
    assert found["queue_agents"] == {
        ("acme", "sales", "Available"): 2,
        ("acme", "sales", "Lunch"): 1,
    }
    assert found["queue_logged_in_agents"] == {("acme", "sales"): 3}
    assert found["queue_ready_agents"] == {("acme", "sales"): 0}
    assert found["queue_available_since_timestamp_seconds"] == {("acme", "sales"): 800}


def test_what_the_rows_do_not_tell_is_absent() -> None:
    found = page(snapshot(queue_snapshot(2, detail=AgentDetail((), None, None, None))))
    assert not {"queue_agents", "queue_logged_in_agents", "queue_ready_agents"} & set(found)
    assert "queue_available_since_timestamp_seconds" not in found


def test_an_account_tells_what_concerns_all_of_it() -> None:
    failure = Failure("401", "the API refuses the key (401)")
    found = page(snapshot(queue_snapshot(failure), failures=(failure,), hold_until=2000.0))
    assert found["account_failure"] == {("acme", "401"): 1}
    assert found["api_hold_until_timestamp_seconds"] == {("acme",): 2000}


def test_a_family_without_a_sample_is_not_shown() -> None:
    assert all(family.samples for family in snapshot_families(snapshot(queue_snapshot(1))))


def test_counters_stand_at_0_from_the_start() -> None:
    found = samples(Counters(["acme"]).families())
    assert found["api_errors_total"] == {("acme", c): 0 for c in (*HTTP_CODES, *WORD_CODES)}
    for name in (
        "api_requests_total",
        "api_connections_total",
        "api_coalesced_fetches_total",
        "api_request_duration_seconds_count",
    ):
        assert found[name] == {("acme",): 0}
    assert found["account_queue_changes_total"] == {
        ("acme", "appeared"): 0,
        ("acme", "vanished"): 0,
    }
    ((version, _),) = [tuple(reversed(key)) for key in found["exporter_build_info"]]
    assert version == __version__
    assert "_created" not in " ".join(found)


def test_attempts_are_counted_with_how_they_ended() -> None:
    counters = Counters(["acme", "other"])
    counters.attempt("acme", Attempt(None, 0.07))
    counters.attempt("acme", Attempt("418", 3.0))
    counters.connection("acme")
    counters.coalesced("acme")
    counters.queues_changed("acme", appeared=2, vanished=1)
    found = samples(counters.families("acme"))
    assert found["api_requests_total"] == {("acme",): 2}
    assert found["api_errors_total"]["acme", "418"] == 1
    assert sum(found["api_errors_total"].values()) == 1
    assert found["api_request_duration_seconds_sum"] == {("acme",): 3.07}
    assert found["api_request_duration_seconds_bucket"]["acme", "0.1"] == 1
    assert found["api_connections_total"] == {("acme",): 1}
    assert found["api_coalesced_fetches_total"] == {("acme",): 1}
    assert found["account_queue_changes_total"]["acme", "appeared"] == 2


def test_a_page_of_one_account_has_no_counter_of_another() -> None:
    counters = Counters(["acme", "other"])
    assert {key[0] for key in samples(counters.families())["api_errors_total"]} == {
        "acme",
        "other",
    }
    found = samples(counters.families("acme"))
    assert {key[0] for key in found["api_errors_total"]} == {"acme"}
    assert found["exporter_config_last_reload_successful"] == {(): 0}
    assert "process_cpu_seconds_total" in found


def test_accounts_that_leave_take_their_counters_along() -> None:
    counters = Counters(["acme", "other"])
    for name in ("acme", "other"):
        counters.attempt(name, Attempt("503", 0.1))
    counters.retain(["other", "new"])

    def accounts() -> set[str]:
        return {
            key[0]
            for name, values in samples(counters.families()).items()
            if name.startswith(("api_", "account_"))
            for key in values
        }

    assert accounts() == {"other", "new"}
    found = samples(counters.families())
    assert found["api_requests_total"] == {("other",): 1, ("new",): 0}
    assert found["api_errors_total"]["other", "503"] == 1
    # What was still under way for it does not bring it back.
    counters.attempt("acme", Attempt("503", 0.1))
    counters.connection("acme")
    counters.coalesced("acme")
    counters.queues_changed("acme", appeared=1, vanished=1)
    assert accounts() == {"other", "new"}
    # Who comes back begins at 0.
    counters.retain(["acme"])
    assert samples(counters.families())["api_requests_total"] == {("acme",): 0}


def test_a_reload_tells_how_it_went() -> None:
    counters = Counters([])

    def reload() -> tuple[float, float]:
        found = samples(counters.families())
        return (
            found["exporter_config_last_reload_successful"][()],
            found["exporter_config_last_reload_success_timestamp_seconds"][()],
        )

    counters.reloaded(1000.0)
    assert reload() == (1, 1000)
    counters.reloaded(None)
    assert reload() == (0, 1000)


@pytest.mark.parametrize("name", FAMILIES)
def test_names_follow_the_rules(name: str) -> None:
    labels, words = FAMILIES[name]
    assert name.startswith("calltools_")
    assert not name.endswith("_total")
    assert words[0].isupper() or words[0] == "1"
    assert words.endswith(".")
    assert not {"le", "quantile", "job", "instance"} & set(labels)


def test_counters_of_one_account_cost_as_much_however_many_there_are() -> None:
    """The kind: work for all accounts where one is asked for, in each of as many requests."""

    def seconds(number: int) -> float:
        counters = Counters([f"account-{index}" for index in range(number)])
        taken = []
        for _ in range(7):
            begun = time.thread_time()
            families = list(counters.families("account-1"))
            taken.append(time.thread_time() - begun)
            assert {
                sample.labels["account"]
                for family in families
                for sample in family.samples
                if "account" in sample.labels
            } == {"account-1"}
        return min(taken)

    # All of them would take more than a hundred times as long.
    assert seconds(5000) < 20 * seconds(2)
