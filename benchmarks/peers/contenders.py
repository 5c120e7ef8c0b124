"""Each contender: how it is set up, and one round in which all queues are asked for."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Protocol
from urllib.parse import urlencode

from benchmarks.exporters import free_port, read_page, start_exporter, write_configuration
from benchmarks.processes import CLIENT_CORES, Measured, pin
from benchmarks.upstream import Upstream
from exporter.simulator import TOKEN

#: What Prometheus adds to each scrape: up, scrape_duration_seconds and three more.
OWN_SAMPLES = 5


@dataclass(frozen=True)
class Round:
    """What one Prometheus paid for one look at every queue."""

    seconds: float
    cpu_seconds: float
    mebibytes: float
    told: int
    samples: int
    scrapes: int


class Contender(Protocol):
    """Something that gets every queue's number to Prometheus."""

    name: str

    def round(self) -> Round:
        """Ask for every queue once."""


class _Ours:
    def __init__(self, name: str, exporter: Measured, connection: HTTPConnection) -> None:
        self.name = name
        self._exporter, self._connection = exporter, connection

    def round(self) -> Round:
        before = self._exporter.cost()
        page = read_page(self._connection)
        cost = self._exporter.cost()
        cpu = cost.cpu_seconds - before.cpu_seconds
        samples = page.samples + OWN_SAMPLES
        return Round(page.seconds, cpu, cost.mebibytes, page.read, samples, 1)


@contextmanager
def ours(folder: Path, upstream: Upstream, parallel: int, max_age: str = "") -> Iterator[Contender]:
    """Run this exporter, warm as it is after its first page."""
    path = folder / "exporter.yml"
    write_configuration(path, upstream, parallel, **({"max_age": max_age} if max_age else {}))
    name = f"this exporter, `max_age: {max_age}`" if max_age else "this exporter"
    with start_exporter(path) as exporter:
        connection = exporter.connect()
        read_page(connection)
        yield _Ours(name, exporter, connection)
        connection.close()


class _Probes:
    """An exporter with one probe for each queue, of which Prometheus runs a number at a time."""

    def __init__(
        self,
        name: str,
        exporter: Measured,
        paths: list[str],
        connections: list[HTTPConnection],
        number: re.Pattern[str],
    ) -> None:
        self.name = name
        self._exporter, self._paths, self._number = exporter, paths, number
        self._connections = connections

    def round(self) -> Round:
        before = self._exporter.cost()
        begun = time.monotonic()
        waiting = iter(self._paths)
        with ThreadPoolExecutor(len(self._connections)) as pool:
            asked = pool.map(lambda connection: self._ask(connection, waiting), self._connections)
            pages = [page for some in asked for page in some]
        seconds = time.monotonic() - begun
        cost = self._exporter.cost()
        samples = [line for page in pages for line in page.splitlines() if not line.startswith("#")]
        told = sum(1 for page in pages if self._number.search(page))
        return Round(
            seconds,
            cost.cpu_seconds - before.cpu_seconds,
            cost.mebibytes,
            told,
            len(samples) + OWN_SAMPLES * len(pages),
            len(pages),
        )

    def _ask(self, connection: HTTPConnection, waiting: Iterator[str]) -> list[str]:
        pages = []
        for path in waiting:
            connection.request("GET", path, headers={"X-Prometheus-Scrape-Timeout-Seconds": "30"})
            pages.append(connection.getresponse().read().decode())
        return pages


@contextmanager
def blackbox(program: Path, folder: Path, upstream: Upstream, parallel: int) -> Iterator[Contender]:
    """Run prometheus-blackbox-exporter with a module that looks for a count above 0."""
    module = {
        "prober": "http",
        "timeout": "20s",
        "http": {
            "preferred_ip_protocol": "ip4",
            "headers": {"Authorization": f"Token {TOKEN}"},
            "fail_if_body_not_matches_regexp": ['"count":\\s*[1-9]'],
            "tls_config": {"ca_file": str(upstream.ca_file)},
        },
    }
    path = folder / "blackbox.json"
    path.write_text(json.dumps({"modules": {"calltools": module}}))
    port = free_port()
    command = _command(program, path, port)
    paths = _paths(upstream, module="calltools")
    number = re.compile(r"^probe_http_status_code 200$", re.MULTILINE)
    with Measured(command, port) as exporter, _kept(exporter, parallel) as kept:
        yield _Probes("blackbox_exporter", exporter, paths, kept, number)


@contextmanager
def json_exporter(
    program: Path, folder: Path, upstream: Upstream, parallel: int
) -> Iterator[Contender]:
    """Run json_exporter with a module that takes the count out of the answer."""
    name = "calltools_queue_available_agents"
    module = {
        "headers": {"Authorization": f"Token {TOKEN}"},
        "metrics": [{"name": name, "path": "{ .count }", "help": "Available agents."}],
        "http_client_config": {"tls_config": {"ca_file": str(upstream.ca_file)}},
    }
    path = folder / "json_exporter.json"
    path.write_text(json.dumps({"modules": {"calltools": module}}))
    port = free_port()
    command = _command(program, path, port)
    number = re.compile(rf"^{name} \d", re.MULTILINE)
    with Measured(command, port) as exporter, _kept(exporter, parallel) as kept:
        paths = _paths(upstream, module="calltools")
        yield _Probes("json_exporter", exporter, paths, kept, number)


def _command(program: Path, configuration: Path, port: int) -> list[str | Path]:
    listen = f"--web.listen-address=127.0.0.1:{port}"
    return [program, f"--config.file={configuration}", listen]


def _paths(upstream: Upstream, module: str) -> list[str]:
    return [
        "/probe?" + urlencode({"module": module, "target": upstream.target(queue)})
        for queue in range(1, upstream.queues + 1)
    ]


@contextmanager
def _kept(exporter: Measured, parallel: int) -> Iterator[list[HTTPConnection]]:
    with ExitStack() as stack:
        connections = [exporter.connect() for _ in range(parallel)]
        for connection in connections:
            stack.callback(connection.close)
        yield connections


class _Loop:
    name = "`requests.get` in a loop"

    def __init__(self, folder: Path, upstream: Upstream) -> None:
        self._output = folder / "calltools.prom"
        targets = [upstream.target(queue) for queue in range(1, upstream.queues + 1)]
        script = Path(__file__).with_name("loop.py")
        self._command: list[str | Path] = [
            sys.executable,
            script,
            upstream.ca_file,
            self._output,
            *targets,
        ]

    def round(self) -> Round:
        begun = time.monotonic()
        process = subprocess.Popen(
            self._command,
            env={**os.environ, "CALLTOOLS_TOKEN": TOKEN},
        )
        pin(CLIENT_CORES, process.pid)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - begun
        told = len(self._output.read_text().splitlines()) if not process.returncode else 0
        return Round(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, told, told, 0)


def loop(folder: Path, upstream: Upstream) -> Contender:
    """Return the loop; its numbers come along with a scrape of node_exporter."""
    return _Loop(folder, upstream)
