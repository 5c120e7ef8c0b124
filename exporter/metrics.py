"""Snapshot -> metric families, new for each scrape."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeAlias

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from exporter.snapshot import AgentDetail, QueueSnapshot, Snapshot

_QUEUE = ("account", "queue")
_NO_DETAIL = AgentDetail((), None, None, None)

#: Name -> labels and help text of every family made from a Snapshot, in order.
FAMILIES: dict[str, tuple[tuple[str, ...], str]] = {
    "calltools_queue_available_agents": (
        _QUEUE,
        (
            "Agents of the queue who are in an available status and ready (count of"
            " /api/agentstatuses/ filtered by queue, agent_status_id and ready=true). Absent if"
            " this scrape could not read the queue. An agent of two queues counts in both. An"
            " agent who is ready but not logged in counts, except with detail: agents, which reads"
            " agent_status, ready and logged_in."
        ),
    ),
    "calltools_queue_agents": (
        (*_QUEUE, "status"),
        "Agents of the queue by the name of their agent_status; only with detail: agents.",
    ),
    "calltools_queue_logged_in_agents": (
        _QUEUE,
        "Agents of the queue with logged_in; only with detail: agents. Absent if a row lacks it.",
    ),
    "calltools_queue_ready_agents": (
        _QUEUE,
        "Agents of the queue with ready; only with detail: agents. Absent if a row lacks it.",
    ),
    "calltools_queue_available_since_timestamp_seconds": (
        _QUEUE,
        (
            "Unix time since when the longest waiting available agent has waited (the later of"
            " ready_since and agent_status_modified_on); only with detail: agents."
        ),
    ),
    "calltools_queue_required_agents": (
        _QUEUE,
        "Agents that the queue needs, from the configuration; 0 turns off its alerts about agents.",
    ),
    "calltools_queue_open": (_QUEUE, "Whether the queue is inside its schedule (1) or not (0)."),
    "calltools_queue_utc_offset_seconds": (
        _QUEUE,
        "Current UTC offset of the schedule's time zone; 0 without a schedule.",
    ),
    "calltools_queue_up": (
        _QUEUE,
        "Whether this scrape read the queue (1) or not (0). Present for every configured queue.",
    ),
    "calltools_queue_failure": (
        (*_QUEUE, "code"),
        (
            "Always 1; the label code is why the queue could not be read. Only while"
            " calltools_queue_up is 0."
        ),
    ),
    "calltools_queue_fetch_duration_seconds": (
        _QUEUE,
        "Time from the first request for the queue to its last answer. Absent if none was sent.",
    ),
    "calltools_queue_last_success_timestamp_seconds": (
        _QUEUE,
        "Unix time when the queue was last read. Absent before the first time.",
    ),
    "calltools_queue_info": (
        (*_QUEUE, "queue_id", "status_id", "team"),
        (
            "Always 1; the labels are the queue's id in CallTools, its available statuses and its"
            " team."
        ),
    ),
    "calltools_account_info": (
        ("account", "host"),
        "Always 1; the label host is the account's silo.",
    ),
    "calltools_up": (
        ("account",),
        (
            "Whether the API gave the account at least one valid answer in this scrape (1) or not"
            " (0)."
        ),
    ),
    "calltools_account_failure": (
        ("account", "code"),
        "Always 1; the label code is a failure that concerns the whole account.",
    ),
    "calltools_api_hold_until_timestamp_seconds": (
        ("account",),
        (
            "Unix time until which the exporter backs off, as the API asked (Retry-After);"
            " otherwise absent."
        ),
    ),
    "calltools_scrape_duration_seconds": ((), "Time that this scrape spent asking the API."),
    "calltools_scrape_budget_seconds": (
        (),
        "Time that this scrape was allowed to spend asking the API.",
    ),
}

_Labels: TypeAlias = dict[str, str]

#: The value of a queue, None for no sample, of the families whose labels are the queue's alone.
_OF_QUEUE: dict[str, Callable[[QueueSnapshot], float | None]] = {
    "calltools_queue_available_agents": lambda queue: queue.result.available,
    "calltools_queue_logged_in_agents": lambda queue: _detail(queue).logged_in,
    "calltools_queue_ready_agents": lambda queue: _detail(queue).ready,
    "calltools_queue_available_since_timestamp_seconds": (
        lambda queue: _detail(queue).available_since
    ),
    "calltools_queue_required_agents": lambda queue: queue.queue.required_agents,
    "calltools_queue_open": lambda queue: queue.open,
    "calltools_queue_utc_offset_seconds": lambda queue: queue.utc_offset,
    "calltools_queue_up": lambda queue: queue.result.failure is None,
    "calltools_queue_fetch_duration_seconds": lambda queue: queue.result.duration_seconds,
    "calltools_queue_last_success_timestamp_seconds": lambda queue: queue.last_success_at,
}
#: Labels and value of each sample of the other families.
_OF_SNAPSHOT: dict[str, Callable[[Snapshot], Iterable[tuple[_Labels, float]]]] = {
    "calltools_queue_agents": lambda snapshot: (
        ({**_labels(queue), "status": status}, number)
        for queue in snapshot.queues
        for status, number in _detail(queue).by_status
    ),
    "calltools_queue_failure": lambda snapshot: (
        ({**_labels(queue), "code": queue.result.failure.code}, 1)
        for queue in snapshot.queues
        if queue.result.failure is not None
    ),
    "calltools_queue_info": lambda snapshot: ((_info(queue), 1) for queue in snapshot.queues),
    "calltools_account_info": lambda snapshot: (
        ({"account": one.account.name, "host": one.account.host}, 1) for one in snapshot.accounts
    ),
    "calltools_up": lambda snapshot: (
        ({"account": one.account.name}, one.up) for one in snapshot.accounts
    ),
    "calltools_account_failure": lambda snapshot: (
        ({"account": one.account.name, "code": failure.code}, 1)
        for one in snapshot.accounts
        for failure in one.failures
    ),
    "calltools_api_hold_until_timestamp_seconds": lambda snapshot: (
        ({"account": one.account.name}, one.hold_until)
        for one in snapshot.accounts
        if one.hold_until is not None
    ),
    "calltools_scrape_duration_seconds": lambda snapshot: [({}, snapshot.duration_seconds)],
    "calltools_scrape_budget_seconds": lambda snapshot: [({}, snapshot.budget_seconds)],
}


class Families(Collector):
    """Metric families from several functions, which are called in order when rendering."""

    def __init__(self, *sources: Callable[[], Iterable[Metric]]) -> None:
        self._sources = sources

    def collect(self) -> Iterable[Metric]:
        """Return all families."""
        for source in self._sources:
            yield from source()


def snapshot_families(snapshot: Snapshot) -> Iterator[Metric]:
    """Yield the families of a Snapshot one by one, without those that have no sample."""
    # One for all of a queue's samples: thousands of them are made for a scrape.
    queues = [(queue, _labels(queue)) for queue in snapshot.queues]
    for name, (labels, words) in FAMILIES.items():
        family = GaugeMetricFamily(name, words, labels=labels)
        if value_of := _OF_QUEUE.get(name):
            family.samples = [
                Sample(name, shared, value)
                for queue, shared in queues
                if (value := value_of(queue)) is not None
            ]
        else:
            family.samples = [Sample(name, *rest) for rest in _OF_SNAPSHOT[name](snapshot)]
        if family.samples:
            yield family


def probe_families(snapshot: Snapshot) -> Iterator[Metric]:
    """Yield the families of the queues and of the account, the same from every replica."""
    # Only some replicas may know when a queue was last read.
    queues = tuple(
        queue if queue.result.failure is None else replace(queue, last_success_at=None)
        for queue in snapshot.queues
    )
    for family in snapshot_families(replace(snapshot, queues=queues)):
        if family.name != "calltools_scrape_duration_seconds":
            yield family


def _labels(queue: QueueSnapshot) -> _Labels:
    return {"account": queue.account.name, "queue": queue.queue.name}


def _info(snapshot: QueueSnapshot) -> _Labels:
    queue = snapshot.queue
    statuses = ",".join(map(str, queue.status_ids))
    more = {"queue_id": str(queue.id), "status_id": statuses, "team": queue.team}
    return {**_labels(snapshot), **more}


def _detail(queue: QueueSnapshot) -> AgentDetail:
    return queue.result.detail or _NO_DETAIL
