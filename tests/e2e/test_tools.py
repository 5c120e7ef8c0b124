"""The servers that the other end-to-end tests rest on do what they are believed to do."""

import struct
from pathlib import Path

import pytest

from tests.e2e.browser import Browser
from tests.e2e.conftest import RunsTool, StartsAlertmanager, StartsPrometheus
from tests.e2e.servers import ServerError


@pytest.mark.matrix
def test_a_prometheus_that_scrapes_another_answers_queries(prometheus: StartsPrometheus) -> None:
    watched = prometheus({"global": {}})
    watching = prometheus(
        {
            "global": {"scrape_interval": "200ms", "scrape_timeout": "200ms"},
            "scrape_configs": [
                {
                    "job_name": "watched",
                    "static_configs": [{"targets": [f"127.0.0.1:{watched.port}"]}],
                }
            ],
        }
    )

    (up,) = watching.wait_for('up{job="watched"} == 1')
    assert up.value == 1
    when = up.points[-1][0]
    (series,) = watching.query_range('up{job="watched"}', when, when + 2, 1)
    assert len(series.points) == 3
    # One scrape of many may be late.
    watching.wait(
        lambda: [target["health"] for target in watching.targets()] == ["up"], what="its target"
    )

    watched.stop()
    watching.wait_for('up{job="watched"} == 0')


@pytest.mark.matrix
def test_prometheus_reloads_its_configuration(prometheus: StartsPrometheus) -> None:
    server = prometheus({"global": {"external_labels": {"replica": "a"}}})

    server.reload("global: {external_labels: {replica: b}}")

    assert "replica: b" in server.get("/api/v1/status/config")["data"]["yaml"]
    with pytest.raises(ServerError, match="did not reload"):
        server.reload("global: {no_such_key: 1}")


def test_a_server_that_cannot_start_says_why(prometheus: StartsPrometheus) -> None:
    with pytest.raises(ServerError, match="no_such_key"):
        prometheus({"no_such_key": 1})


@pytest.mark.matrix
def test_promtool_finds_what_is_wrong(promtool: RunsTool) -> None:
    right = "# HELP a_total A.\n# TYPE a_total counter\na_total 1\n"

    assert promtool("check", "metrics", stdin=right).returncode == 0
    assert promtool("check", "metrics", stdin=right.replace("_total", "")).returncode != 0


def test_an_alert_reaches_alertmanager(
    prometheus: StartsPrometheus,
    alertmanager: StartsAlertmanager,
    amtool: RunsTool,
    tmp_path: Path,
) -> None:
    receiver = alertmanager("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    rules = tmp_path / "rules.yml"
    rules.write_text("groups: [{name: g, rules: [{alert: Always, expr: vector(1)}]}]")
    target = f"127.0.0.1:{receiver.port}"
    sender = prometheus(
        {
            "global": {"evaluation_interval": "200ms"},
            "rule_files": [str(rules)],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [target]}]}]},
        },
        "--rules.alert.resend-delay=200ms",  # it fires before the Alertmanager is known
    )

    (alert,) = receiver.wait(receiver.alerts, what="an alert")

    assert alert["labels"]["alertname"] == "Always"
    assert [firing["state"] for firing in sender.alerts()] == ["firing"]
    assert "Always" in amtool("alert", f"--alertmanager.url={receiver.url}").stdout


def test_the_browser_runs_scripts_and_takes_pictures(chromium: Browser, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<p id=a></p><script>a.textContent = 6 * 7</script>")

    assert '<p id="a">42</p>' in chromium.html(page.as_uri())
    picture = chromium.screenshot(page.as_uri(), tmp_path / "page.png", width=640, height=480)
    assert struct.unpack(">II", picture.read_bytes()[16:24]) == (640, 480)
