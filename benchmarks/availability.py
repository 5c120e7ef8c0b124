"""Where can this call go now: how long `/available` takes beside the scrapes of a Prometheus.

Questions come at a steady rate, whatever becomes of the ones before, each for another queue. Their
time runs from when they were due, so that one that had to wait for the asker counts in full. Those
that `max_age` lets answer from memory are distinguished from those that asked the API by their age.
"""

from __future__ import annotations

import json
import math
import queue
import random
import statistics
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection

from benchmarks.exporters import LATENCY, configured, read_page, started
from benchmarks.processes import Measured
from benchmarks.report import median, table

PARALLEL = 32
#: With `max_age`, a number that is older than this when it arrives was not asked for.
KEPT_SECONDS = 0.02


@dataclass(frozen=True)
class Work:
    """How much is asked, and for how long."""

    queues: int = 600
    rates: tuple[int, ...] = (1, 20, 100)
    seconds: float = 20.0
    scrape_interval: float = 15.0


@dataclass(frozen=True)
class Answer:
    """How long one question took, and how old its number was."""

    seconds: float
    age_seconds: float


def measure(work: Work) -> str:
    """Return the table."""
    rows = []
    with (
        configured(work.queues, parallel=PARALLEL) as (path, _),
        started(path) as (exporter, connection),
    ):
        read_page(connection)
        alone = median(read_page(connection).seconds for _ in range(3))
        for max_age in (0, 5):
            for rate in work.rates:
                answers, scrapes = _ask(exporter, rate, max_age, work)
                beside = f"{median(scrapes) / alone:.2f} x"
                rows += _rows(rate, max_age, answers, beside)
    return (
        f"{work.queues} queues, an answer of the API after {1000 * LATENCY:.0f} ms over TLS, a"
        f" scrape every {work.scrape_interval:g} s with {PARALLEL} requests at a time,"
        f" {work.seconds:g} s of questions for each row; in milliseconds. The aim is a p99 of at"
        f" most 10 ms from memory, and {1000 * LATENCY + 30:.0f} ms for those that ask.\n\n"
        + table(
            (
                *("questions a second", "`max_age`", "answered", "questions"),
                *("p50", "p95", "p99", "a scrape beside it"),
            ),
            rows,
            text=(2,),
        )
    )


def _rows(
    rate: int, max_age: int, answers: Sequence[Answer], beside: str
) -> list[tuple[object, ...]]:
    fresh = KEPT_SECONDS if max_age else math.inf
    asked = [answer.seconds for answer in answers if answer.age_seconds < fresh]
    kept = [answer.seconds for answer in answers if answer.age_seconds >= fresh]
    return [
        (
            rate,
            max_age,
            how,
            len(seconds),
            *(f"{1000 * part:.1f}" for part in _parts(seconds)),
            beside,
        )
        for how, seconds in (("by asking", asked), ("from memory", kept))
        if len(seconds) > 1 and (max_age or how == "by asking")
    ]


def _parts(seconds: Sequence[float]) -> tuple[float, float, float]:
    """Return the median, the 95th and the 99th of a hundred."""
    parts = statistics.quantiles(seconds, n=100, method="inclusive")
    return parts[49], parts[94], parts[98]


def _ask(
    exporter: Measured, rate: int, max_age: int, work: Work
) -> tuple[list[Answer], list[float]]:
    """Return the answers to questions at this rate, and the seconds of the scrapes beside them."""
    answers: list[Answer] = []
    scrapes: list[float] = []
    connections: queue.SimpleQueue[HTTPConnection] = queue.SimpleQueue()
    dice = random.Random(rate)
    numbers = [dice.randint(1, work.queues) for _ in range(round(rate * work.seconds))]
    ended = threading.Event()

    def scrape() -> None:
        connection = exporter.connect()
        while not ended.is_set():
            # Not looked at: that would keep the questions from being asked in time.
            scraped_at = time.monotonic()
            connection.request("GET", "/metrics")
            connection.getresponse().read()
            scrapes.append(time.monotonic() - scraped_at)
            ended.wait(work.scrape_interval - scrapes[-1])
        connection.close()

    def ask(number: int, due: float) -> None:
        try:
            connection = connections.get_nowait()
        except queue.Empty:
            connection = exporter.connect()
        connection.request(
            "GET", f"/available?account=client-0&queue={number}&timeout=5&max_age={max_age}"
        )
        body = json.loads(connection.getresponse().read())
        seconds = time.monotonic() - due
        connections.put(connection)
        if body["can_take_call"] is None:
            raise RuntimeError(f"queue {number} was not read: {body}")
        answers.append(Answer(seconds, body["age_seconds"]))

    scraping = threading.Thread(target=scrape)
    scraping.start()
    begun = time.monotonic()
    with ThreadPoolExecutor(64) as pool:
        asked = []
        for index, number in enumerate(numbers):
            due = begun + index / rate
            time.sleep(max(0.0, due - time.monotonic()))
            asked.append(pool.submit(ask, number, due))
        for future in asked:
            future.result()
    ended.set()
    scraping.join()
    while not connections.empty():
        connections.get().close()
    return answers, scrapes
