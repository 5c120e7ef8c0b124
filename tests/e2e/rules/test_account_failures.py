"""Alerts on an account that cannot be read: the rules on what the exporter really rendered.

What is configured and scraped in one way is an installation of its own, told apart by the target's
label `cluster`, so that one evaluation of the rules serves all of them.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest

from prometheus.build import RULES
from tests.account_failures import CONFIGURED, FAILURES, READ, Asking, mark, samples, site, table
from tests.e2e.conftest import RunsTool
from tests.e2e.rules.read_by_rules import READ_BY_RULES
from tests.process_fixtures import RunMain, StartCommand

#: Prometheus' view of twenty minutes, by which every alert of an outage has fired.
INTERVAL, MINUTES = 30, 20
EXPORTER = "exporter-0:15457"
#: How the exporter is scraped: the path of its targets, or None where it is one target itself.
LAYOUTS: dict[str, str | None] = {
    "one exporter": None,
    "by queue": "/sd",
    "by account": "/sd?by=account",
}


#: Alerts that say how many agents there are, which an outage must not fire.
ABOUT_AGENTS = {"NobodyAvailable", "NobodyLoggedIn", "TooFewAgents", "AllAgentsBusy"}


@dataclass(frozen=True)
class Alert:
    """One alert that fires."""

    name: str
    labels: dict[str, str]

    @classmethod
    def read(cls, words: str) -> Alert:
        labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', words))
        return cls(labels.pop("alertname").removeprefix("CallTools"), labels)

    @property
    def concerns_beta(self) -> bool:
        return self.labels.get("account") == "beta" or self.labels.get("instance", "").startswith(
            "beta"
        )

    @property
    def place(self) -> str:
        """The queue that it names, else the target."""
        return self.labels.get("queue") or self.labels.get("instance", "")


def words(alerts: list[Alert]) -> str:
    places: dict[str, set[str]] = {}
    for alert in alerts:
        places.setdefault(alert.name, set()).add(alert.place)
    return (
        ", ".join(
            f"{name} ({', '.join(sorted(found))})" if any(found) else name
            for name, found in sorted(places.items())
        )
        or "none"
    )


def targets(asking: Asking, discovery: str | None) -> dict[str, str]:
    """Return the path of each target by its instance."""
    if discovery is None:
        return {EXPORTER: "/metrics"}
    found = {EXPORTER: "/metrics?collect[]=exporter"}
    answer = asking.exporter.get(discovery)
    for group in answer.json() if answer.ok else ():
        words = {name.removeprefix("__param_"): value for name, value in group["labels"].items()}
        found |= {target: f"/probe?{urlencode(words)}" for target in group["targets"]}
    return found


def counters(asking: Asking) -> dict[str, float]:
    """Return what the exporter has counted, once all that was asked for has ended."""

    def read() -> dict[str, float]:
        _, text = asking.page("/metrics?collect[]=exporter")
        return {_series(one.name, one.labels): one.value for one in samples(text)}

    if asking.site.failure == "list slow":  # These end with the scrape, or just after it.
        acme = asking.site.acme
        name = _series("calltools_api_requests_total", {"account": "acme"})
        assert acme.wait_until(lambda: read()[name] == acme.requests_total)
    return read()


def series(asking: Asking, cluster: str, discovery: str | None) -> Iterator[dict[str, str]]:
    """Yield what Prometheus stores of each target, as two scrapes show it, for as long as that."""
    times = MINUTES * 60 // INTERVAL
    paths = targets(asking, discovery)
    rounds, counted = [], []
    for _ in range(2):
        with ThreadPoolExecutor(len(paths)) as scrapes:
            answers = scrapes.map(asking.page, paths.values())
            rounds.append(dict(zip(paths, answers, strict=True)))
        counted.append(counters(asking))
    before, after = counted
    # One is enough for CallToolsExporterAbsent to be silent in all clusters, so each is looked at.
    assert "\ncalltools_exporter_build_info{" in rounds[-1][EXPORTER][1]
    for instance, (status, page) in rounds[-1].items():
        place = {"job": "calltools", "instance": instance, "cluster": cluster}
        yield {"series": _series("up", place), "values": f"{int(status == 200)}x{times}"}
        for sample in samples(page) if status == 200 else ():
            if sample.name not in READ_BY_RULES:
                continue
            value, step = sample.value, 0.0
            if re.search(r"_(total|bucket|count|sum)$", sample.name):
                name = _series(sample.name, sample.labels)
                step = after[name] - before.get(name, after[name])
            elif sample.name.endswith("_timestamp_seconds"):
                value -= time.time()
            sign = "+" if step >= 0 else ""
            yield {
                "series": _series(sample.name, {**sample.labels, **place}),
                "values": f"{value:.6f}{sign}{step:.6f}x{times}",
            }


def _series(name: str, labels: dict[str, str]) -> str:
    pairs = [f'{label}="{value}"' for label, value in labels.items()]
    return f"{name}{{{','.join(pairs)}}}"


def firing(promtool: RunsTool, folder: Path, given: list[dict[str, str]]) -> dict[str, list[Alert]]:
    """Return the alerts that fire at the end, by cluster."""
    content = {
        "rule_files": [
            str(RULES / "calltools.recording.yml"),
            str(RULES / "calltools.alerts.yml"),
        ],
        "evaluation_interval": "15s",
        "tests": [
            {
                "interval": f"{INTERVAL}s",
                "input_series": given,
                "promql_expr_test": [
                    {
                        "expr": 'ALERTS{alertstate="firing"}',
                        "eval_time": f"{MINUTES}m",
                        "exp_samples": [{"labels": "nothing", "value": 1}],
                    }
                ],
            }
        ],
    }
    path = folder / "alerts.yml"
    path.write_text(json.dumps(content))  # which is YAML as well, and quick to write
    # What is expected is nothing that there is, so that all of what fires is said.
    done = promtool("test", "rules", path)
    (got,) = re.findall(r"^ *got: ?(.*)$", done.stdout + done.stderr, re.MULTILINE)
    found: dict[str, list[Alert]] = {}
    for words in re.findall(r'{__name__="ALERTS", (.*?)} 1E', got):
        alert = Alert.read(words)
        found.setdefault(alert.labels.pop("cluster"), []).append(alert)
    return found


@pytest.mark.parametrize("failure", FAILURES)
def test_every_layout_alerts(
    failure: str,
    tmp_path: Path,
    start_command: StartCommand,
    run_main: RunMain,
    promtool: RunsTool,
    check_table: Callable[[str, str, str], None],
) -> None:
    """The page for people has this table."""

    def scraped(configured: str) -> list[dict[str, str]]:
        folder = tmp_path / str(list(CONFIGURED).index(configured))
        folder.mkdir()
        with site(failure, configured, folder) as made:
            exporter = start_command(made.flag, "--web.listen-address=127.0.0.1:0")
            asking = Asking(made, exporter, run_main)
            if made.breaks_later:
                asking.page("/metrics")
                made.break_it()
            return [
                one
                for layout, discovery in LAYOUTS.items()
                for one in series(asking, f"{configured}, {layout}", discovery)
            ]

    # Together, as an account that is slow is mostly waited for.
    with ThreadPoolExecutor(len(CONFIGURED)) as sites:
        given = [one for made in sites.map(scraped, CONFIGURED) for one in made]
    alerts = firing(promtool, tmp_path, given)
    places = [f"{configured}, {layout}" for configured in CONFIGURED for layout in LAYOUTS]
    assert alerts.keys() <= set(places)
    found = {place: alerts.get(place, []) for place in places}
    wrong = [
        f"{name}: {alert.name} {alert.labels}"
        for name, alerts in found.items()
        for alert in alerts
        if alert.concerns_beta or alert.name in ABOUT_AGENTS
    ]
    wrong += [
        f"{name}: no alert"
        for name, alerts in found.items()
        if not alerts and (failure, name.partition(", ")[0]) not in READ
    ]
    assert not wrong, "\n".join(wrong)
    columns = {
        configured: {layout: words(found[f"{configured}, {layout}"]) for layout in LAYOUTS}
        for configured in CONFIGURED
    }
    check_table("account-failures.md", f"{mark(failure)}-alerts", table("scraped as", columns))
