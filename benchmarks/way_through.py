"""500 queues, answers after 50 ms, 16 requests at a time: how near is a page to what is possible?

    python -m benchmarks.way_through

At best a page takes ceil(queues / parallel) * latency. The simulated API, over TLS, runs in a
process of its own, the exporter in another, and this one asks for pages as Prometheus does. Shown
are the ratios to the best of what the exporter took to ask, and of the whole page from the request
to its last byte. The first page, which also opens connections, proves filters and reads lists, is
shown apart.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import re
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import trustme
import yaml

from exporter.simulator import AVAILABLE, TOKEN, FixedWorld, SimulatedAccount, Simulator

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from typing import IO

ROOT = Path(__file__).parents[1]


def serve_api(pipe: Connection, ca_file: str, queues: int, latency: float) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(ca_file)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    world = FixedWorld({number: f"queue-{number}" for number in range(1, queues + 1)})
    world.set_available(1, 3)
    with Simulator(SimulatedAccount(world), tls=context, latency=latency) as simulator:
        pipe.send(simulator.url)
        pipe.recv()


def write_configuration(folder: Path, url: str, ca_file: str, queues: int, parallel: int) -> Path:
    account = {
        "name": "acme",
        "url": url,
        "token_env": "CALLTOOLS_TOKEN",
        "available_status": AVAILABLE,
        "max_parallel_requests": parallel,
        "tls": {"ca_file": ca_file},
        "queues": [{"id": number, "name": f"queue-{number}"} for number in range(1, queues + 1)],
    }
    path = folder / "exporter.yml"
    path.write_text(yaml.safe_dump({"accounts": [account]}))
    return path


def start_exporter(path: Path) -> tuple[subprocess.Popen[str], HTTPConnection]:
    """Start the exporter, and return what asks it over one kept connection, as Prometheus does."""
    exporter = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "exporter",
            f"--config.file={path}",
            "--web.listen-address=127.0.0.1:0",
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT), "CALLTOOLS_TOKEN": TOKEN},
        stderr=subprocess.PIPE,
        text=True,
    )
    log: IO[str] | None = exporter.stderr
    assert log is not None
    said = re.search(r"addresses=(\S+)", log.readline())
    assert said is not None
    address = urlsplit(said[1])
    assert address.hostname is not None
    return exporter, HTTPConnection(address.hostname, address.port)


def page(client: HTTPConnection, budget: float, queues: int) -> tuple[float, float]:
    """Return the seconds that the exporter took to ask, and those of the whole page."""
    begun = time.monotonic()
    headers = {
        "X-Prometheus-Scrape-Timeout-Seconds": str(budget + 0.5),
        "Accept": "application/openmetrics-text;version=1.0.0",
        "Accept-Encoding": "identity",
    }
    client.request("GET", "/metrics", headers=headers)
    text = client.getresponse().read().decode()
    whole = time.monotonic() - begun
    read = len(re.findall(r"^calltools_queue_available_agents\{", text, re.MULTILINE))
    if read != queues:
        sys.exit(f"only {read} of {queues} queues were read")
    asking = re.search(r"^calltools_scrape_duration_seconds (\S+)", text, re.MULTILINE)
    assert asking is not None
    return float(asking[1]), whole


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--queues", type=int, default=500)
    parser.add_argument("--latency", type=float, default=0.05, help="seconds; default 0.05")
    parser.add_argument("--parallel", type=int, default=16, help="requests at a time; default 16")
    parser.add_argument("--pages", type=int, default=5, help="after the first one; default 5")
    options = parser.parse_args()
    best = math.ceil(options.queues / options.parallel) * options.latency
    with tempfile.TemporaryDirectory() as folder:
        ca_file = str(Path(folder) / "ca.pem")
        pipe, theirs = multiprocessing.Pipe()
        arguments = (theirs, ca_file, options.queues, options.latency)
        api = multiprocessing.Process(target=serve_api, args=arguments)
        api.start()
        path = write_configuration(
            Path(folder), pipe.recv(), ca_file, options.queues, options.parallel
        )
        exporter, client = start_exporter(path)
        try:
            budget = max(60.0, 20 * best)
            _, first = page(client, budget, options.queues)
            pages = [page(client, budget, options.queues) for _ in range(options.pages)]
        finally:
            client.close()
            exporter.terminate()
            exporter.wait()
            pipe.send(None)
            api.join()
    asking, whole = (statistics.median(seconds) for seconds in zip(*pages, strict=True))
    print(
        f"{options.queues} queues, {options.latency * 1000:g} ms, {options.parallel} at a time:"
        f" at best {best:.2f} s; first page {first:.2f} s, then"
        f" asking {asking:.2f} s (x {asking / best:.2f}), whole page {whole:.2f} s"
        f" (x {whole / best:.2f}), median of {options.pages}"
    )


if __name__ == "__main__":
    main()
