"""What is in force, without a network: the accounts here have no key to ask with."""

from __future__ import annotations

import pytest
from prometheus_client.registry import Collector
from structlog.testing import capture_logs

from exporter.clock import Clock
from exporter.errors import ConfigurationError, Mistake, UnknownAccountError, UnknownQueueError
from exporter.runtime import Runtime
from exporter.settings import Account, Configuration, Queue
from tests.unit.snapshots import account


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOKEN", raising=False)


def runtime(*accounts: Account) -> Runtime:
    return Runtime(Configuration(accounts), clock=Clock(lambda: 1000.0))


def page(made: Runtime, account: str | None = None, *, exporter_only: bool = False) -> Collector:
    return made.metrics(account=account, exporter_only=exporter_only, budget_seconds=1.0)


def values(collector: Collector, name: str) -> dict[str, float]:
    """Return the values of a metric by account."""
    return {
        sample.labels.get("account", ""): sample.value
        for family in collector.collect()
        for sample in family.samples
        if sample.name == name
    }


def test_a_page_tells_of_all_accounts_or_of_one() -> None:
    made = runtime(account("acme"), account("other"))
    assert values(page(made), "calltools_up") == {"acme": 0, "other": 0}
    assert values(page(made, "other"), "calltools_up") == {"other": 0}
    assert values(page(made, "other"), "calltools_api_requests_total") == {"other": 0}


def test_the_exporter_alone_is_told_without_a_scrape() -> None:
    made = runtime(account("acme"))
    with capture_logs() as logs:
        found = page(made, exporter_only=True)
    assert values(found, "calltools_up") == {}
    assert values(found, "calltools_api_requests_total") == {"acme": 0}
    assert logs == []


def test_a_page_says_in_the_log_where_a_failure_begins() -> None:
    with capture_logs() as logs:
        page(runtime(account("acme")))
    account_line, queue_line = logs
    assert account_line["event"] == "Cannot read account"
    assert (account_line["log_level"], account_line["code"]) == ("warning", "token")
    assert queue_line["event"] == "Cannot read queue"
    assert (queue_line["code"], queue_line["queue"]) == ("token", "sales")


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    made = runtime(account("acme", Queue(1, "sales", (2,))), account("other"))
    with pytest.raises(UnknownAccountError, match="account 'acm' is not configured; did you mean"):
        page(made, "acm")
    with pytest.raises(UnknownQueueError, match="has no queue 'sale'; did you mean 'sales'"):
        made.probe(account="acme", queue="sale", budget_seconds=1.0)


def test_what_can_be_probed_is_known_without_asking() -> None:
    made = runtime(account("acme", Queue(1, "sales", (2,)), Queue(3, "support", (2,))))
    assert [target["targets"] for target in made.targets(by_account=False)] == [
        ["acme/sales"],
        ["acme/support"],
    ]
    assert made.targets(by_account=True) == [
        {"targets": ["acme"], "labels": {"__param_account": "acme"}}
    ]


def test_an_account_that_left_meanwhile_has_no_known_queues() -> None:
    """A question about all accounts was refused if a reload removed one while it was looked at."""
    made = runtime(account("acme"))
    assert [queue.name for queue in made.known_queues("acme") or ()] == ["sales"]
    assert made.known_queues("left") is None


def test_a_reload_puts_another_configuration_in_force_as_a_whole() -> None:
    configurations = [Configuration((account("other"), account("new")))]
    first = Configuration((account("acme"), account("other")))
    made = Runtime(first, clock=Clock(lambda: 1000.0), load=lambda: configurations[0])
    made.counters.connection("other")
    made.reload()
    assert made.configuration is configurations[0]
    found = page(made)
    assert values(found, "calltools_up") == {"other": 0, "new": 0}
    # Who stays keeps counting, who is gone leaves nothing behind.
    assert values(found, "calltools_api_connections_total") == {"other": 1, "new": 0}
    with pytest.raises(UnknownAccountError):
        page(made, "acme")


def test_a_refused_configuration_changes_nothing_but_what_is_told_of_it() -> None:
    def load() -> Configuration:
        raise ConfigurationError([Mistake("exporter.yml", 1, 2, "accounts", "is no list")])

    made = Runtime(Configuration((account("acme"),)), clock=Clock(lambda: 1000.0), load=load)
    successful = "calltools_exporter_config_last_reload_successful"
    at = "calltools_exporter_config_last_reload_success_timestamp_seconds"
    assert values(page(made), successful) == {"": 1}
    with capture_logs() as logs, pytest.raises(ConfigurationError):
        made.reload()
    assert logs[0]["mistakes"] == "exporter.yml:1:2: accounts: is no list"
    found = page(made)
    assert values(found, successful) == {"": 0}
    assert values(found, at) == {"": 1000}
    assert values(found, "calltools_up") == {"acme": 0}


def test_without_a_source_there_is_nothing_to_reload() -> None:
    made = runtime(account("acme"))
    before = made.configuration
    made.reload()
    assert made.configuration is before
