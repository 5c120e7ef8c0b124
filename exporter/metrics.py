"""Snapshot -> metric families, made anew for each page; and the exporter's own counters."""

from __future__ import annotations

import platform
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from typing import Final

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from exporter import __version__
from exporter.errors import HTTP_CODES, WORD_CODES
from exporter.snapshot import AgentDetail, Attempt, QueueSnapshot, Snapshot

__all__ = ["Counters", "ExporterCollector", "PageCollector", "ProbeCollector", "SnapshotCollector"]

# Each counter would otherwise come with a second series that says when it was made.
prometheus_client.disable_created_metrics()

_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_QUEUE: Final = ("account", "queue")

#: Name -> labels and help text of every family that is made from a Snapshot, in the page's order.
FAMILIES: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "calltools_queue_available_agents": (
        _QUEUE,
        (
            "Agents of the queue in an available status and ready (count of /api/agentstatuses/"
            " under queue, agent_status_id and ready=true). Absent when this scrape could not read"
            " it. An agent of two queues counts in both. One who is ready but not logged in counts"
            " too, but not with `detail: agents`, which reads agent_status, ready and logged_in."
        ),
    ),
    "calltools_queue_agents": (
        (*_QUEUE, "status"),
        "Agents of the queue by the name of their agent_status, each in one; with detail: agents.",
    ),
    "calltools_queue_logged_in_agents": (
        _QUEUE,
        "Agents of the queue with logged_in; with detail: agents, absent if a row does not say.",
    ),
    "calltools_queue_ready_agents": (
        _QUEUE,
        "Agents of the queue with ready; with detail: agents, absent if a row does not say.",
    ),
    "calltools_queue_available_since_timestamp_seconds": (
        _QUEUE,
        (
            "Since when the longest waiting available agent waits, in Unix time (the later of"
            " ready_since and agent_status_modified_on); with detail: agents."
        ),
    ),
    "calltools_queue_required_agents": (
        _QUEUE,
        "Agents that the queue needs, from the configuration; 0 asks for neither page nor warning.",
    ),
    "calltools_queue_open": (_QUEUE, "1 inside the queue's schedule, else 0."),
    "calltools_queue_utc_offset_seconds": (
        _QUEUE,
        "How far the clock of the schedule's time zone is ahead of UTC now; 0 without a schedule.",
    ),
    "calltools_queue_up": (
        _QUEUE,
        "1 if this scrape read the queue, else 0; there for every configured queue, always.",
    ),
    "calltools_queue_failure": (
        (*_QUEUE, "code"),
        "1 with the reason why the queue could not be read, only while calltools_queue_up is 0.",
    ),
    "calltools_queue_fetch_duration_seconds": (
        _QUEUE,
        "Time from the first request for the queue to its last answer; absent if none was sent.",
    ),
    "calltools_queue_last_success_timestamp_seconds": (
        _QUEUE,
        "When the queue was last read, in Unix time; absent before the first time.",
    ),
    "calltools_queue_info": (
        (*_QUEUE, "queue_id", "status_id", "team"),
        "1, with the queue's id in CallTools, the ids of its available statuses and its team.",
    ),
    "calltools_account_info": (("account", "host"), "1, with the host of the account's silo."),
    "calltools_up": (
        ("account",),
        "1 if the API gave the account at least one right answer in this scrape, else 0.",
    ),
    "calltools_account_failure": (
        ("account", "code"),
        "1 with the reason for a failure that concerns the whole account.",
    ),
    "calltools_api_hold_until_timestamp_seconds": (
        ("account",),
        "Until when the API asked to be left alone (Retry-After), in Unix time; absent otherwise.",
    ),
    "calltools_scrape_duration_seconds": ((), "Time that this scrape took to ask the API."),
    "calltools_scrape_budget_seconds": ((), "Time that this scrape had to ask the API."),
}


def _family(name: str) -> GaugeMetricFamily:
    labels, documentation = FAMILIES[name]
    return GaugeMetricFamily(name, documentation, labels=labels)


class SnapshotCollector(Collector):
    """Render one Snapshot; it asks nobody anything."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def describe(self) -> Iterable[Metric]:
        """Return the families without samples."""
        return [_family(name) for name in FAMILIES]

    def collect(self) -> Iterable[Metric]:
        """Return the families with what the Snapshot holds; none is shown without a sample."""
        families = {name: _family(name) for name in FAMILIES}
        for queue in self._snapshot.queues:
            _add_queue(families, queue)
        for summary in self._snapshot.accounts:
            account = summary.account
            families["calltools_account_info"].add_metric((account.name, account.host), 1)
            families["calltools_up"].add_metric((account.name,), summary.up)
            if summary.hold_until is not None:
                hold = families["calltools_api_hold_until_timestamp_seconds"]
                hold.add_metric((account.name,), summary.hold_until)
            for failure in summary.failures:
                families["calltools_account_failure"].add_metric((account.name, failure.code), 1)
        snapshot = self._snapshot
        families["calltools_scrape_duration_seconds"].add_metric((), snapshot.duration_seconds)
        families["calltools_scrape_budget_seconds"].add_metric((), snapshot.budget_seconds)
        return [family for family in families.values() if family.samples]


def _add_queue(families: dict[str, GaugeMetricFamily], snapshot: QueueSnapshot) -> None:
    account, queue, result = snapshot.account, snapshot.queue, snapshot.result
    labels = (account.name, queue.name)

    def add(name: str, value: float, *more: str) -> None:
        families[f"calltools_queue_{name}"].add_metric((*labels, *more), value)

    if result.available is not None:
        add("available_agents", result.available)
    if result.detail is not None:
        _add_detail(add, result.detail)
    add("required_agents", queue.required_agents)
    add("open", snapshot.open)
    add("utc_offset_seconds", snapshot.utc_offset)
    add("up", result.failure is None)
    if result.failure is not None:
        add("failure", 1, result.failure.code)
    if result.duration_seconds is not None:
        add("fetch_duration_seconds", result.duration_seconds)
    if snapshot.last_success_at is not None:
        add("last_success_timestamp_seconds", snapshot.last_success_at)
    statuses = ",".join(str(status) for status in queue.status_ids)
    add("info", 1, str(queue.id), statuses, queue.team)


def _add_detail(add: Callable[..., None], detail: AgentDetail) -> None:
    for status, number in detail.by_status:
        add("agents", number, status)
    if detail.logged_in is not None:
        add("logged_in_agents", detail.logged_in)
    if detail.ready is not None:
        add("ready_agents", detail.ready)
    if detail.available_since is not None:
        add("available_since_timestamp_seconds", detail.available_since)


class Counters:
    """Count what is done to the API, and tell of the exporter itself.

    All series of an account are there, at 0, from the start: a first error must be an increase.
    What ends after its account has left with a reload is not counted, or they would come back.
    """

    def __init__(self, accounts: Collection[str]) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._requests = Counter(
            "calltools_api_requests",
            "Requests to the API that were tried, failed connections included.",
            ("account",),
            registry=self.registry,
        )
        self._errors = Counter(
            "calltools_api_errors",
            "Requests to the API that failed, by status code or by a word for what has none.",
            ("account", "code"),
            registry=self.registry,
        )
        self._durations = Histogram(
            "calltools_api_request_duration_seconds",
            "Time from sending a request to the end of its answer, or to its failure.",
            ("account",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._connections = Counter(
            "calltools_api_connections",
            "Connections to the API that were opened.",
            ("account",),
            registry=self.registry,
        )
        self._coalesced = Counter(
            "calltools_api_coalesced_fetches",
            "Fetches that a scrape shared with one already under way instead of sending its own.",
            ("account",),
            registry=self.registry,
        )
        self._queue_changes = Counter(
            "calltools_account_queue_changes",
            "Queues that appeared in the account's list or vanished from it, where all are asked.",
            ("account", "change"),
            registry=self.registry,
        )
        self._reload_successful = Gauge(
            "calltools_exporter_config_last_reload_successful",
            "1 if the configuration was accepted when it was last read, else 0.",
            registry=self.registry,
        )
        self._reloaded_at = Gauge(
            "calltools_exporter_config_last_reload_success_timestamp_seconds",
            "When a configuration was last accepted, in Unix time.",
            registry=self.registry,
        )
        Gauge(
            "calltools_exporter_build_info",
            "1, with the version of the exporter and of Python.",
            ("version", "python_version"),
            registry=self.registry,
        ).labels(__version__, platform.python_version()).set(1)
        prometheus_client.ProcessCollector(registry=self.registry)
        prometheus_client.PlatformCollector(registry=self.registry)
        self._accounts: set[str] = set()
        self.keep(accounts)

    def keep(self, accounts: Collection[str]) -> None:
        """Have the series of these accounts, and of no other; those that stay keep their counts."""
        by_account = (self._requests, self._durations, self._connections, self._coalesced)
        for account in self._accounts.difference(accounts):
            for metric in by_account:
                metric.remove(account)
            self._errors.remove_by_labels({"account": account})
            self._queue_changes.remove_by_labels({"account": account})
        for account in accounts:
            for metric in by_account:
                metric.labels(account)
            for code in (*HTTP_CODES, *WORD_CODES):
                self._errors.labels(account, code)
            for change in ("appeared", "vanished"):
                self._queue_changes.labels(account, change)
        self._accounts = set(accounts)

    def queues_changed(self, account: str, *, appeared: int, vanished: int) -> None:
        """Count queues that came to the account's list or left it."""
        if account in self._accounts:
            self._queue_changes.labels(account, "appeared").inc(appeared)
            self._queue_changes.labels(account, "vanished").inc(vanished)

    def reloaded(self, at: float | None) -> None:
        """Note that a configuration was accepted, at a Unix time, or (None) refused."""
        self._reload_successful.set(at is not None)
        if at is not None:
            self._reloaded_at.set(at)

    def attempt(self, account: str, attempt: Attempt) -> None:
        """Count a request that was tried."""
        if account not in self._accounts:
            return
        self._requests.labels(account).inc()
        self._durations.labels(account).observe(attempt.seconds)
        if attempt.code is not None:
            self._errors.labels(account, attempt.code).inc()

    def connection(self, account: str) -> None:
        """Count a connection that was opened."""
        if account in self._accounts:
            self._connections.labels(account).inc()

    def coalesced(self, account: str) -> None:
        """Count a fetch that was shared instead of sent."""
        if account in self._accounts:
            self._coalesced.labels(account).inc()


class ExporterCollector(Collector):
    """Render the counters, of all accounts or of one."""

    def __init__(self, counters: Counters, account: str | None = None) -> None:
        self._counters = counters
        self._account = account

    def describe(self) -> Iterable[Metric]:
        """Return the families without samples."""
        for metric in self._counters.registry.collect():
            yield Metric(metric.name, metric.documentation, metric.type)

    def collect(self) -> Iterator[Metric]:
        """Return the families; with an account, of the others' samples none."""
        for metric in self._counters.registry.collect():
            if self._account is not None:
                metric.samples = [
                    sample
                    for sample in metric.samples
                    if sample.labels.get("account", self._account) == self._account
                ]
            yield metric


class ProbeCollector(SnapshotCollector):
    """Render what concerns the queues, and without a single one of them whether the API answers."""

    def __init__(self, snapshot: Snapshot, *, with_account: bool) -> None:
        # When a queue was read before is known to one replica and not to the other.
        queues = (
            one if one.result.failure is None else replace(one, last_success_at=None)
            for one in snapshot.queues
        )
        super().__init__(replace(snapshot, queues=tuple(queues)))
        self._with_account = with_account

    def collect(self) -> Iterable[Metric]:
        """Return the families that a probe tells of."""
        return [
            family
            for family in super().collect()
            if family.name.startswith("calltools_queue_")
            or (self._with_account and family.name == "calltools_up")
        ]


class PageCollector(Collector):
    """Render several collectors in their order, so that the counters come last."""

    def __init__(self, *collectors: Collector) -> None:
        self._collectors = collectors

    def collect(self) -> Iterator[Metric]:
        """Return all families."""
        for collector in self._collectors:
            yield from collector.collect()
