"""What silences what, by a real Alertmanager with the example: a cause its effects, no more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from prometheus.build import REPOSITORY, rules
from tests.e2e.conftest import StartsAlertmanager

Labels = dict[str, str]
Suppressed = Callable[[str, str, Labels], bool]


EXAMPLE = REPOSITORY / "prometheus/alertmanager.yml"
NAMES = {rule["alert"] for rule in rules() if "alert" in rule}
QUEUE = {"job": "calltools", "account": "acme", "queue": "sales", "host": "east-2", "team": "in"}
ACCOUNT = {label: QUEUE[label] for label in ("job", "account")}
#: What an alert is about, where that is no queue.
ABOUT: dict[str, Labels] = {
    "ExporterAbsent": {},
    "ExporterDown": {"job": "calltools", "instance": "a:15457"},
    "SiloUnreachable": {"job": "calltools", "host": "east-2"},
    "KeyRejected": ACCOUNT,
    "FilterIgnored": ACCOUNT,
    "ToldToWait": {**ACCOUNT, "host": "east-2"},
    "ApiErrors": {**ACCOUNT, "host": "east-2"},
    "ApiSlow": {**ACCOUNT, "host": "east-2"},
}
SILENCES = [
    *(
        (page, warning)
        for page in ("NobodyAvailable", "NobodyLoggedIn", "QueueUnreadable")
        for warning in ("AllAgentsBusy", "TooFewAgents", "QueueFlapping")
    ),
    ("ExporterAbsent", "ExporterDown"),
    ("ExporterAbsent", "QueueGone"),
    # With `queues: all`, an exporter that was restarted meanwhile does not know the queues.
    *(
        ("SiloUnreachable", effect)
        for effect in ("QueueUnreadable", "QueueGone", "ApiErrors", "ApiSlow")
    ),
    *(
        (cause, effect)
        for cause in ("KeyRejected", "FilterIgnored")
        for effect in ("QueueUnreadable", "QueueGone", "ApiErrors")
    ),
    ("UnknownId", "QueueUnreadable"),
]
#: The page is held on purpose; one exporter's end is no reason for what another told of.
NEVER = [
    ("QueueUnreadable", "NobodyAvailable"),
    ("QueueUnreadable", "NobodyLoggedIn"),
    ("SiloUnreachable", "NobodyAvailable"),
    ("KeyRejected", "NobodyLoggedIn"),
    ("ExporterAbsent", "NobodyAvailable"),
    ("ExporterDown", "QueueGone"),
    ("ExporterDown", "QueueUnreadable"),
    ("ToldToWait", "QueueUnreadable"),
    ("ToldToWait", "ApiErrors"),
    ("KeyRejected", "UnknownId"),
    ("SiloUnreachable", "KeyRejected"),
]
#: What else an alert may be about; it is then not what the other one is about.
ELSEWHERE: list[Labels] = [
    {"cluster": "us"},
    {"environment": "staging"},
    {"job": "calltools-us"},
    {"account": "initech", "host": "west-4"},
    {"queue": "support"},
]


def about(name: str) -> Labels:
    return {"alertname": f"CallTools{name}", "severity": "any", **ABOUT.get(name, QUEUE)}


@pytest.fixture
def suppressed(alertmanager: StartsAlertmanager) -> Suppressed:
    """Return what tells whether one alert suppresses another, whose labels may be changed."""
    server = alertmanager(EXAMPLE)

    def tell(source: str, target: str, other: Labels) -> bool:
        ends = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        # The last two are suppressed for certain: then those before them have been looked at too.
        proof = {"account": "proof", "queue": "proof", "host": "proof"}
        alerts = [
            about(source),
            {**about(target), **other},
            {**about("UnknownId"), **proof},
            {**about("QueueUnreadable"), **proof},
        ]
        answer = server.post("/api/v2/alerts", [{"labels": one, "endsAt": ends} for one in alerts])
        assert answer.ok, answer.text

        def of(labels: Labels) -> dict[str, Any]:
            (found,) = (one for one in server.alerts() if one["labels"] == labels)
            status: dict[str, Any] = found["status"]
            return status

        server.wait(lambda: of(alerts[-1])["inhibitedBy"], what="an alert to be inhibited")
        status = of(alerts[1])
        assert (status["state"] == "suppressed") == bool(status["inhibitedBy"])
        return bool(status["inhibitedBy"])

    return tell


def test_only_alerts_that_exist_are_named() -> None:
    pairs = [*SILENCES, *NEVER]
    assert {f"CallTools{name}" for pair in pairs for name in pair} <= NAMES


@pytest.mark.matrix
@pytest.mark.parametrize(("source", "target"), SILENCES)
def test_what_follows_is_silenced_but_only_where_it_follows(
    suppressed: Suppressed, source: str, target: str
) -> None:
    assert suppressed(source, target, {})
    shared = set(about(source)) | {"cluster", "environment"}
    for other in ELSEWHERE:
        if shared & set(other):
            assert not suppressed(source, target, other), other


@pytest.mark.matrix
@pytest.mark.parametrize(("source", "target"), NEVER)
def test_what_says_something_of_its_own_is_not_silenced(
    suppressed: Suppressed, source: str, target: str
) -> None:
    assert not suppressed(source, target, {})
