"""A burst: by how much hundreds of scrapes that arrive at once delay one more."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack

from benchmarks.exporters import configured, read_page, started
from benchmarks.processes import Measured
from benchmarks.report import median

_REQUEST = (
    b"GET /metrics HTTP/1.1\r\nHost: exporter\r\nAccept-Encoding: gzip\r\n"
    b"Accept: application/openmetrics-text;version=1.0.0\r\nConnection: close\r\n\r\n"
)


def measure(queues: int, clients: int, rounds: int) -> str:
    """Return how long a scrape takes alone, and amid a burst of others on new connections."""
    alone, amid = [], []
    with configured(queues) as (path, _), started(path) as (exporter, connection):
        read_page(connection)
        for _ in range(rounds):
            alone.append(read_page(connection).seconds)
            amid.append(_scrape_amid(exporter, clients))
    delay = median(burst - usual for usual, burst in zip(alone, amid, strict=True))
    return (
        f"A burst of {clients} scrapes of {queues} queues, each on a new connection, delays one"
        f" that arrives in its middle by {delay:.2f} s: it takes {median(amid):.2f} s, alone"
        f" {median(alone):.2f} s (medians of {rounds}). The aim is 0.1 s.\n"
    )


def _scrape_amid(exporter: Measured, clients: int) -> float:
    with ExitStack() as stack:
        open_now = [stack.enter_context(_send(exporter)) for _ in range(clients // 2)]
        begun = time.monotonic()
        mine = stack.enter_context(_send(exporter))
        open_now += [stack.enter_context(_send(exporter)) for _ in range(clients // 2)]
        _read(mine)
        seconds = time.monotonic() - begun
        for client in open_now:
            _read(client)
        return seconds


def _send(exporter: Measured) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", exporter.port), timeout=60)
    client.sendall(_REQUEST)
    return client


def _read(client: socket.socket) -> None:
    answer = client.recv(64 * 1024)
    while piece := client.recv(64 * 1024):
        answer += piece
    if not answer.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError("a scrape was refused")
