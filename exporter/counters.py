"""The exporter's own counters: its requests to the API, its server and its own state."""

import platform
import threading
from bisect import bisect_left
from collections import Counter as Tally
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import accumulate

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from exporter import __version__
from exporter.errors import HTTP_CODES, WORD_CODES
from exporter.logs import dropped_lines
from exporter.snapshot import Attempt

# Otherwise each counter has a second series with the time of its creation.
prometheus_client.disable_created_metrics()

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

_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


def _by_code() -> Tally[str]:
    return Tally(dict.fromkeys((*HTTP_CODES, *WORD_CODES), 0))


@dataclass(slots=True)
class _AccountCounts:
    """The counts of one account; ``buckets`` are not cumulative."""

    requests: int = 0
    connections: int = 0
    coalesced: int = 0
    seconds: float = 0.0
    buckets: list[int] = field(default_factory=lambda: [0] * (len(_BUCKETS) + 1))
    errors: Tally[str] = field(default_factory=_by_code)
    changes: Tally[str] = field(default_factory=lambda: Tally(appeared=0, vanished=0))


class ServerCounters:
    """Count dropped connections and answers of `/available`.

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


class Counters:
    """Count requests to the API, and report on the exporter itself.

    All series of an account exist, at 0, from the start, so that a first error is an increase. A
    request that ends after a reload has removed its account is not counted, or its series would
    come back.

    ``registry`` holds what does not belong to an account; others may add to it.
    """

    def __init__(self, accounts: Collection[str]) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._lock = threading.Lock()
        self._accounts: dict[str, _AccountCounts] = {}
        self._reload_successful = Gauge(
            "calltools_exporter_config_last_reload_successful",
            "Whether the last reload of the configuration succeeded (1) or not (0).",
            registry=self.registry,
        )
        self._reloaded_at = Gauge(
            "calltools_exporter_config_last_reload_success_timestamp_seconds",
            "Time of the last successful reload of the configuration, in Unix time.",
            registry=self.registry,
        )
        Gauge(
            "calltools_exporter_build_info",
            "Always 1; the labels are the versions of the exporter and of Python.",
            ("version", "python_version"),
            registry=self.registry,
        ).labels(__version__, platform.python_version()).set(1)
        prometheus_client.ProcessCollector(registry=self.registry)
        prometheus_client.PlatformCollector(registry=self.registry)
        self.server = ServerCounters(self.registry)
        self.retain(accounts)

    def families(self, account: str | None = None) -> Iterator[Metric]:
        """Return all families; with an account, those by account hold only its samples."""
        with self._lock:
            families = _account_families(
                {name: counts for name, counts in self._accounts.items() if account in (None, name)}
            )
        yield from families
        yield from self.registry.collect()
        # The log counts them itself, because it exists before any registry.
        yield CounterMetricFamily(
            "calltools_exporter_dropped_log_lines",
            "Log lines that were dropped because their reader was too slow.",
            value=dropped_lines(),
        )

    def retain(self, accounts: Collection[str]) -> None:
        """Create series for these accounts and remove all others; existing ones keep counting."""
        with self._lock:
            self._accounts = {
                name: self._accounts.get(name) or _AccountCounts() for name in accounts
            }

    def reloaded(self, at: float | None) -> None:
        """Record that a configuration was accepted, at a Unix time, or (None) refused."""
        self._reload_successful.set(at is not None)
        if at is not None:
            self._reloaded_at.set(at)

    def attempt(self, account: str, attempt: Attempt) -> None:
        """Count an attempted request."""
        with self._lock:
            counts = self._counts(account)
            counts.requests += 1
            counts.seconds += attempt.seconds
            counts.buckets[bisect_left(_BUCKETS, attempt.seconds)] += 1
            if attempt.code is not None:
                counts.errors[attempt.code] += 1

    def connection(self, account: str) -> None:
        """Count a connection that was opened."""
        with self._lock:
            self._counts(account).connections += 1

    def coalesced(self, account: str) -> None:
        """Count a fetch that was shared instead of sent."""
        with self._lock:
            self._counts(account).coalesced += 1

    def queues_changed(self, account: str, *, appeared: int, vanished: int) -> None:
        """Count queues that appeared in the account's list or vanished from it."""
        with self._lock:
            self._counts(account).changes.update(appeared=appeared, vanished=vanished)

    def _counts(self, account: str) -> _AccountCounts:
        """Return the counts of an account; others, shown nowhere, if a reload has removed it."""
        return self._accounts.get(account) or _AccountCounts()


def _account_families(accounts: dict[str, _AccountCounts]) -> list[Metric]:
    requests = CounterMetricFamily(
        "calltools_api_requests",
        "Attempted requests to the API, including failed connections.",
        labels=("account",),
    )
    errors = CounterMetricFamily(
        "calltools_api_errors",
        "Failed requests to the API, by status code, or by a word where there is none.",
        labels=("account", "code"),
    )
    durations = HistogramMetricFamily(
        "calltools_api_request_duration_seconds",
        "Duration of requests to the API, from sending until the end of the answer or the failure.",
        labels=("account",),
    )
    connections = CounterMetricFamily(
        "calltools_api_connections",
        "Connections opened to the API.",
        labels=("account",),
    )
    coalesced = CounterMetricFamily(
        "calltools_api_coalesced_fetches",
        "Fetches that a scrape shared with another one instead of sending its own request.",
        labels=("account",),
    )
    changes = CounterMetricFamily(
        "calltools_account_queue_changes",
        "Queues that appeared in the account's list or vanished from it, with queues: all.",
        labels=("account", "change"),
    )
    bounds = (*map(str, _BUCKETS), "+Inf")
    for name, counts in accounts.items():
        requests.add_metric((name,), counts.requests)
        for code, number in counts.errors.items():
            errors.add_metric((name, code), number)
        buckets = list(zip(bounds, map(float, accumulate(counts.buckets)), strict=True))
        durations.add_metric((name,), buckets, counts.seconds)
        connections.add_metric((name,), counts.connections)
        coalesced.add_metric((name,), counts.coalesced)
        for change, number in counts.changes.items():
            changes.add_metric((name, change), number)
    return [requests, errors, durations, connections, coalesced, changes]
