"""What the exporter costs: CPU, memory, its growth, and the time from start to first page."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.exporters import configured, read_page, started
from benchmarks.report import median, table


def cpu(queues: int, rounds: int) -> str:
    """Return the CPU time of a queue and scrape, asked and not asked (`max_age`)."""
    asked: list[float] = []
    kept: list[float] = []
    with (
        configured(queues) as (path, _),
        configured(queues, max_age="5m") as (keeping_path, _),
        started(path) as asking,
        started(keeping_path) as keeping,
    ):
        servers = [(*asking, asked), (*keeping, kept)]
        for _, connection, _ in servers:
            read_page(connection)
        for _ in range(rounds):
            for exporter, connection, costs in servers:
                before = exporter.cost().cpu_seconds
                read_page(connection)
                costs.append((exporter.cost().cpu_seconds - before) * 1000 / queues)
    whole, page = median(asked), median(kept)
    return (
        f"CPU of the whole process, {queues} queues, medians of {rounds} scrapes: {whole:.2f} ms"
        f" per queue and scrape, {page:.2f} ms of it for the output and {whole - page:.2f} ms for"
        " the request. The limit is 1.5 ms, the aim 1.0 ms.\n"
    )


def memory(sizes: Sequence[int], pages: int) -> str:
    """Return a table of resident memory."""
    rows = []
    for queues in sizes:
        with (
            configured(queues, latency=0.01, parallel=32) as (path, _),
            started(path) as (exporter, connection),
        ):
            for _ in range(pages):
                page = read_page(connection)
            cost = exporter.cost()
        rows.append(
            (
                f"{queues} queues",
                f"{cost.mebibytes:.0f}",
                f"{cost.peak_mebibytes:.0f}",
                page.samples,
                f"{page.bytes / 1024:.0f}",
            )
        )
    head = ("", "MiB", "MiB at most", "samples of a scrape", "KiB of a scrape")
    return f"Resident memory after {pages} scrapes; the limit is 100 MB.\n\n" + table(head, rows)


def growth_over_scrapes(scrapes: int, queues: int) -> str:
    """Return what many scrapes leave behind."""
    rows = []
    with (
        configured(queues, latency=0) as (path, _),
        started(path) as (exporter, connection),
    ):
        process = Path(f"/proc/{exporter.process.pid}")
        marks = {scrapes // 10, scrapes // 2, scrapes}
        for number in range(1, scrapes + 1):
            read_page(connection)
            if number in marks:
                threads = len(list((process / "task").iterdir()))
                files = len(list((process / "fd").iterdir()))
                rows.append((number, f"{exporter.cost().mebibytes:.2f}", threads, files))
    return f"{queues} queues, scraped many times:\n\n" + table(
        ("scrapes", "MiB", "threads", "open files"), rows
    )


def start(rounds: int) -> str:
    """Return how long it takes from the start of the process to the end of its first page."""
    whole, listening = [], []
    with configured(10, latency=0) as (path, _):
        for _ in range(rounds):
            with started(path) as (exporter, connection):
                listening.append(time.monotonic() - exporter.started)
                read_page(connection)
                whole.append(time.monotonic() - exporter.started)
    return (
        f"The process listens {median(listening):.2f} s after its start, and its first scrape, of"
        f" 10 queues, is complete after {median(whole):.2f} s (medians of {rounds}, slowest"
        f" {max(whole):.2f} s). The limit is 1 s, the aim 0.6 s.\n"
    )
