"""Growth: what more queues, more accounts and more replicas do to a page."""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.exporters import LATENCY, configured, read_page, start_exporter, started
from benchmarks.report import median, table

PARALLEL = 64


@dataclass(frozen=True)
class Size:
    """A number of accounts with a number of queues each."""

    accounts: int
    queues: int


def by_queues(numbers: Sequence[int], pages: int) -> str:
    """Return a table of one account with more and more queues."""
    return _sizes("queues", [Size(1, number) for number in numbers], pages)


def by_accounts(numbers: Sequence[int], queues: int, pages: int) -> str:
    """Return a table of more and more accounts with a number of queues each."""
    return _sizes("accounts", [Size(number, queues) for number in numbers], pages)


def _sizes(what: str, sizes: Sequence[Size], pages: int) -> str:
    rows = []
    for size in sizes:
        with (
            configured(size.queues, accounts=size.accounts, parallel=PARALLEL) as (path, _),
            started(path) as (exporter, connection),
        ):
            first = read_page(connection)
            seconds, cpu = [], []
            for _ in range(pages):
                before = exporter.cost().cpu_seconds
                page = read_page(connection)
                seconds.append(page.seconds)
                cpu.append(exporter.cost().cpu_seconds - before)
                if page.read != size.accounts * size.queues:
                    raise RuntimeError(f"{size}: only {page.read} queues were read")
            cost = exporter.cost()
        total = size.accounts * size.queues
        least = math.ceil(total / PARALLEL) * LATENCY
        name_of_row = f"{size.accounts} x {size.queues}" if what == "accounts" else str(total)
        rows.append(
            (
                name_of_row,
                f"{least:.2f}",
                f"{median(seconds):.2f}",
                f"{first.seconds:.2f}",
                f"{median(cpu):.2f}",
                f"{cost.mebibytes:.0f}",
            )
        )
    head = (
        "accounts x queues" if what == "accounts" else what,
        *("at least, s", "scrape, s", "first scrape, s", "CPU a scrape, s", "memory, MiB"),
    )
    return table(head, rows)


def by_silos(accounts: Sequence[int], queues: int, silos: int, budget: float, pages: int) -> str:
    """Return a table of accounts over several silos, with all of them well and then one silent."""
    rows = []
    for number in accounts:
        with (
            configured(queues, accounts=number, silos=silos) as (path, upstream),
            started(path) as (_, connection),
        ):
            first = read_page(connection, budget)
            later = [read_page(connection, budget) for _ in range(pages)]
            upstream.hang()
            hanging = [read_page(connection, budget) for _ in range(pages)]
        others = queues * (number - len(range(silos - 1, number, silos)))
        read = min(page.read for page in hanging)
        rows.append(
            (
                f"{number} x {queues}",
                f"{first.seconds:.2f}",
                f"{median(page.seconds for page in later):.2f}",
                f"{median(page.seconds for page in hanging):.2f}",
                f"{read} of {others}",
            )
        )
    one_hangs = ("scrape with one silo silent, s", "of the others' queues read")
    return table(("accounts x queues", "first scrape, s", "scrape, s", *one_hangs), rows)


def by_replicas(numbers: Sequence[int], size: Size, parallel: int, rounds: int) -> str:
    """Return a table of exporters that share the accounts by a hash, asked over `/probe`.

    All probes are sent at once; each exporter sends a number of requests at a time.
    """
    rows = []
    with configured(size.queues, accounts=size.accounts, parallel=parallel) as (path, _):
        for number in numbers:
            with ExitStack() as stack:
                exporters = [stack.enter_context(start_exporter(path)) for _ in range(number)]
                probes = []
                for account in (f"client-{index}" for index in range(size.accounts)):
                    exporter = exporters[zlib.crc32(account.encode()) % number]
                    connection = exporter.connect()
                    stack.callback(connection.close)
                    probes.append((connection, f"/probe?account={account}"))
                seconds, cpu = [], []
                pool = stack.enter_context(ThreadPoolExecutor(len(probes)))
                for _ in range(rounds + 1):
                    before = [exporter.cost().cpu_seconds for exporter in exporters]
                    begun = time.monotonic()
                    pages = list(pool.map(lambda probe: read_page(probe[0], path=probe[1]), probes))
                    seconds.append(time.monotonic() - begun)
                    cpu.append(
                        sum(exporter.cost().cpu_seconds for exporter in exporters) - sum(before)
                    )
                    if sum(page.read for page in pages) != size.accounts * size.queues:
                        raise RuntimeError(f"{number} replicas: not all queues were read")
                memory = sum(exporter.cost().mebibytes for exporter in exporters)
            rows.append(
                (
                    number,
                    f"{median(seconds[1:]):.2f}",
                    f"{median(cpu[1:]):.2f}",
                    f"{memory:.0f}",
                )
            )
    return table(("replicas", "all probes, s", "CPU of all, s", "memory of all, MiB"), rows)
