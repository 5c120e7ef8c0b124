"""The rules name only what the exporter really shows, and the texts only what the rules keep."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from exporter.errors import HTTP_CODES, WORD_CODES
from exporter.runtime import Runtime
from exporter.settings import TokenEnvironment
from exporter.simulator import SimulatedAccount
from prometheus.build import ANSWERED, rules
from tests.integration.conftest import MakeAccount
from tests.integration.rule_labels import LabelReader, UnknownNameError
from tests.simulator import Dialect, DialectAccount, FixedWorld
from tests.simulator.dialect import ALL_FILTERS
from tests.simulator_fixtures import StartSimulator

#: What Prometheus adds to each series that it scrapes, and the series that it makes itself.
TARGET = {"job", "instance"}
#: What a recorded series has one value for, by the beginning of its name.
LEVELS = {
    "target_queue": {"instance", "account", "queue"},
    "account_queue": {"account", "queue"},
    "account": {"account"},
    "host": {"host"},
}
#: What some have besides.
INFORM = {
    "account_queue:calltools_queue_info:last": {"team", "host"},
    "account_queue:calltools_queue_unstaffed:held": {"team", "host"},
    "account:calltools_account_info:max": {"host"},
    "account_queue:calltools_queue_open_minutes:sum5m": {"seen"},
}
RULES = list(rules())
#: What Prometheus' own series of an alert about a queue has.
ALERTS_LABELS = {"alertname", "alertstate", "severity", *TARGET - {"instance"}, "account", "queue",
                 "team", "host"}  # fmt: skip
ALERTS = [rule for rule in RULES if "alert" in rule]


@pytest.fixture
def shown(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, set[str]]:
    """Return the labels of every series by name, from a page on which much goes wrong."""
    world = FixedWorld()
    world.set_available(5457, 1)
    simulator = start_simulator(
        SimulatedAccount(world),
        DialectAccount(world, "key-1", "ignored", dialect=Dialect(ignored_filters=ALL_FILTERS)),
        SimulatedAccount(world, "key-2", "waits"),
    )
    simulator.faults.set("status", account="acme", queue=5460, code=503)
    simulator.faults.set("status", account="waits", code=429, retry_after="60")
    monkeypatch.setenv("KEY_1", "key-1")
    monkeypatch.setenv("KEY_2", "key-2")
    accounts = [
        make_account(simulator, 5457, 5460, 1, detail="agents"),
        make_account(simulator, name="refused", token=TokenEnvironment("NO_SUCH_VARIABLE")),
        make_account(simulator, name="ignored", token=TokenEnvironment("KEY_1")),
        make_account(simulator, name="waits", token=TokenEnvironment("KEY_2")),
    ]
    page = make_runtime(*accounts).metrics(account=None, exporter_only=False, budget_seconds=10)
    found: dict[str, set[str]] = {"up": set(TARGET)}
    codes = set()
    for family in page.collect():
        for sample in family.samples:
            found.setdefault(sample.name, set(TARGET)).update(sample.labels)
            if sample.name.endswith("_failure"):
                codes.add(sample.labels["code"])
    assert {"503", "unknown_id", "filter_ignored", "token", "429"} <= codes
    return found


@pytest.fixture
def reader(shown: dict[str, set[str]]) -> LabelReader:
    """Return what knows the exporter's series, and those that the rules record from them."""
    recorded = {
        name: {"job", *LEVELS[name.partition(":")[0]], *INFORM.get(name, set())}
        for rule in RULES
        if (name := rule.get("record"))
    }
    return LabelReader({**shown, "ALERTS": ALERTS_LABELS, **recorded})


RECORDS = [rule for rule in RULES if "record" in rule]


@pytest.mark.parametrize("rule", RECORDS, ids=lambda rule: rule["record"])
def test_a_recorded_series_has_the_labels_that_its_name_says(
    rule: dict[str, Any], reader: LabelReader
) -> None:
    level = LEVELS[rule["record"].partition(":")[0]]
    assert reader.read(rule["expr"]) == {"job", *level, *INFORM.get(rule["record"], set())}


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_texts_use_only_labels_that_the_expression_keeps(
    rule: dict[str, Any], reader: LabelReader
) -> None:
    labels = reader.read(rule["expr"])
    used = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
    assert used <= labels
    # An alert about a queue or an account says which, and a queue's team is what it is routed by.
    subject = {"account", "queue", "host", "team"} if "queue" in labels else {"account", "host"}
    assert used >= (subject & labels) - {"host", "team"}
    assert "queue" not in labels or {"team", "host"} <= labels
    if labels == {"host", "job"}:
        assert used == {"host"}


def test_the_page_has_every_metric_and_label_that_a_rule_names(reader: LabelReader) -> None:
    for rule in RULES:
        reader.read(rule["expr"])


def test_every_code_that_a_rule_names_exists() -> None:
    codes = {
        code
        for rule in RULES
        for found in re.findall(r'code[!=]~?"([^"]+)"', rule["expr"])
        for code in found.split("|")
    }
    assert {"401", "429", "4..", "unknown_id"} <= codes
    for code in codes:
        assert any(re.fullmatch(code, one) for one in (*HTTP_CODES, *WORD_CODES)), code


def test_it_is_decided_for_every_code_whether_it_speaks_against_the_silo() -> None:
    against = {code for code in (*HTTP_CODES, *WORD_CODES) if not re.fullmatch(ANSWERED, code)}
    assert against == {
        *("500", "502", "503", "504"),
        *("timeout", "dns", "connection", "tls", "redirect", "invalid_json"),
    }


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("calltools_no_such_metric > 0", "no metric"),
        ('calltools_queue_up{quene="sales"}', "no label"),
        ("sum by (quene) (calltools_queue_up)", "no label"),
        ("max without (instance) (calltools_queue_up) * calltools_queue_info", "cannot match"),
    ],
)
def test_a_misspelt_name_is_found(expression: str, wrong: str, reader: LabelReader) -> None:
    with pytest.raises(UnknownNameError, match=wrong):
        reader.read(expression)
