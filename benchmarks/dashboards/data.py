"""Hours of series of many queues, as an exporter shows them and as the rules record them."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

from exporter.errors import HTTP_CODES, WORD_CODES

SCRAPE, EVALUATION, COVERAGE = 30, 15, 300
TARGET = 'job="calltools",instance="exporter:15457"'
JOB = 'job="calltools"'
TEAMS = ("", "inbound", "outbound", "transfers")
STATUSES = ("Available", "Break", "Lunch", "On Call", "Wrap Up")
BUCKETS = ("0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "30.0", "+Inf")
UNREADABLE, CLOSED = -1, 4


class Queue:
    """A queue whose agents come and go by chance."""

    def __init__(self, number: int, account: int) -> None:
        self.chance = Random(number)
        self.account = f"client-{account}"
        self.labels = f'account="{self.account}",queue="queue-{number}"'
        self.team = self.chance.choice(TEAMS)
        self.required = self.chance.choice((1, 1, 1, 2, 3))
        self.closed = number % 10 == 0
        self.detailed = number % 6 == 0
        self.agents = self.chance.randint(0, 5)
        self.read = True
        self.read_at = 0

    def step(self, at: int) -> None:
        """Move on to the next scrape."""
        if self.chance.random() < 0.02:
            self.agents = self.chance.choice((0, 0, 1, 2, 3, 4))
        self.read = self.chance.random() > 0.01
        self.read_at = at if self.read else self.read_at

    @property
    def state(self) -> int:
        """The number that the rules record."""
        if self.closed:
            return CLOSED
        if not self.read:
            return UNREADABLE
        return 0 if not self.agents else 1 + (self.agents >= self.required)


def queues(number: int, accounts: int) -> list[Queue]:
    """Return queues, spread over accounts."""
    return [Queue(one, one % accounts) for one in range(number)]


def page(centre: list[Queue], at: int, scrapes: int) -> Iterator[tuple[str, float]]:
    """Yield the samples of a scrape, with their target's labels; counters advance by a number."""
    names = sorted({queue.account for queue in centre})
    for queue in centre:
        labels = f"{{{queue.labels},{TARGET}}}"
        if queue.read:
            yield f"calltools_queue_available_agents{labels}", queue.agents
        else:
            why = f'{{{queue.labels},code="timeout",{TARGET}}}'
            yield f"calltools_queue_failure{why}", 1
        if queue.read and queue.detailed:
            yield f"calltools_queue_logged_in_agents{labels}", queue.agents + 3
            for place, status in enumerate(STATUSES):
                more = f'{{{queue.labels},status="{status}",{TARGET}}}'
                yield f"calltools_queue_agents{more}", place or queue.agents
            yield f"calltools_queue_available_since_timestamp_seconds{labels}", at - 60
        yield f"calltools_queue_up{labels}", int(queue.read)
        yield f"calltools_queue_open{labels}", int(not queue.closed)
        yield f"calltools_queue_required_agents{labels}", queue.required
        yield f"calltools_queue_utc_offset_seconds{labels}", -18000
        yield f"calltools_queue_last_success_timestamp_seconds{labels}", queue.read_at
        more = f'queue_id="1",status_id="2",team="{queue.team}",{TARGET}'
        yield f"calltools_queue_info{{{queue.labels},{more}}}", 1
    for name in names:
        labels = f'{{account="{name}",{TARGET}}}'
        yield f'calltools_account_info{{account="{name}",{_host(name)},{TARGET}}}', 1
        yield f"calltools_up{labels}", 1
        yield f"calltools_api_requests_total{labels}", 4 * scrapes
        yield f"calltools_api_connections_total{labels}", 4 + scrapes // 100
        yield f"calltools_api_coalesced_fetches_total{labels}", scrapes // 10
        for code in (*HTTP_CODES, *WORD_CODES):
            failed = scrapes // 25 if code == "timeout" else 0
            more = f'{{account="{name}",code="{code}",{TARGET}}}'
            yield f"calltools_api_errors_total{more}", failed
        for number, bound in enumerate(BUCKETS):
            more = f'{{account="{name}",le="{bound}",{TARGET}}}'
            value = 4 * scrapes * min(10, 3 + number) // 10
            yield f"calltools_api_request_duration_seconds_bucket{more}", value
    yield f"calltools_scrape_duration_seconds{{{TARGET}}}", 2.5
    yield f"calltools_scrape_budget_seconds{{{TARGET}}}", 19.5
    yield f'calltools_exporter_build_info{{version="1",python_version="3.11",{TARGET}}}', 1
    yield f"calltools_exporter_config_last_reload_successful{{{TARGET}}}", 1
    yield f"calltools_exporter_config_last_reload_success_timestamp_seconds{{{TARGET}}}", 1
    yield f"process_cpu_seconds_total{{{TARGET}}}", scrapes * 0.4
    yield f"process_resident_memory_bytes{{{TARGET}}}", 8e7
    yield f"up{{{TARGET}}}", 1


def _host(account: str) -> str:
    return f'host="silo-{int(account.partition("-")[2]) % 7}"'


def _recorded(centre: list[Queue], at: int) -> Iterator[tuple[str, float]]:
    """Yield what the rules record of that at an evaluation."""
    prefix = "account_queue:calltools_queue"
    for queue in centre:
        labels = f"{{{queue.labels},{JOB}}}"
        host = _host(queue.account)
        yield f"{prefix}_state{labels}", queue.state
        yield f'{prefix}_info:last{{{queue.labels},team="{queue.team}",{host},{JOB}}}', at
        if queue.read:
            yield f"{prefix}_available_agents:max{labels}", queue.agents
        if 0 <= queue.state < CLOSED:
            yield f"{prefix}_staffed:open_hours{labels}", int(queue.agents > 0)


class _Minutes:
    """Adds up the minutes of open hours by what was seen."""

    def __init__(self, centre: list[Queue]) -> None:
        self._seen = {queue: {"staffed": 0, "empty": 0, "unreadable": 0} for queue in centre}

    def add(self) -> None:
        """Count an evaluation."""
        for queue, counts in self._seen.items():
            if not queue.closed:
                name = "unreadable" if not queue.read else "staffed" if queue.agents else "empty"
                counts[name] += 1

    def take(self) -> Iterator[tuple[str, float]]:
        """Yield the sums, and begin again."""
        for queue, counts in self._seen.items():
            for name, count in counts.items():
                more = f'{{{queue.labels},seen="{name}",{JOB}}}'
                yield f"account_queue:calltools_queue_open_minutes:sum5m{more}", count * 0.25
                counts[name] = 0


def _samples(centre: list[Queue], start: int, end: int) -> Iterator[str]:
    minutes = _Minutes(centre)
    for at in range(start, end, EVALUATION):
        if (at - start) % SCRAPE == 0:
            for queue in centre:
                queue.step(at)
            for series, value in page(centre, at, (at - start) // SCRAPE):
                yield f"{series} {value} {at}\n"
        for series, value in _recorded(centre, at + 7):
            yield f"{series} {value} {at + 7}\n"
        minutes.add()
        if (at - start) % COVERAGE == 0:
            for series, value in minutes.take():
                yield f"{series} {value} {at + 9}\n"


def fill(promtool: Path, folder: Path, centre: list[Queue], start: int, end: int) -> None:
    """Fill the data folder of a Prometheus, two hours at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder.parent / f"{folder.name}.om"
    with file.open("w") as lines:
        lines.writelines(_samples(centre, start, end))
        lines.write("# EOF\n")
    subprocess.run(
        [promtool, "tsdb", "create-blocks-from", "openmetrics", file, folder],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    file.unlink()
