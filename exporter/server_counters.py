"""Counters of the exporter's own server, as opposed to requests to the API."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from exporter.line_writer import dropped_lines

#: Why a connection is dropped.
DROP_REASONS = (
    "tls_handshake",
    "slow_request",
    "large_header",
    "bad_request",
    "slow_reader",
    "too_many_connections",
)
#: The answers of `/available`; ``refused`` stands for a request that was not processed.
AVAILABLE_ANSWERS = ("yes", "no", "unknown", "refused")

_AVAILABLE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class ServerCounters:
    """Count dropped connections, dropped log lines and answers of `/available`.

    Every series exists, at 0, from the start, so that a first event is an increase.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._dropped_connections = Counter(
            "calltools_exporter_dropped_connections",
            "Client connections that the exporter dropped, by reason.",
            ("reason",),
            registry=registry,
        )
        self._available_requests = Counter(
            "calltools_exporter_available_requests",
            "Requests to /available, by answer.",
            ("answer",),
            registry=registry,
        )
        self._available_durations = Histogram(
            "calltools_exporter_available_request_duration_seconds",
            "Duration of requests to /available, without refused ones.",
            buckets=_AVAILABLE_BUCKETS,
            registry=registry,
        )
        registry.register(_DroppedLogLines())
        for reason in DROP_REASONS:
            self._dropped_connections.labels(reason)
        for answer in AVAILABLE_ANSWERS:
            self._available_requests.labels(answer)

    def record_dropped_connection(self, reason: str) -> None:
        """Count a connection that was dropped, for one of `DROP_REASONS`."""
        self._dropped_connections.labels(reason).inc()

    def record_available(self, answer: str, seconds: float) -> None:
        """Count an answer of `/available`, one of `AVAILABLE_ANSWERS`, and its time."""
        self._available_requests.labels(answer).inc()
        if answer != "refused":
            self._available_durations.observe(seconds)


class _DroppedLogLines(Collector):
    """The log counts its dropped lines itself, because it exists before any registry."""

    def collect(self) -> Iterable[Metric]:
        """Return the one family."""
        yield CounterMetricFamily(
            "calltools_exporter_dropped_log_lines",
            "Log lines that were dropped because their reader was too slow.",
            value=dropped_lines(),
        )
