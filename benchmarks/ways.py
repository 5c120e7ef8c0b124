"""Ways to be faster that keep `requests`: what each would save, measured."""

from __future__ import annotations

import ssl
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import trustme
from prometheus_client import Metric

from benchmarks.processes import CLIENT_CORES, pin
from benchmarks.profile import account
from benchmarks.report import median, table
from benchmarks.upstream import Upstream
from exporter import logs
from exporter.runtime import Runtime
from exporter.scrape.workers import Workers
from exporter.settings import Configuration
from exporter.web.negotiation import choose_format

__all__ = ["measure"]

THREADS = 16

RESUMED = (
    "not kept: connections live as long as the exporter, so there is a handshake only after the API"
    " has closed one, and the first ones have no session yet"
)
RENDERED = "not kept: a second way to write a page"
HANDED = "not kept: jobs keep silos apart and serve pages that overlap"
JOINED = (
    "nothing to join: the API is known to filter by one queue at a time. Pages share requests, and"
    " `max_age` saves those of a second server (see the table of peers)"
)

#: Families of a page that change only with the configuration or the schedule.
STATIC = (
    "calltools_queue_info",
    "calltools_queue_required_agents",
    "calltools_queue_open",
    "calltools_queue_utc_offset_seconds",
)


def measure(queues: int, rounds: int) -> str:
    """Return a table: each way, what it costs now and what it would."""
    logs.configure("error")
    pin(CLIENT_CORES)
    full, resumed = _handshakes(20 * rounds)
    whole, changing, request = _rendering(queues, rounds)
    jobs, loops = _hand_overs(queues * 4, rounds)
    saved = 1000 * (whole - changing) / queues
    rows = [
        ("TLS sessions resumed", f"{full:.2f} ms a handshake", f"{resumed:.2f} ms", RESUMED),
        (
            "static families as text made once",
            f"{whole:.1f} ms to render {queues} queues",
            f"{changing:.1f} ms",
            f"{RENDERED}; it would save {saved:.0f} µs of {1000 * request:.0f} µs a queue",
        ),
        (
            "threads that take the next queue, not jobs",
            f"{jobs:.0f} µs a hand-over",
            f"{loops:.0f} µs",
            f"{HANDED}; it would save {(jobs - loops) / 1000 / request:.1%} of a request",
        ),
        ("one request for several needs", "one a queue and status", "", JOINED),
    ]
    return table(("", "now", "with it", ""), rows, text=(0, 1, 2, 3))


def _handshakes(number: int) -> tuple[float, float]:
    """Return the client's CPU milliseconds for a full and for a resumed handshake (TLS 1.3)."""
    authority = trustme.CA()
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(served)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    session: ssl.SSLSession | None = None
    full: list[float] = []
    resumed: list[float] = []
    for costs in (full, resumed) * number:
        seconds, found, reused = _handshake(client, served, session if costs is resumed else None)
        if reused is not (costs is resumed and session is not None):
            raise RuntimeError("the session was not resumed")
        costs.append(1000 * seconds)
        session = found or session
    return median(full), median(resumed[1:])


def _handshake(
    client: ssl.SSLContext, served: ssl.SSLContext, session: ssl.SSLSession | None
) -> tuple[float, ssl.SSLSession | None, bool | None]:
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = served.wrap_bio(up, down, server_side=True)
    used = time.thread_time()
    connection = client.wrap_bio(down, up, server_hostname="localhost", session=session)
    used = time.thread_time() - used
    done = False
    while not done:
        begun = time.thread_time()
        done = _step(connection)
        used += time.thread_time() - begun
        _step(server)
    server.write(b"x")  # brings the session's ticket along
    connection.read()
    return used, connection.session, connection.session_reused


def _step(side: ssl.SSLObject) -> bool:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


class _Some:
    """Families to be rendered."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterator[Metric]:
        return iter(self._families)


def _rendering(queues: int, rounds: int) -> tuple[float, float, float]:
    """Return milliseconds for a page, for what changes of it, and CPU ms of a queue's request."""
    with tempfile.TemporaryDirectory() as name, Upstream(Path(name), queues, 0.05) as upstream:
        one = account(upstream)
        runtime = Runtime(Configuration((one,)))
        runtime.snapshot([one], 60)
        begun = time.process_time()
        runtime.snapshot([one], 60)
        request = (time.process_time() - begun) * 1000 / queues
        collector = runtime.metrics(account=None, exporter_only=False, budget_seconds=60)
    families = list(collector.collect())
    changing = [family for family in families if family.name not in STATIC]
    openmetrics = choose_format("application/openmetrics-text")
    costs: dict[int, list[float]] = {len(families): [], len(changing): []}
    for some in (families, changing) * rounds:
        begun = time.process_time()
        openmetrics.render(_Some(some))
        costs[len(some)].append((time.process_time() - begun) * 1000)
    return median(costs[len(families)]), median(costs[len(changing)]), request


def _hand_overs(number: int, rounds: int) -> tuple[float, float]:
    """Return microseconds of CPU a job, handed over one by one and taken from one list."""
    workers = Workers(THREADS)
    jobs, loops = [], []
    for _ in range(rounds):
        begun = time.process_time()
        done = threading.Semaphore(0)
        for _ in range(number):
            workers.submit("host", THREADS, done.release)
        for _ in range(number):
            done.acquire()
        jobs.append((time.process_time() - begun) * 1e6 / number)
        begun = time.process_time()
        _take_from_one_list(number)
        loops.append((time.process_time() - begun) * 1e6 / number)
    return median(jobs), median(loops)


def _take_from_one_list(number: int) -> None:
    done = threading.Semaphore(0)
    waiting = iter(range(number))

    def take() -> None:
        for _ in waiting:
            done.release()

    threads = [threading.Thread(target=take) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for _ in range(number):
        done.acquire()
    for thread in threads:
        thread.join()
