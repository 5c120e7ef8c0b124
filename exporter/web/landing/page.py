"""The landing page: every queue with its last result, worst first, as self-contained HTML."""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from importlib import resources
from itertools import groupby

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from exporter import __version__
from exporter.availability import Availability, availability
from exporter.clock import Moment
from exporter.history import AccountStatus, QueueStatus
from exporter.settings import Account, Queue
from exporter.snapshot import QueueResult
from exporter.text import one_line

#: An older number is no longer shown; Prometheus drops it after this time, too.
FRESH_SECONDS = 300.0
REFRESH_SECONDS = 15
_FILES = resources.files(__package__)
_STYLE = (_FILES / "style.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

#: The page loads and runs nothing, whatever a queue's name contains.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; base-uri 'none';"
    f" form-action 'none'; frame-ancestors 'self'; style-src 'sha256-{_STYLE_HASH}'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class State(Enum):
    """The state of a queue, worst first, in a word; all but the last are open."""

    EMPTY = "empty"
    UNREADABLE = "unreadable"
    UNASKED = "not asked"
    LOW = "low"
    STAFFED = "staffed"
    NOT_REQUIRED = "not required"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Row:
    """One queue on the page.

    ``result`` is that of its last scrape, which ended at ``read_at``; None if there was none
    recently.
    """

    account: Account
    status: QueueStatus
    state: State
    result: QueueResult | None = None
    read_at: float | None = None

    @property
    def queue(self) -> Queue:
        """The queue as it is configured."""
        return self.status.queue

    @property
    def is_failing(self) -> bool:
        """Whether the last scrape could not read it."""
        return self.status.outage is not None and self.status.outage.until is None


def rows(accounts: Iterable[AccountStatus], now: Moment) -> list[Row]:
    """Return a row for each queue, worst first, else in the order of the configuration."""
    order = list(State)
    found = (row for account in accounts for row in _account(account, now))
    return sorted(found, key=lambda row: order.index(row.state))


def _account(status: AccountStatus, now: Moment) -> Iterator[Row]:
    for queue in status.queues or ():
        yield _queue(status.account, queue, now)
    if status.queues is None and status.account.every_queue is not None:
        # Until the API has named them, one row stands for all.
        all_queues = replace(status.account.every_queue, name="all queues")
        failing = status.outage is not None and status.outage.until is None
        state = State.UNREADABLE if failing else State.UNASKED
        yield Row(status.account, QueueStatus(all_queues, outage=status.outage), state)


def _queue(account: Account, status: QueueStatus, now: Moment) -> Row:
    schedule = status.queue.schedule
    is_open = schedule is None or schedule.is_open(now.unix)
    result = status.scraped.result if status.scraped else None
    oldest = now.steady - max(FRESH_SECONDS, account.max_age)
    if result is not None and result.finished_at.steady < oldest:
        result = None
    if not is_open:
        state = State.CLOSED
    elif status.scraped is None or result is None:
        state = State.UNASKED
    else:
        state = _state(availability(replace(status.scraped, open=True), now))
    read_at = None if result is None else result.finished_at.unix_at(now)
    return Row(account, status, state, result, read_at)


def _state(queue: Availability) -> State:
    """Return the state of an open queue."""
    if queue.can_take_call is None or queue.available is None:
        return State.UNREADABLE
    required = queue.required or 0
    if not queue.can_take_call:
        return State.EMPTY if required else State.NOT_REQUIRED
    return State.LOW if queue.available < required else State.STAFFED


#: States whose queues need attention: they are listed one by one, across all accounts.
_ATTENTION = (State.EMPTY, State.UNREADABLE, State.UNASKED, State.LOW)
#: States that are counted on the page even where no queue has them.
_ALWAYS_COUNTED = (State.EMPTY, State.UNREADABLE, State.LOW, State.STAFFED)

_HEADLINES = {
    State.EMPTY: ("open queue has nobody available", "open queues have nobody available"),
    State.UNREADABLE: ("open queue cannot be read", "open queues cannot be read"),
    State.UNASKED: (
        "open queue has not been asked for recently",
        "open queues have not been asked for recently",
    ),
    State.LOW: ("open queue has too few agents", "open queues have too few agents"),
}


def render(
    accounts: Sequence[AccountStatus],
    now: Moment,
    *,
    origin: str,
    account: str | None = None,
    paused: bool = False,
) -> str:
    """Write the page.

    Args:
        accounts: the results of the last scrapes.
        now: the moment from which ages are counted.
        origin: the URL of this exporter; its host is from the request, so not to be trusted.
        account: the name of the one account that the page is narrowed to.
        paused: whether the page stays as it is instead of refreshing itself.
    """
    found = rows(accounts, now)
    counts = Counter(row.state for row in found)
    scheme, _, address = origin.partition("://")
    asked_at = (status.asked_at for status in accounts if status.asked_at is not None)
    return _TEMPLATE.render(
        style=Markup(_STYLE),  # noqa: S704 - our own file
        version=__version__,
        now=now.unix,
        asked_at=max(asked_at, default=None),
        refresh_seconds=None if paused else REFRESH_SECONDS,
        fresh_minutes=round(FRESH_SECONDS / 60),
        address=address if re.fullmatch(r"[\w.:\[\]-]{1,200}", address) else "localhost:15457",
        is_https=scheme == "https",
        account=account,
        worst=next((state for state in State if counts[state]), State.CLOSED),
        headline=_headline(counts, found),
        counts=[
            (state, counts[state]) for state in State if counts[state] or state in _ALWAYS_COUNTED
        ],
        attention=[row for row in found if row.state in _ATTENTION],
        others=[
            (state, _by_account(row for row in found if row.state is state))
            for state in State
            if state not in _ATTENTION and counts[state]
        ],
        several=len(accounts) > 1,
    )


def _headline(counts: Counter[State], found: Iterable[Row]) -> str:
    for state, (one, many) in _HEADLINES.items():
        if number := counts[state]:
            return f"{number} {one if number == 1 else many}"
    staffed, empty = counts[State.STAFFED], counts[State.NOT_REQUIRED]
    if empty:
        number = sum(row.state is State.STAFFED and row.queue.required_agents > 0 for row in found)
        if number:
            one = "The open queue that requires agents is staffed"
            many = f"All {number} open queues that require agents are staffed"
            return one if number == 1 else many
        have = "has" if staffed == 1 else "have"
        return (
            f"{staffed} of {staffed + empty} open queues {have} somebody available,"
            " none requires agents"
            if staffed
            else "No open queue requires agents"
        )
    if not staffed:
        return "No queue is open"
    return "The open queue is staffed" if staffed == 1 else f"All {staffed} open queues are staffed"


def _by_account(found: Iterable[Row]) -> list[tuple[str, list[Row]]]:
    return [(name, list(group)) for name, group in groupby(found, lambda row: row.account.name)]


def _lasting(seconds: float) -> str:
    """Return a duration for people: one number, rounded down."""
    for size, unit, least in ((86400, "d", 2), (3600, "h", 2), (60, "min", 2)):
        if seconds >= size * least:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def _iso(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _clock(at: float, now: float) -> str:
    """Return a time of day, with the date unless it is today's."""
    then, today = (datetime.fromtimestamp(seconds, UTC) for seconds in (at, now))
    return f"{then:%H:%M:%S} UTC" if then.date() == today.date() else f"{then:%d %b %H:%M} UTC"


_ENVIRONMENT = Environment(
    autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_ENVIRONMENT.filters |= {"one_line": one_line, "lasting": _lasting, "clock": _clock, "iso": _iso}
_TEMPLATE = _ENVIRONMENT.from_string((_FILES / "page.html").read_text(encoding="utf-8"))
