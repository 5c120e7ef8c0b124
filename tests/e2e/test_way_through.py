"""From a simulated CallTools account over the exporter to the answers of a real Prometheus."""

from __future__ import annotations

import pytest

from exporter.simulator import SimulatedAccount
from tests.e2e.conftest import RunsTool, StartsPrometheus
from tests.e2e.servers import Prometheus
from tests.process_fixtures import Command, StartCommand, WriteConfiguration
from tests.simulator import FixedWorld, Simulator
from tests.simulator_fixtures import StartSimulator

QUEUES = {5457: "sales", 5460: "support", 5461: "billing"}
AVAILABLE = "calltools_queue_available_agents"


@pytest.fixture
def world() -> FixedWorld:
    """Three agents for sales, none for support, two for billing."""
    made = FixedWorld(QUEUES)
    made.set_available(5457, 3)
    made.set_available(5461, 2)
    return made


@pytest.fixture
def simulator(start_simulator: StartSimulator, world: FixedWorld) -> Simulator:
    return start_simulator(SimulatedAccount(world), tls=True)


@pytest.fixture
def exporter(
    simulator: Simulator, write_configuration: WriteConfiguration, start_command: StartCommand
) -> Command:
    path = write_configuration(simulator, QUEUES)
    return start_command(f"--config.file={path}", "--web.listen-address=127.0.0.1:0")


@pytest.fixture
def watching(exporter: Command, prometheus: StartsPrometheus) -> Prometheus:
    """A Prometheus that scrapes the exporter every other second and has read all queues."""
    server = prometheus(
        {
            "global": {"scrape_interval": "2s", "scrape_timeout": "2s"},
            "scrape_configs": [
                {
                    "job_name": "calltools",
                    "static_configs": [{"targets": [exporter.url.removeprefix("http://")]}],
                }
            ],
        }
    )
    server.wait_for(f"count({AVAILABLE}) == 3")
    return server


def by_queue(server: Prometheus, promql: str, at: float | None = None) -> dict[str, float]:
    return {series.labels["queue"]: series.value for series in server.query(promql, at)}


def when(server: Prometheus, promql: str) -> float:
    """Wait until an expression is not empty, and return that time: the same scrape tells more."""
    return server.wait_for(promql)[0].points[-1][0]


@pytest.mark.matrix
def test_prometheus_knows_who_can_take_a_call(
    simulator: Simulator, world: FixedWorld, watching: Prometheus
) -> None:
    assert by_queue(watching, AVAILABLE) == {"sales": 3, "support": 0, "billing": 2}
    assert by_queue(watching, "calltools_queue_up") == {"sales": 1, "support": 1, "billing": 1}
    assert watching.query("calltools_queue_failure") == []
    assert by_queue(watching, f"{AVAILABLE} < calltools_queue_required_agents") == {"support": 0}
    (account,) = watching.query("calltools_up")
    assert (account.labels["account"], account.value) == ("acme", 1)

    world.set_available(5457, 1)
    watching.wait_for(f'{AVAILABLE}{{queue="sales"}} == 1')

    # One queue that fails is gone from the gauge, and hides nothing of the others.
    simulator.faults.set("status", queue=5461, code=503)
    at = when(watching, 'calltools_queue_failure{queue="billing",code="503"} == 1')
    assert by_queue(watching, AVAILABLE, at) == {"sales": 1, "support": 0}
    up = {"sales": 1.0, "support": 1.0, "billing": 0.0}
    assert by_queue(watching, "calltools_queue_up", at) == up


@pytest.mark.matrix
def test_an_api_that_is_gone_is_never_shown_as_nobody(
    simulator: Simulator, watching: Prometheus
) -> None:
    (before,) = watching.query('calltools_queue_last_success_timestamp_seconds{queue="sales"}')
    simulator.stop()

    at = when(watching, 'count(calltools_queue_failure{code="connection"} == 1) == 3')
    up = dict.fromkeys(QUEUES.values(), 0.0)
    assert by_queue(watching, "calltools_queue_up", at) == up
    assert watching.query(AVAILABLE, at) == []
    assert [series.value for series in watching.query("calltools_up", at)] == [0]
    # The exporter itself is well, and remembers when the queue was last read.
    assert [series.value for series in watching.query("up", at)] == [1]
    (then,) = watching.query('calltools_queue_last_success_timestamp_seconds{queue="sales"}', at)
    assert before.value <= then.value < at
    watching.wait_for('increase(calltools_api_errors_total{code="connection"}[30s]) > 0')

    simulator.start()
    at = when(watching, "sum(calltools_queue_up) == 3")
    assert by_queue(watching, AVAILABLE, at) == {"sales": 3, "support": 0, "billing": 2}
    assert watching.query("calltools_queue_failure", at) == []
    assert watching.query(f"{AVAILABLE} unless calltools_queue_up == 1") == []


@pytest.mark.matrix
def test_an_api_that_hangs_costs_a_scrape_no_more_than_its_patience(
    simulator: Simulator, watching: Prometheus
) -> None:
    simulator.faults.set("hang", queue=5460)
    at = when(watching, 'calltools_queue_failure{queue="support",code="timeout"} == 1')
    assert by_queue(watching, AVAILABLE, at) == {"sales": 3, "billing": 2}
    assert [series.value for series in watching.query("min_over_time(up[1m])", at)] == [1]
    (budget,) = watching.query("calltools_scrape_budget_seconds", at)
    assert 1.0 <= budget.value <= 1.5


@pytest.mark.matrix
def test_counters_count_every_request(simulator: Simulator, watching: Prometheus) -> None:
    (first,) = watching.query("calltools_api_requests_total")
    (opened,) = watching.query("calltools_api_connections_total")
    watching.wait_for(f"calltools_api_requests_total >= {first.value + 12}")
    asked = simulator.requests_total
    (last,) = watching.query("calltools_api_requests_total")
    assert last.value <= asked <= last.value + 6
    watching.wait_for("rate(calltools_api_requests_total[20s]) > 0")
    quantile = "histogram_quantile(0.9, rate(calltools_api_request_duration_seconds_bucket[20s]))"
    assert [0 < series.value <= 1 for series in watching.wait_for(quantile)] == [True]
    # Errors that never happened are 0, so that the first one is an increase.
    errors = watching.query("calltools_api_errors_total")
    assert {series.value for series in errors} == {0}
    assert {"401", "timeout", "filter_ignored"} <= {series.labels["code"] for series in errors}
    # Connections are kept from scrape to scrape.
    (connections,) = watching.query("calltools_api_connections_total")
    assert connections.value <= opened.value + 1


@pytest.mark.matrix
def test_prometheus_reads_openmetrics(exporter: Command, watching: Prometheus) -> None:
    # Only OpenMetrics names a counter's family without `_total`.
    def described() -> list[dict[str, str]]:
        found: list[dict[str, str]] = watching.get(
            "/api/v1/targets/metadata", metric="calltools_api_requests"
        )["data"]
        return found

    (metadata,) = watching.wait(described, what="metadata")
    assert metadata["type"] == "counter"
    page = exporter.get("/metrics", Accept="application/openmetrics-text;version=1.0.0")
    assert page.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert page.text.endswith("# EOF\n")


@pytest.mark.matrix
@pytest.mark.parametrize("fault", [None, "status-503-seconds", "status-401", "count-null", "close"])
def test_promtool_finds_nothing_on_any_page(
    fault: str | None, simulator: Simulator, exporter: Command, promtool: RunsTool
) -> None:
    if fault:
        simulator.faults.set(fault, queue=5461)
    for query in ("", "?account=acme", "?collect[]=exporter", ""):
        page = exporter.get(f"/metrics{query}")
        assert page.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        found = promtool("check", "metrics", stdin=page.text)
        assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


@pytest.mark.matrix
def test_promtool_finds_nothing_on_a_page_without_a_key(
    simulator: Simulator,
    write_configuration: WriteConfiguration,
    start_command: StartCommand,
    promtool: RunsTool,
) -> None:
    path = write_configuration(simulator, QUEUES, team="night", token_env="NO_SUCH_VARIABLE")
    exporter = start_command(f"--config.file={path}", "--web.listen-address=127.0.0.1:0")
    page = exporter.get("/metrics").text
    assert 'calltools_account_failure{account="acme",code="token"} 1.0' in page
    found = promtool("check", "metrics", stdin=page)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")
