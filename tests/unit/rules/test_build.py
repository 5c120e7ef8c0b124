"""The committed rules and tables are what their source makes; each alert has its page."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from prometheus import build
from prometheus.thresholds import Thresholds, seconds

RUNBOOKS = build.REPOSITORY / "docs/runbooks"
ALERTS = [rule for rule in build.rules() if "alert" in rule]


def test_the_committed_files_are_up_to_date() -> None:
    committed = {file.name: file.read_text() for file in build.RULES.iterdir()}
    assert committed == build.rule_files(), "run `make rules`"
    document = build.DOCUMENT.read_text()
    assert build.with_tables(document) == document, "run `make rules`"


def test_the_tests_of_the_rules_ask_for_what_these_make() -> None:
    """The kind: an expectation of nothing from a series that nothing records cannot fail."""
    asked = "".join(
        file.read_text() for file in (build.REPOSITORY / "prometheus/tests").glob("*.yml")
    )
    asked = re.sub(r"#.*", "", asked)
    recorded = {rule["record"] for rule in build.rules() if "record" in rule}
    assert set(re.findall(r"\b[a-z_]+:calltools_[a-z_]+:\w+", asked)) <= recorded
    alerts = {rule["alert"] for rule in ALERTS}
    assert set(re.findall(r'alertname(?:: |=")(\w+)', asked)) <= alerts


def test_what_was_recorded_before_a_restart_is_not_read_as_current() -> None:
    """The kind: Prometheus marks no end of what it recorded before it was restarted."""
    absent = "available_agents:max|staffed:open_hours|staffed:after_empty"
    found = [
        after
        for rule in build.rules()
        if "record" in rule
        for after in re.findall(rf":calltools_queue_(?:{absent})(.?)", rule["expr"])
    ]
    assert len(found) > 10
    assert set(found) == {"["}


def test_a_document_without_its_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="no marks"):
        build.with_tables("# Alerting\n")


def test_the_bases_of_the_links_are_set_in_one_place(tmp_path: Path) -> None:
    before = build.DOCUMENT.read_text()
    build.main(
        [
            "--runbooks=https://wiki.test/calltools/",
            "--dashboards=https://grafana.test/d",
            f"--output={tmp_path / 'rules'}",
        ]
    )
    made = {file.name: file.read_text() for file in (tmp_path / "rules").iterdir()}
    annotations = [rule["annotations"] for rule in build.rules(made) if "alert" in rule]
    assert len(annotations) == len(ALERTS)
    for links in annotations:
        assert links["runbook_url"].startswith("https://wiki.test/calltools/CallTools")
        assert links["dashboard_url"].startswith("https://grafana.test/d/calltools-")
    assert build.DOCUMENT.read_text() == before


def test_runbooks_and_alerts_match_one_to_one() -> None:
    assert {page.stem for page in RUNBOOKS.iterdir()} == {alert["alert"] for alert in ALERTS}
    assert len({alert["alert"] for alert in ALERTS}) == len(ALERTS)


@pytest.mark.parametrize("page", sorted(RUNBOOKS.glob("*.md")), ids=lambda page: page.stem)
def test_a_runbook_has_its_four_parts(page: Path) -> None:
    text = page.read_text()
    headings = re.findall(r"^#+ .*", text, re.MULTILINE)
    parts = ["## Meaning", "## Impact", "## Diagnosis", "## Mitigation"]
    assert headings == [f"# {page.stem}", *parts]
    for part in re.split(r"^#+ .*", text, flags=re.MULTILINE)[2:]:
        assert len(part.split()) >= 10


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_texts_help_whoever_is_paged(alert: dict[str, Any]) -> None:
    texts = alert["annotations"]
    assert alert["labels"]["severity"] in {"critical", "warning", "info", "none"}
    assert "{{" not in texts["summary"], "a group shows one summary for all of its alerts"
    assert not texts["summary"].endswith(".")
    assert texts["description"].endswith(".")


def test_each_rule_has_its_reason_and_stands_in_the_document() -> None:
    document = build.DOCUMENT.read_text()
    for rule in build.rules():
        row = f"| [{rule['alert']}](" if "alert" in rule else f"| `{rule['record']}` |"
        (line,) = (line for line in document.splitlines() if line.startswith(row))
        assert all(cell.strip() for cell in line.strip("|").split("|"))


def test_a_template_names_each_series_as_one_word_and_no_window_of_its_own() -> None:
    sources = "".join(file.read_text() for file in build.TEMPLATES.iterdir())
    assert not re.search(r"[\[ ]\d+(ms|[smhd])[\]: ]", sources)
    for name in (rule["record"] for rule in build.rules() if "record" in rule):
        assert name.removesuffix(Thresholds().coverage_evaluation) in sources


def test_there_are_at_most_half_of_the_58_rules_that_there_were() -> None:
    assert len(list(build.rules())) <= 29


def test_no_branch_of_an_or_keeps_the_name_of_another_series() -> None:
    """Over a range it would be a series of its own, which a past that is filled in has twice."""
    for rule in build.rules():
        for branch in re.findall(r"^\s*or (account\w*:[\w:]+)$", rule["expr"], re.MULTILINE):
            assert branch == rule.get("record"), rule


def test_no_rule_makes_nothing_into_zero() -> None:
    for rule in build.rules():
        assert "vector(0)" not in rule["expr"]


def test_hurried_rules_keep_their_counts() -> None:
    usual, hurried = Thresholds(), Thresholds().hurried(15)
    assert hurried.evaluation == "1s"
    assert hurried.samples(hurried.page_window) == usual.samples(usual.page_window) == 16
    shares = [name for name, value in asdict(usual).items() if not isinstance(value, str)]
    assert hurried.within("16s") == "15s667ms"
    assert usual.within("4m") == "3m55s"
    assert all(getattr(hurried, name) == getattr(usual, name) for name in shares)
    assert build.rule_files(hurried) != build.rule_files()


@pytest.mark.parametrize(("text", "length"), [("15s", 15), ("1m15s", 75), ("7d", 604800)])
def test_durations_are_read_as_prometheus_does(text: str, length: int) -> None:
    assert seconds(text) == length


def in_words(time: str) -> str:
    number = round(seconds(time) / 60)
    words = {2: "two", 3: "three", 4: "four", 5: "five", 10: "ten", 12: "twelve"}
    return f"{words[number]} minutes"


LIMITS = Thresholds()
WINDOW = in_words(LIMITS.page_window)


@pytest.mark.parametrize(
    ("alert", "words"),
    [
        ("AllAgentsBusy", f"for about {WINDOW} of its open hours"),
        ("AllAgentsBusy", f"After {WINDOW} of that"),
        ("ApiErrors", f"less than {in_words(LIMITS.errors_recent)} old"),
        ("ApiSlow", f"For {in_words(LIMITS.slow_window)}, one request in"),
        ("ExporterAbsent", f"For {in_words(LIMITS.absent_for)} Prometheus"),
        ("ExporterCannotRead", f"For {in_words(LIMITS.lasting)} this exporter"),
        ("ExporterDown", f"{LIMITS.read_share * 100:g} % of the scrapes of the last"),
        ("ExporterDown", f"of the last {in_words(LIMITS.down_window)}"),
        ("ExporterDown", f"CallToolsQueueGone follows after {in_words(LIMITS.gone)}"),
        ("KeyRejected", f"For {in_words(LIMITS.cause_for)} the account's key"),
        ("KeyRejected", f"stays for {in_words(LIMITS.cause_keep)} after the key works again"),
        ("NobodyAvailable", f"For about {WINDOW} of the queue's open hours"),
        ("NobodyLoggedIn", f"For about {WINDOW} of the queue's open hours"),
        ("QueueGone", f"for {in_words(LIMITS.gone)} none has"),
        ("QueueUnreadable", f"For {in_words(LIMITS.unreadable_for)}, less than"),
        ("QueueUnreadable", f"less than {LIMITS.unreadable_share * 100:g} % of the scrapes"),
        ("QueueUnreadable", f"due in the last {in_words(LIMITS.unreadable_window)}"),
        ("QueueUnreadable", f"all scrapes of {in_words(LIMITS.readable_again)}"),
        ("ReloadFailed", f"for {in_words(LIMITS.lasting)} no better one"),
        ("SiloUnreachable", f"at least {(1 - LIMITS.read_share) * 100:g} % of the scrapes"),
        ("SiloUnreachable", f"of the last {in_words(LIMITS.silo_window)}"),
        ("TooFewAgents", f"For about {in_words(LIMITS.short_window)} of open hours"),
    ],
)
def test_runbooks_have_the_times_of_the_rules(alert: str, words: str) -> None:
    """Nothing noticed a time that was changed in thresholds.py alone."""
    assert words in " ".join((RUNBOOKS / f"CallTools{alert}.md").read_text().split())
