"""Fill a Prometheus data folder with a centre's past, and with what the rules make of it."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import structlog
import yaml

from tests.history.centre import Centre
from tests.history.pages import pages
from tests.history.server import Server, Tools, server
from tests.history.stages import Filling, stages

Span = tuple[float, float]

#: A scrape a minute: just as often as the rules take a number for fresh.
STEP = 60
#: The rules' own idea of fresh. There are no marks of staleness in what is written here.
_FRESH = "75s"
#: So many exporters there were, one after the other: their counters begin anew.
_RESTARTS = 4
_TARGET = 'instance="history:15457",job="calltools"'
_RULES = Path(__file__).parents[2] / "prometheus/rules"
_RULE_FILES = ("calltools.recording.yml", "calltools.alerts.yml")


def backfill(
    make: Callable[[], Centre],
    folder: Path,
    *,
    spans: Sequence[Span],
    tools: Tools,
    rules: bool = True,
) -> None:
    """Fill a folder with the exporter's pages in these spans, in Unix seconds, and with the rules.

    Each process makes the centre for itself, and is one exporter after the other.
    """
    folder.mkdir(parents=True)
    spans = [(start // STEP * STEP, end // STEP * STEP) for start, end in spans]
    workers = os.cpu_count() or 1
    pieces = [piece for span in spans for piece in _pieces(span)]
    with ProcessPoolExecutor(workers) as pool:
        for done in [pool.submit(_write_pages, make, piece, folder, tools) for piece in pieces]:
            done.result()
        files = [yaml.safe_load((_RULES / name).read_text()) for name in _RULE_FILES]
        for stage in stages(files, scrape=STEP) if rules else ():
            with server(folder, tools, lookback=_FRESH) as prometheus:
                for done in [
                    pool.submit(
                        _write_rules, prometheus, stage[part::workers], spans, folder, tools
                    )
                    for part in range(min(workers, len(stage)))
                ]:
                    done.result()


def _pieces(span: Span) -> Iterator[list[float]]:
    """Divide a span into the scrapes of several exporters, on whatever machine this is."""
    start, end = span
    times = [start + STEP * index for index in range(int((end - start) // STEP) + 1)]
    length = -(-len(times) // _RESTARTS)
    for first in range(0, len(times), length):
        yield times[first : first + length]


def _write_pages(
    make: Callable[[], Centre], times: list[float], folder: Path, tools: Tools
) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with tempfile.TemporaryDirectory(prefix="history-") as temporary:
        file = Path(temporary) / "pages.om"
        with file.open("w") as lines:
            for at, page in pages(make(), times):
                samples = (line for line in page.splitlines() if not line.startswith("#"))
                lines.writelines(_sample(line, at) for line in samples)
                lines.write(f"up{{{_TARGET}}} 1 {at:.0f}\n")
            lines.write("# EOF\n")
        tools.write_blocks(file, folder)


def _sample(line: str, at: float) -> str:
    """Return a sample with the labels that a target has, and its time."""
    name, value = line.rsplit(" ", 1)
    labelled = f"{name[:-1]},{_TARGET}}}" if name.endswith("}") else f"{name}{{{_TARGET}}}"
    return f"{labelled} {value} {at:.0f}\n"


def _write_rules(
    prometheus: Server, fillings: list[Filling], spans: list[Span], folder: Path, tools: Tools
) -> None:
    with tempfile.TemporaryDirectory(prefix="history-") as temporary:
        file = Path(temporary) / "rules.om"
        with file.open("w") as lines:
            for filling in fillings:
                for start, end in spans:
                    first = start // filling.step * filling.step
                    for labels, points in prometheus.query_range(
                        filling.query, first, end, filling.step
                    ):
                        name = _name({**labels, **filling.labels})
                        lines.writelines(f"{name} {value} {at:.0f}\n" for at, value in points)
            lines.write("# EOF\n")
        tools.write_blocks(file, folder)


def _name(labels: dict[str, str]) -> str:
    """Write a series as text; no value here has a quote or a backslash."""
    pairs = ",".join(f'{key}="{value}"' for key, value in labels.items() if key != "__name__")
    return f"{labels['__name__']}{{{pairs}}}"
