"""Snapshot -> metric families, new for each scrape."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

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

#: The value of each family that has one sample of a queue at most, None for no sample.
_VALUES: dict[str, Callable[[QueueSnapshot], float | None]] = {
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


class Families(Collector):
    """Metric families from several functions, which are called in order when rendering."""

    def __init__(self, *sources: Callable[[], Iterable[Metric]]) -> None:
        self._sources = sources

    def collect(self) -> Iterable[Metric]:
        """Return all families."""
        for source in self._sources:
            yield from source()


def snapshot_families(snapshot: Snapshot) -> list[Metric]:
    """Return the families of a Snapshot, without those that have no sample."""
    families = {
        name: GaugeMetricFamily(name, words, labels=labels)
        for name, (labels, words) in FAMILIES.items()
    }
    _add_queues(families, snapshot.queues)
    for summary in snapshot.accounts:
        account = summary.account
        families["calltools_account_info"].add_metric((account.name, account.host), 1)
        families["calltools_up"].add_metric((account.name,), summary.up)
        if summary.hold_until is not None:
            hold = families["calltools_api_hold_until_timestamp_seconds"]
            hold.add_metric((account.name,), summary.hold_until)
        for failure in summary.failures:
            families["calltools_account_failure"].add_metric((account.name, failure.code), 1)
    families["calltools_scrape_duration_seconds"].add_metric((), snapshot.duration_seconds)
    families["calltools_scrape_budget_seconds"].add_metric((), snapshot.budget_seconds)
    return [family for family in families.values() if family.samples]


def probe_families(snapshot: Snapshot) -> list[Metric]:
    """Return the families of the queues and of the account, the same from every replica."""
    # Only some replicas may know when a queue was last read.
    queues = tuple(
        queue if queue.result.failure is None else replace(queue, last_success_at=None)
        for queue in snapshot.queues
    )
    return [
        family
        for family in snapshot_families(replace(snapshot, queues=queues))
        if family.name != "calltools_scrape_duration_seconds"
    ]


def _add_queues(families: dict[str, GaugeMetricFamily], queues: Sequence[QueueSnapshot]) -> None:
    # One for all of a queue's samples: thousands of them are made for a scrape.
    labels = [{"account": one.account.name, "queue": one.queue.name} for one in queues]

    for name, value_of in _VALUES.items():
        samples = families[name].samples
        for queue, shared in zip(queues, labels, strict=True):
            value = value_of(queue)
            if value is not None:
                samples.append(Sample(name, shared, value))

    for queue, shared in zip(queues, labels, strict=True):
        for name, more, value in _samples_with_more_labels(queue):
            families[name].samples.append(Sample(name, {**shared, **more}, value))


def _detail(queue: QueueSnapshot) -> AgentDetail:
    return queue.result.detail or _NO_DETAIL


def _samples_with_more_labels(snapshot: QueueSnapshot) -> Iterator[tuple[str, dict[str, str], int]]:
    queue, result = snapshot.queue, snapshot.result
    statuses = ",".join(map(str, queue.status_ids))
    info = {"queue_id": str(queue.id), "status_id": statuses, "team": queue.team}
    yield "calltools_queue_info", info, 1
    if result.failure is not None:
        yield "calltools_queue_failure", {"code": result.failure.code}, 1
    for status, number in _detail(snapshot).by_status:
        yield "calltools_queue_agents", {"status": status}, number
