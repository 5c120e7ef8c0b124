"""This exporter under measurement: its configuration, its start and its pages."""

from __future__ import annotations

import re
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import yaml

from benchmarks.processes import Measured
from benchmarks.upstream import Upstream
from exporter.simulator import AVAILABLE

ROOT = Path(__file__).parents[1]
#: How long the API takes for an answer, in seconds, unless a measurement says otherwise.
LATENCY = 0.05


@dataclass(frozen=True)
class Page:
    """One page, in seconds from the request to its last byte, and how much it holds."""

    seconds: float
    read: int
    samples: int
    bytes: int


def write_configuration(
    path: Path, upstream: Upstream, parallel: int = 16, **defaults: object
) -> None:
    """Write a configuration for all accounts and queues of the API."""
    queues = [{"id": number, "name": f"queue-{number}"} for number in range(1, upstream.queues + 1)]
    accounts = []
    for number, key in enumerate(upstream.keys):
        file = path.parent / f"key-{number}"
        file.write_text(key)
        url = upstream.urls[number % len(upstream.urls)]
        accounts.append(
            {"name": f"client-{number}", "url": url, "token_file": str(file), "queues": queues}
        )
    common = {
        "available_status": AVAILABLE,
        "max_parallel_requests": parallel,
        "tls": {"ca_file": str(upstream.ca_file)},
        **defaults,
    }
    path.write_text(yaml.safe_dump({"defaults": common, "accounts": accounts}))


@contextmanager
def configured(
    queues: int,
    latency: float = LATENCY,
    accounts: int = 1,
    silos: int = 1,
    parallel: int = 16,
    **defaults: object,
) -> Iterator[tuple[Path, Upstream]]:
    """Give a configuration for an API of this size, and the API, until the block ends."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Upstream(Path(folder), queues, latency, accounts, silos) as upstream,
    ):
        path = Path(folder) / "exporter.yml"
        write_configuration(path, upstream, parallel, **defaults)
        yield path, upstream


@contextmanager
def started(path: Path, root: Path = ROOT) -> Iterator[tuple[Measured, HTTPConnection]]:
    """Give an exporter, and a connection to it that is kept, until the block ends."""
    with start_exporter(path, root) as exporter, closing(exporter.connect()) as connection:
        yield exporter, connection


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def start_exporter(path: Path, root: Path = ROOT) -> Measured:
    """Start the exporter as a user does, out of this repository or another copy of it."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "exporter", f"--config.file={path}"),
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    return Measured(command, port, {"PYTHONPATH": str(root)}, root)


def read_page(
    connection: HTTPConnection, budget_seconds: float = 120, path: str = "/metrics"
) -> Page:
    """Ask for a page as Prometheus does."""
    headers = {
        "X-Prometheus-Scrape-Timeout-Seconds": str(budget_seconds),
        "Accept": "application/openmetrics-text;version=1.0.0",
        "Accept-Encoding": "identity",
    }
    begun = time.monotonic()
    connection.request("GET", path, headers=headers)
    body = connection.getresponse().read()
    seconds = time.monotonic() - begun
    text = body.decode()
    return Page(
        seconds,
        len(re.findall(r"^calltools_queue_available_agents\{", text, re.MULTILINE)),
        sum(1 for line in text.splitlines() if not line.startswith("#")),
        len(body),
    )
