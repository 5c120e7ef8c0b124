"""Processes under measurement: what they cost, as the kernel counts it, and on which core."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Self

_CORES = sorted(os.sched_getaffinity(0))
#: Who is measured has the last core for itself; the API and who asks share the others.
CLIENT_CORES = set(_CORES[-1:])
API_CORES = set(_CORES[:-1]) or CLIENT_CORES


def pin(cores: set[int], process: int = 0) -> None:
    """Keep a process, by default this one, on these cores."""
    os.sched_setaffinity(process, cores)


@dataclass(frozen=True)
class Cost:
    """What a process has used so far: user and system time of all its threads, and memory."""

    cpu_seconds: float
    mebibytes: float
    peak_mebibytes: float


def cost_of(process: int) -> Cost:
    """Read a process's CPU time (clock_getcpuclockid(3)) and resident memory (proc(5))."""
    cpu_clock = ~process << 3 | 2
    status = Path(f"/proc/{process}/status").read_text()
    memory = {
        name: int(value.split()[0]) / 1024
        for name, _, value in (line.partition(":") for line in status.splitlines())
        if name in {"VmRSS", "VmHWM"}
    }
    return Cost(time.clock_gettime(cpu_clock), memory["VmRSS"], memory["VmHWM"])


class Measured:
    """A server under measurement on a core of its own, from its start to the end of `with`."""

    def __init__(
        self,
        command: Sequence[str | Path],
        port: int,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        self.port = port
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            command,
            env={**os.environ, **(environment or {})},
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        pin(CLIENT_CORES, self.process.pid)
        self._wait(shlex.join(map(str, command)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def cost(self) -> Cost:
        """Return what it has used so far."""
        return cost_of(self.process.pid)

    def connect(self) -> HTTPConnection:
        """Return a connection to be kept, as Prometheus keeps one."""
        return HTTPConnection("127.0.0.1", self.port, timeout=300)

    def _wait(self, command: str) -> None:
        while self.process.poll() is None and time.monotonic() < self.started + 30:
            with suppress(OSError):
                connection = self.connect()
                connection.connect()
                connection.close()
                return
            time.sleep(0.005)
        raise RuntimeError(f"{command} did not start; exit code {self.process.poll()}")
