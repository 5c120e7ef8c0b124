"""Against the limit: how near is a page to ceil(queues / parallel) * latency?

A round starts an exporter for every case, one after the other, and takes of each its first page,
which verifies the filters and reads the lists, and a second one. The rounds alternate between the
cases, so that what disturbs the machine disturbs all of them.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks import bare
from benchmarks.exporters import configured, read_page, started
from benchmarks.report import median, table, times

#: The aims hold up to this number of requests a second.
RATE = 500
WARM, COLD = 1.15, 1.3
#: Seconds from the start to the first page: Prometheus comes after half an interval on average.
BEFORE_FIRST = 1.0


@dataclass(frozen=True)
class Case:
    """A number of queues, of requests at a time, and of seconds until an answer."""

    queues: int
    parallel: int
    latency: float

    @property
    def limit(self) -> float:
        """The least time that a page can take, in seconds."""
        return math.ceil(self.queues / self.parallel) * self.latency


@dataclass(frozen=True)
class Sample:
    """What one exporter took for its two pages, in seconds, and the API's share of a core.

    ``bare`` is what sockets alone took for the same requests.
    """

    cold: float
    warm: float
    bare: float
    warm_cpu: float
    api_share: float


def cases(queues: Sequence[int], parallel: Sequence[int], latency: Sequence[float]) -> list[Case]:
    """Return every combination."""
    return [
        Case(number, at_a_time, seconds)
        for seconds in latency
        for number in queues
        for at_a_time in parallel
    ]


def measure(found: Sequence[Case], rounds: int) -> str:
    """Return the table."""
    samples: dict[Case, list[Sample]] = defaultdict(list)
    for _ in range(rounds):
        for case in found:
            samples[case].append(_sample(case))
    return _tables(samples, rounds)


def _sample(case: Case) -> Sample:
    with configured(case.queues, case.latency, parallel=case.parallel) as (path, upstream):
        with started(path) as (exporter, connection):
            time.sleep(BEFORE_FIRST)
            cold = read_page(connection)
            seen, cost = upstream.seen(), exporter.cost()
            warm = read_page(connection)
            api, cpu = upstream.seen() - seen, exporter.cost().cpu_seconds - cost.cpu_seconds
        sockets = bare.scrape(upstream, case.parallel)
    if cold.read != case.queues or warm.read != case.queues:
        raise RuntimeError(f"{case}: only {cold.read} and {warm.read} queues were read")
    return Sample(cold.seconds, warm.seconds, sockets, cpu, api.cpu_seconds / warm.seconds)


def _tables(samples: dict[Case, list[Sample]], rounds: int) -> str:
    with_limit, without = [], []
    missed = []
    for case, taken in samples.items():
        cold = median(sample.cold for sample in taken)
        warm = median(sample.warm for sample in taken)
        sockets = median(sample.bare for sample in taken)
        cpu = 1000 * median(sample.warm_cpu for sample in taken) / case.queues
        share = f"{median(sample.api_share for sample in taken):.0%}"
        name = f"{case.queues} queues, {case.parallel} at a time"
        if not case.limit:
            rate = f"{case.queues / warm:.0f}"
            without.append(
                (name, f"{cold:.3f}", f"{warm:.3f}", f"{sockets:.3f}", rate, f"{cpu:.2f}", share)
            )
            continue
        over = case.queues / case.limit > RATE
        if not over and (warm > WARM * case.limit or cold > COLD * case.limit):
            missed.append(f"{name}, {1000 * case.latency:.0f} ms")
        with_limit.append(
            (
                f"{name}, {1000 * case.latency:.0f} ms" + " (over)" * over,
                f"{case.limit:.2f}",
                f"{warm:.3f} ({times(warm / case.limit)})",
                f"{cold:.3f} ({times(cold / case.limit)})",
                f"{sockets:.3f} ({times(sockets / case.limit)})",
                f"{cpu:.2f}",
                share,
            )
        )
    costs = ("exporter's CPU a queue, ms", "API's share of its core")
    return (
        f"Whole scrapes, from the request to the last byte, in seconds; medians of {rounds}. The"
        f" aim up to {RATE} requests a second is {times(WARM)} warm and {times(COLD)} for the"
        f" first scrape of a new process, {BEFORE_FIRST:.0f} s after it listens; (over) is above"
        " that rate. *Sockets alone* are threads that send the same requests on kept connections"
        " and look at nothing but the status: what they take is the API's and the machine's.\n\n"
        + table(("", "limit", "warm", "first scrape", "sockets alone", *costs), with_limit)
        + f"\nThe aim is missed by: {'; '.join(missed) or 'none'}.\n\nWithout latency there is no"
        " limit but the CPU:\n\n"
        + table(("", "first scrape", "warm", "sockets alone", "queues a second", *costs), without)
    )
