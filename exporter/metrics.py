"""Snapshot -> metric families, new for each scrape."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from exporter.snapshot import AgentDetail, QueueSnapshot, Snapshot

_QUEUE = ("account", "queue")

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
    for queue in snapshot.queues:
        _add_queue(families, queue)
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


def _add_queue(families: dict[str, GaugeMetricFamily], snapshot: QueueSnapshot) -> None:
    account, queue, result = snapshot.account, snapshot.queue, snapshot.result
    # One for all of the queue's samples: thousands of them are made for a scrape.
    labels = {"account": account.name, "queue": queue.name}

    def add(name: str, value: float, **more: str) -> None:
        family = families[f"calltools_queue_{name}"]
        family.samples.append(Sample(family.name, {**labels, **more} if more else labels, value))

    if result.available is not None:
        add("available_agents", result.available)
    if result.detail is not None:
        _add_detail(add, result.detail)
    add("required_agents", queue.required_agents)
    add("open", snapshot.open)
    add("utc_offset_seconds", snapshot.utc_offset)
    add("up", result.failure is None)
    if result.failure is not None:
        add("failure", 1, code=result.failure.code)
    if result.duration_seconds is not None:
        add("fetch_duration_seconds", result.duration_seconds)
    if snapshot.last_success_at is not None:
        add("last_success_timestamp_seconds", snapshot.last_success_at)
    statuses = ",".join(str(status) for status in queue.status_ids)
    add("info", 1, queue_id=str(queue.id), status_id=statuses, team=queue.team)


def _add_detail(add: Callable[..., None], detail: AgentDetail) -> None:
    for status, number in detail.by_status:
        add("agents", number, status=status)
    if detail.logged_in is not None:
        add("logged_in_agents", detail.logged_in)
    if detail.ready is not None:
        add("ready_agents", detail.ready)
    if detail.available_since is not None:
        add("available_since_timestamp_seconds", detail.available_since)
