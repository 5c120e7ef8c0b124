"""Each alert on the pages that an exporter really renders, in each layout that may be scraped.

Accounts that cannot be read for their key, their host or their lists: test_account_failures.
What is configured and scraped in one way is an installation of its own, told apart by the target's
label `cluster`, so that one evaluation of the rules serves all of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.registry import Collector

from exporter.runtime import Runtime
from exporter.settings import Account, Configuration, Queue, TokenEnvironment
from exporter.simulator import AVAILABLE, TOKEN, SimulatedAccount
from prometheus.build import RULES
from tests.e2e.conftest import RunsTool
from tests.e2e.rules.read_by_rules import READ_BY_RULES
from tests.simulator import Dialect, FixedWorld, Simulator
from tests.simulator_fixtures import StartSimulator

EVERY = Queue(0, "", (AVAILABLE,))
QUEUES = tuple(Queue(id_, name, (AVAILABLE,)) for id_, name in ((5457, "sales"), (5460, "support")))
CONFIGURED: dict[str, dict[str, Any]] = {
    "listed": {"queues": QUEUES},
    "all": {"queues": (), "every_queue": EVERY},
}
BUDGET = 2.0

Pages = dict[str, Callable[[Runtime], Collector]]


def of_metrics(runtime: Runtime) -> Collector:
    return runtime.metrics(account=None, exporter_only=False, budget_seconds=BUDGET)


def of_exporter(runtime: Runtime) -> Collector:
    return runtime.metrics(account=None, exporter_only=True, budget_seconds=BUDGET)


def probed(target: dict[str, Any]) -> Callable[[Runtime], Collector]:
    account, queue = target["__param_account"], target.get("__param_queue")
    return lambda runtime: runtime.probe(account=account, queue=queue, budget_seconds=BUDGET)


def pages(runtime: Runtime, layout: str) -> Pages:
    """Return what Prometheus scrapes in a layout, by `instance`."""
    if layout == "/metrics":
        return {"exporter:15457": of_metrics}
    targets: Any = runtime.targets(by_account=layout.endswith("account"), budget_seconds=BUDGET)
    found = {target["targets"][0]: probed(target["labels"]) for target in targets}
    return {**found, "exporter:15457": of_exporter}


LAYOUTS = ("/metrics", "/probe by account", "/probe by queue")


def make_trouble(simulator: Simulator, trouble: str) -> None:
    match trouble:
        case "told to wait":
            simulator.faults.set("status", code=429, retry_after="60")
        case "filters ignored":
            simulator.dialect = Dialect(ignored_filters=frozenset({"queue"}))
        case "unavailable":
            simulator.faults.set("status", code=503)
        case "key forbidden":
            simulator.faults.set("status", code=403)
        case _:
            pass


UNREADABLE = {"QueueUnreadable troubled/sales", "QueueUnreadable troubled/support"}
#: What fires for each trouble, the same in each layout: where the queues are listed, and where all
#: are asked for, of which none is known as long as the list cannot be read.
EXPECTED: dict[str, tuple[set[str], set[str]]] = {
    "empty": ({"NobodyAvailable troubled/sales"}, {"NobodyAvailable troubled/sales"}),
    "key forbidden": (
        {"KeyRejected troubled", "ApiErrors troubled", *UNREADABLE},
        {"KeyRejected troubled"},
    ),
    "unavailable": (
        {"SiloUnreachable", "ApiErrors troubled", *UNREADABLE},
        {"SiloUnreachable"},
    ),
    "told to wait": ({"ToldToWait troubled", *UNREADABLE}, {"ToldToWait troubled"}),
    "filters ignored": (
        {"FilterIgnored troubled", *UNREADABLE},
        {"FilterIgnored troubled", *UNREADABLE},
    ),
    "slow": ({"ApiSlow troubled"}, {"ApiSlow troubled"}),
    "unknown id": (
        {"UnknownId troubled/support", "QueueUnreadable troubled/support"},
        set(),
    ),
}


@pytest.fixture
def scraped(
    start_simulator: StartSimulator, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str, str], Iterator[dict[str, str]]]:
    """Return the series of a layout, scraped some times and continued from there on."""
    monkeypatch.setenv("KEY", TOKEN)

    def scrape(trouble: str, configured: str, layout: str) -> Iterator[dict[str, str]]:
        world = FixedWorld({5457: "sales", 5460: "support"})
        world.set_available(5457, 0 if trouble == "empty" else 2)
        world.set_available(5460, 1)
        beside = start_simulator(SimulatedAccount(world))
        settings = dict(CONFIGURED[configured])
        if trouble == "unknown id" and configured == "listed":
            settings["queues"] = (QUEUES[0], Queue(1, "support", (AVAILABLE,)))
        troubled = Account("troubled", beside.url, TokenEnvironment("KEY"), **settings)
        other = start_simulator(SimulatedAccount(world))
        make_trouble(beside, trouble)
        healthy = Account("healthy", other.url, TokenEnvironment("KEY"), QUEUES[1:])
        runtime = Runtime(Configuration((troubled, healthy)))
        found = pages(runtime, layout)
        cluster = of_cluster(configured, layout)
        # what is verified only once is through after the first round
        rounds = []
        for _ in range(3):
            rounds.append({at: samples(page(runtime)) for at, page in found.items()})
            beside.latency = 0.55 * BUDGET if trouble == "slow" else 0
        # One is enough for CallToolsExporterAbsent to be silent in all clusters: each is looked at.
        assert any("calltools_exporter_build_info{" in key for key in rounds[-1]["exporter:15457"])
        for instance, second in rounds[-1].items():
            first = rounds[-2][instance]
            target = f'job="calltools",instance="{instance}",cluster="{cluster}"}}'
            yield {"series": f"up{{{target}", "values": "1x60"}
            for series, value in second.items():
                grows = re.search(r"_(total|bucket|count|sum)\{", series)
                more = value - first.get(series, 0) if grows else 0
                yield {"series": series[:-1] + target, "values": f"{float(value)}+{float(more)}x60"}

    return scrape


def samples(page: Collector) -> dict[str, float]:
    """Return the samples of a page by series, which end with an open list of labels."""
    return {
        f"{sample.name}{{{''.join(f'{k}={json.dumps(v)},' for k, v in sample.labels.items())}}}":
        sample.value
        for family in page.collect()
        for sample in family.samples
        if sample.name in READ_BY_RULES
    }  # fmt: skip


def of_cluster(configured: str, layout: str) -> str:
    """Return the label `cluster` of the targets that are configured and scraped so."""
    return f"{configured}, {layout}"


def firing(promtool: RunsTool, folder: Path, series: list[dict[str, str]]) -> dict[str, set[str]]:
    """Return which alerts fire after twenty minutes in each cluster, and about what."""
    alerts = 'count by (cluster, alertname, account, queue) (ALERTS{alertstate="firing"})'
    test = {
        "rule_files": [str(RULES / f"calltools.{name}.yml") for name in ("recording", "alerts")],
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": "30s",
                "input_series": series,
                "promql_expr_test": [{"expr": alerts, "eval_time": "20m"}],
            }
        ],
    }
    file = folder / "test.yml"
    file.write_text(json.dumps(test))
    done = promtool("test", "rules", file)
    said = done.stdout + done.stderr
    assert "got:" in said or done.returncode == 0, said
    found: dict[str, set[str]] = {}
    for labels in re.findall(r"\{([^{}]*)\} 1E", said.partition("got:")[2]):
        named = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        about = "/".join(named[key] for key in ("account", "queue") if key in named)
        alert = f"{named['alertname'].removeprefix('CallTools')} {about}".strip()
        found.setdefault(named.get("cluster", "none"), set()).add(alert)
    return found


@pytest.mark.parametrize("trouble", EXPECTED)
def test_the_same_alerts_fire_in_each_layout(
    scraped: Callable[[str, str, str], Iterator[dict[str, str]]],
    promtool: RunsTool,
    tmp_path: Path,
    trouble: str,
) -> None:
    series = [
        one
        for configured in CONFIGURED
        for layout in LAYOUTS
        for one in scraped(trouble, configured, layout)
    ]
    assert firing(promtool, tmp_path, series) == {
        of_cluster(configured, layout): expected
        for configured, expected in zip(CONFIGURED, EXPECTED[trouble], strict=True)
        for layout in LAYOUTS
        if expected
    }
