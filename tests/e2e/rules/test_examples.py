"""The example files are accepted, and each alert reaches whom it is for."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from prometheus.build import DOCUMENT, REPOSITORY, rules
from tests.e2e.conftest import RunsTool

FOLDER = REPOSITORY / "prometheus"
ALERTMANAGER = FOLDER / "alertmanager.yml"

#: The first of docs/alerting.md, and where its routes send what is not for the platform team.
FIRST = re.findall(r"^```yaml\n(route:.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
FIRST_RECEIVERS = {
    **dict.fromkeys(
        ("NobodyAvailable", "NobodyLoggedIn", "AllAgentsBusy", "TooFewAgents"), "operations"
    ),
    **dict.fromkeys(("QueueFlapping", "Watchdog"), "nobody"),
}

#: Where each alert goes, for a queue whose team has a route, and for one without a team.
RECEIVERS = {
    "CallToolsNobodyAvailable": ("inbound-pager", "operations-pager"),
    "CallToolsNobodyLoggedIn": ("inbound-pager", "operations-pager"),
    "CallToolsAllAgentsBusy": ("inbound-chat", "operations-chat"),
    "CallToolsTooFewAgents": ("inbound-chat", "operations-chat"),
    "CallToolsQueueFlapping": ("nobody", "nobody"),
    "CallToolsQueueUnreadable": ("platform-chat", "platform-chat"),
    "CallToolsUnknownId": ("platform-chat", "platform-chat"),
    "CallToolsQueueGone": ("platform-chat", "platform-chat"),
}
#: Where the others go, which concern no single queue.
PLATFORM = {
    "CallToolsFilterIgnored": ("platform-pager", ["account=acme"]),
    "CallToolsKeyRejected": ("platform-pager", ["account=acme"]),
    "CallToolsToldToWait": ("platform-chat", ["account=acme", "host=east-2"]),
    "CallToolsSiloUnreachable": ("platform-pager", ["host=east-2"]),
    "CallToolsApiErrors": ("platform-chat", ["account=acme", "host=east-2"]),
    "CallToolsApiSlow": ("platform-chat", ["account=acme", "host=east-2"]),
    "CallToolsExporterAbsent": ("platform-pager", []),
    "CallToolsExporterDown": ("platform-chat", ["instance=a:15457"]),
    "CallToolsExporterCannotRead": ("platform-chat", ["account=acme", "instance=a:15457"]),
    "CallToolsReloadFailed": ("platform-chat", []),
    "CallToolsWatchdog": ("dead-mans-switch", []),
}
SEVERITIES = {rule["alert"]: rule["labels"]["severity"] for rule in rules() if "alert" in rule}


@pytest.mark.matrix
def test_promtool_accepts_the_example_of_prometheus(promtool: RunsTool) -> None:
    done = promtool("check", "config", FOLDER / "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 rule files found" in done.stdout


@pytest.mark.matrix
def test_amtool_accepts_the_example_of_alertmanager(amtool: RunsTool) -> None:
    done = amtool("check-config", ALERTMANAGER)
    assert done.returncode == 0, done.stdout + done.stderr


def test_amlint_finds_nothing_in_it() -> None:
    # Nobody is meant to get what goes to `nobody`.
    arguments = ["check", "--strict", "--ignore", "empty-receiver", "--rules", "rules/*.yml"]
    amlint = Path(sys.executable).with_name("amlint")
    done = subprocess.run(
        [amlint, *arguments, ALERTMANAGER], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_route_of_every_alert_is_tested() -> None:
    assert set(RECEIVERS) | set(PLATFORM) == set(SEVERITIES)


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """Return the first example of docs/alerting.md as a file."""
    (text,) = FIRST
    path = tmp_path / "alertmanager.yml"
    path.write_text(text)
    return path


@pytest.mark.matrix
def test_amtool_accepts_the_first_example(amtool: RunsTool, first: Path) -> None:
    done = amtool("check-config", first)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(yaml.safe_load(first.read_text())["receivers"]) == 3


def test_the_lowest_alertmanager_is_named_alike(amtool: RunsTool) -> None:
    """Of the versions that the matrix has, the lowest is the one that is named."""
    named = [
        re.findall(r"Alertmanager (\d+)\.(\d+) or newer", file.read_text())
        for file in (DOCUMENT, ALERTMANAGER)
    ]
    assert named[0] == named[1] != []
    done = amtool("--version")
    found = re.search(r"version (\d+)\.(\d+)", done.stdout + done.stderr)
    assert found is not None
    lowest = tuple(map(int, named[0][0]))
    assert tuple(map(int, found.groups())) >= lowest


def test_the_first_example_sends_each_alert_to_one_of_three(amtool: RunsTool, first: Path) -> None:
    sent = {alert: route(amtool, alert, file=first) for alert in SEVERITIES}
    assert sent == {
        alert: FIRST_RECEIVERS.get(alert.removeprefix("CallTools"), "platform")
        for alert in SEVERITIES
    }


def test_the_first_example_silences_nothing_that_the_long_one_does_not(first: Path) -> None:
    """It also has one notification, instead of one for each queue, for each of the causes."""

    def silenced(file: Path) -> dict[str, set[str]]:
        inhibitions = yaml.safe_load(file.read_text())["inhibit_rules"]
        return {
            cause: {name for name in SEVERITIES if matches(rule["target_matchers"], name)}
            for rule in inhibitions
            for cause in SEVERITIES
            if matches(rule["source_matchers"], cause)
        }

    def matches(matchers: list[str], name: str) -> bool:
        (matcher,) = matchers
        _, _, pattern = matcher.partition("=")
        return re.fullmatch(pattern.strip('~ "'), name) is not None

    long = silenced(ALERTMANAGER)
    short = silenced(first)
    assert all(effects <= long[cause] for cause, effects in short.items())
    each = {"CallToolsQueueUnreadable", "CallToolsQueueGone"}
    for cause in PLATFORM.keys() & long.keys():
        assert short[cause] & each == long[cause] & each, cause


def route(amtool: RunsTool, alert: str, *labels: str, file: Path = ALERTMANAGER) -> str:
    done = amtool(
        *("config", "routes", "test", f"--config.file={file}"),
        *(f"alertname={alert}", f"severity={SEVERITIES[alert]}", "job=calltools", *labels),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("alert", RECEIVERS)
def test_an_alert_about_a_queue_reaches_its_team(amtool: RunsTool, alert: str) -> None:
    queue = ("account=acme", "queue=sales", "host=east-2")
    team, others = RECEIVERS[alert]
    assert route(amtool, alert, *queue, "team=inbound") == team
    assert route(amtool, alert, *queue) == others
    assert route(amtool, alert, *queue, "team=elsewhere") == others


@pytest.mark.parametrize("alert", PLATFORM)
def test_any_other_alert_reaches_who_runs_the_exporter(amtool: RunsTool, alert: str) -> None:
    receiver, labels = PLATFORM[alert]
    assert route(amtool, alert, *labels) == receiver


@pytest.mark.parametrize(
    ("alert", "receiver"),
    [
        ("CallToolsNobodyAvailable", "outbound-pager"),
        ("CallToolsTooFewAgents", "outbound-chat"),
    ],
)
def test_a_team_may_have_its_hours_in_alertmanager(
    amtool: RunsTool, alert: str, receiver: str
) -> None:
    assert route(amtool, alert, "account=acme", "queue=sales", "team=outbound") == receiver
    (hours,) = yaml.safe_load(ALERTMANAGER.read_text())["time_intervals"]
    assert [span["location"] for span in hours["time_intervals"]] == ["America/New_York"]
    text = ALERTMANAGER.read_text()
    assert f"receiver: {receiver}\n" in text
    after = text.partition(f"receiver: {receiver}\n")[2].splitlines()[0]
    assert after.strip() == f"active_time_intervals: [{hours['name']}]"
