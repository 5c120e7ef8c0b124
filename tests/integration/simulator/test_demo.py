"""The demo's call centre, as somebody sees it who watches for a while."""

from __future__ import annotations

import http.client
import json
from functools import partial
from urllib.parse import urlsplit

import pytest

from exporter.cli.demo import DEMO_QUEUES, demo_simulator
from exporter.simulator import AVAILABLE, TOKEN

MONDAY = 1_785_110_400.0
QUARTER_OF_AN_HOUR = 900


@pytest.fixture(scope="module")
def seen() -> dict[str, list[int]]:
    """Available agents every 15 s of five hours from midnight, by the name of the queue."""
    seen: dict[str, list[int]] = {name: [] for name in DEMO_QUEUES.values()}
    with demo_simulator() as simulator:
        address = urlsplit(simulator.url)
        assert address.hostname is not None
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
        for second in range(0, 5 * 3600, 15):
            simulator.clock = partial(float, MONDAY + second)
            for id_, name in DEMO_QUEUES.items():
                query = f"queue={id_}&agent_status_id={AVAILABLE}&ready=true&page_size=1"
                connection.request(
                    "GET",
                    f"/api/agentstatuses/?{query}",
                    headers={"Authorization": f"Token {TOKEN}"},
                )
                answer = connection.getresponse()
                body = json.load(answer)
                seen[name].append(body["count"] if answer.status == 200 else -answer.status)
        connection.close()
    return seen


@pytest.mark.parametrize("name", ["sales", "support"])
def test_some_queues_are_staffed(seen: dict[str, list[int]], name: str) -> None:
    assert sum(number > 0 for number in seen[name]) > 0.98 * len(seen[name])


def test_one_empties_every_few_minutes(seen: dict[str, list[int]]) -> None:
    samples = seen["retention"]
    step = QUARTER_OF_AN_HOUR // 15
    for start in range(0, len(samples), step):
        assert {0, 1} <= set(samples[start : start + step]) <= {0, 1, 2}


def test_one_fails(seen: dict[str, list[int]]) -> None:
    assert set(seen["billing"]) == {-503}
