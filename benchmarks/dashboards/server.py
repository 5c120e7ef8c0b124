"""A Prometheus on a data folder, which is asked questions and whose processor time is read."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Self


class Prometheus:
    """A server that scrapes nothing; a context manager."""

    def __init__(self, binary: Path, folder: Path, config: str = "{}") -> None:
        self._binary, self._folder, self._config = binary, folder, config
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._process: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        with tempfile.NamedTemporaryFile("w", suffix=".yml", delete=False) as file:
            file.write(self._config)
        self._process = subprocess.Popen(
            [
                self._binary,
                f"--config.file={file.name}",
                f"--storage.tsdb.path={self._folder}",
                "--storage.tsdb.retention.time=10y",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--log.level=error",
            ]
        )
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready"):
                    return self
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.1)
        raise TimeoutError("Prometheus is not ready")

    def __exit__(self, *exception: object) -> None:
        self._process.terminate()
        self._process.wait()

    def cpu_seconds(self) -> float:
        """Return the processor time that the server has used so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def query(self, expression: str, at: float) -> int:
        """Ask for a moment; return how many series came."""
        return len(self.ask("query", query=expression, time=at))

    def query_range(self, expression: str, start: float, end: float, step: int) -> int:
        """Ask for a range; return how many series came."""
        return len(self.ask("query_range", query=expression, start=start, end=end, step=step))

    def ask(self, path: str, **parameters: object) -> list[Any]:
        """Return the series of an answer."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}"
        data = urllib.parse.urlencode(parameters).encode()
        try:
            with urllib.request.urlopen(url, data) as answer:
                found: list[Any] = json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            raise ValueError(f"{parameters['query']}: {error.read().decode()}") from error
        return found
