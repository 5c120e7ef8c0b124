"""Prometheus and promtool, run for a while to fill a data folder."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import requests

#: Prometheus answers at most 11 000 points a series.
_POINTS = 10_000


@dataclass(frozen=True, slots=True)
class Tools:
    """The programs that are run."""

    prometheus: Path
    promtool: Path

    @classmethod
    def find(cls, folder: Path | None = None) -> Self:
        """Return the programs of a folder, else those of the PATH.

        Raises:
            FileNotFoundError: one of them is missing.
        """
        found = []
        for name in ("prometheus", "promtool"):
            path = shutil.which(name, path=None if folder is None else str(folder))
            if path is None:
                msg = f"{name} is missing; `make tools` fetches it on Debian"
                raise FileNotFoundError(msg)
            found.append(Path(path).absolute())
        return cls(*found)

    def write_blocks(self, samples: Path, folder: Path) -> None:
        """Add a file of samples, in OpenMetrics with times, to a data folder."""
        command: list[str | Path] = [self.promtool, "tsdb", "create-blocks-from", "openmetrics"]
        longest = "--max-block-duration=486h"
        subprocess.run([*command, longest, samples, folder], check=True, stdout=subprocess.DEVNULL)


@dataclass(frozen=True, slots=True)
class Server:
    """A running Prometheus."""

    url: str

    def query_range(
        self, query: str, start: float, end: float, step: int
    ) -> Iterator[tuple[dict[str, str], list[tuple[float, str]]]]:
        """Yield the series of an expression: labels, and (Unix seconds, value) in pieces."""
        piece = _POINTS * step
        while start <= end:
            until = min(end, start + piece - step)
            data = {"query": query, "start": start, "end": until, "step": step, "timeout": "10m"}
            answer = requests.post(f"{self.url}/api/v1/query_range", data=data, timeout=600)
            found: dict[str, Any] = json.loads(answer.content)
            if not answer.ok:
                msg = f"{found.get('error')} in {query}"
                raise RuntimeError(msg)
            for series in found["data"]["result"]:
                yield series["metric"], series["values"]
            start = until + step


@contextlib.contextmanager
def server(folder: Path, tools: Tools, *, lookback: str) -> Iterator[Server]:
    """Run a Prometheus on a data folder, on loopback; a number older than `lookback` is none."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with tempfile.TemporaryDirectory(prefix="history-") as temporary:
        config, log = Path(temporary) / "prometheus.yml", Path(temporary) / "log"
        config.write_text("{}\n")
        command: list[str | Path] = [
            tools.prometheus,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder}",
            "--storage.tsdb.retention.time=10y",
            f"--query.lookback-delta={lookback}",
            f"--web.listen-address={address}",
        ]
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            _wait_until_ready(f"http://{address}/-/ready", process, log)
            yield Server(f"http://{address}")
        finally:
            process.terminate()
            process.wait()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    while process.poll() is None:
        with contextlib.suppress(requests.ConnectionError):
            if requests.get(url, timeout=10).ok:
                return
        time.sleep(0.05)
    msg = f"prometheus ended with {process.returncode}: {log.read_text(errors='replace')}"
    raise RuntimeError(msg)
