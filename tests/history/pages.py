"""The exporter's pages of the past: its own scraper and rendering, on a clock that is set.

Only two things are not as in service: a request goes straight to the simulated API instead of over
a socket, and how long it took is made up, since nothing takes time here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from random import Random
from typing import cast

from requests import PreparedRequest
from requests.structures import CaseInsensitiveDict

from exporter.clock import Clock
from exporter.counters import Counters
from exporter.errors import ApiError, Failure
from exporter.metrics import Families, snapshot_families
from exporter.scrape.scraper import Scraper
from exporter.scrape.workers import HostBoundedPool, Ticket
from exporter.settings import Account, Configuration
from exporter.simulator.api import Api
from exporter.simulator.wire import Request
from exporter.snapshot import Attempt, Snapshot
from exporter.transport.deadline import Deadline
from exporter.transport.transport import HttpAnswer, Transport
from exporter.transport.transports import Access, Transports
from exporter.web.exposition import choose_format
from tests.history.centre import Centre, Incident

_BUDGET = 9.5
#: What a scrape may take here: the past must not depend on how busy this machine is.
_PATIENCE = 3600.0
_QUEUE = re.compile(r"[?&]queue=(\d+)")
_FORMAT = choose_format("application/openmetrics-text; version=1.0.0; escaping=allow-utf-8")


class _Moment:
    """The clock that all parts read, and the dice of what cannot be foreseen."""

    def __init__(self) -> None:
        self.at = 0.0
        self.dice = Random("history")

    def __call__(self) -> float:
        return self.at


class _Wire:
    """Stands where the transport stands: hands a request to the simulated API."""

    def __init__(self, account: str, api: Api, now: _Moment, incidents: Sequence[Incident]) -> None:
        self._account = account
        self._api = api
        self._now = now
        self._incidents = [incident for incident in incidents if incident.account == account]
        self._connected = 0

    def get(
        self,
        request: PreparedRequest,
        deadline: Deadline,
        on_connect: Callable[[], None],
        body_limit: int,
        *,
        fresh: bool,
    ) -> HttpAnswer:
        del deadline, body_limit, fresh
        if self._connected < 4 or self._now.dice.random() < 0.002:
            self._connected += 1
            on_connect()
        found = _QUEUE.search(request.path_url)
        self._go_wrong(int(found[1]) if found else 0)
        headers = {name.lower(): value for name, value in request.headers.items()}
        made = Request("GET", "", "", {}, headers).to(request.path_url)
        answer = self._api.answer(made, self._now.at)
        return HttpAnswer(answer.status, CaseInsensitiveDict(answer.headers), answer.body)

    def _go_wrong(self, queue: int) -> None:
        for incident in self._incidents:
            concerns = queue and incident.queue in {0, queue} and incident.is_on(self._now.at)
            if concerns and self._now.dice.random() < incident.share:
                words = "a simulated failure"
                raise ApiError(Failure(incident.code, words), incident.retry_after)


class _Wires:
    """Stands where the transports stand."""

    def __init__(self, centre: Centre, now: _Moment) -> None:
        api = Api(centre.simulated)
        self._wires = {
            account.name: _Wire(account.name, api, now, centre.incidents)
            for account in centre.accounts
        }

    def open(
        self, accounts: Iterable[Account], seconds: float, in_all: float
    ) -> Iterator[tuple[Account, Access]]:
        del seconds, in_all
        for account in accounts:
            wire = cast("Transport", self._wires[account.name])
            yield account, Access(wire, account.token.read())


class _AtOnce(HostBoundedPool):
    """A pool without threads: each job is done at once, in the thread that submits it."""

    def submit(
        self, account: Account, job: Callable[[], object], *, urgent: bool = False
    ) -> Ticket:
        job()
        return Ticket(account, None, urgent)

    def start_threads(self) -> None:
        """Need no thread."""


class _Counters(Counters):
    """The exporter's counters, fed with requests that took as long as such requests do."""

    def __init__(self, accounts: Sequence[str], now: _Moment) -> None:
        super().__init__(accounts)
        self._now = now
        self.slowest = 0.0

    def attempt(self, account: str, attempt: Attempt) -> None:
        """Count an attempted request."""
        seconds = _BUDGET if attempt.code == "timeout" else _latency(self._now)
        self.slowest = max(self.slowest, seconds)
        super().attempt(account, Attempt(attempt.code, seconds))


def _latency(now: _Moment) -> float:
    """Return how long a request takes: a quarter of a second, more in the busy hours."""
    hour = now.at / 3600 % 24
    busy = 1.6 if 14 <= hour < 21 else 1.0
    return min(now.dice.lognormvariate(-1.9, 0.55) * busy, _BUDGET - 1)


def pages(centre: Centre, times: Sequence[float]) -> Iterator[tuple[float, str]]:
    """Yield what the exporter says of a centre at these Unix times, as OpenMetrics."""
    now = _Moment()
    now.at = times[0]
    configuration = Configuration(centre.accounts)
    counters = _Counters([account.name for account in centre.accounts], now)
    counters.reloaded(now.at)
    callers = Random("callers")
    scraper = Scraper(
        configuration,
        pool=_AtOnce(1),
        transports=cast("Transports", _Wires(centre, now)),
        observer=counters,
        clock=Clock(now, now),
    )
    for at in times:
        now.at = at
        counters.slowest = 0.0
        counters.server.record_available(
            callers.choice(("yes", "yes", "no")), 0.06 * callers.lognormvariate(0, 0.3)
        )
        snapshot = scraper.scrape(centre.accounts, _PATIENCE)
        past = _with_durations(snapshot, counters.slowest, now)
        page = Families(partial(snapshot_families, past), counters.families)
        yield at, _FORMAT.render(page).decode()


def _with_durations(snapshot: Snapshot, slowest: float, now: _Moment) -> Snapshot:
    """Return a snapshot whose fetches took, and might have taken, as long as in service."""
    queues = tuple(
        replace(queue, result=replace(queue.result, duration_seconds=_latency(now)))
        if queue.result.duration_seconds is not None
        else queue
        for queue in snapshot.queues
    )
    return replace(snapshot, queues=queues, duration_seconds=slowest, budget_seconds=_BUDGET)
