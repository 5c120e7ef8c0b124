"""A pool of threads, bounded in all and for each host, and shared fairly."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

import structlog

from exporter.settings import Account

log = structlog.get_logger(__name__)

#: A party whose last job took longer than this, in seconds, does not get the last places.
_SLOW_SECONDS = 2.0
#: What a job returns if it has sent nothing: its time then does not show how slow its party is.
#: And if its time was over without an answer: its party then counts as slow, however short it was.
NOTHING_SENT, TIMED_OUT = object(), object()


@dataclass(slots=True)
class _Places:
    """Places shared by parties: a host's by its accounts, the whole pool's by its hosts.

    A party that hangs keeps its places for its whole budget. So slow parties get only a few places
    of the last quarter each, and some are always left for the others.
    """

    limit: int
    shared: bool = False
    taken: int = 0
    by_party: Counter[str] = field(default_factory=Counter)
    slow: set[str] = field(default_factory=set)

    def has_one_for(self, party: str) -> bool:
        free = self.limit - self.taken
        if free <= 0 or not self.shared or party not in self.slow or self.limit == 1:
            return free > 0
        reserve = max(1, self.limit // 4)
        return free > reserve or self.by_party[party] < max(1, reserve // 16)

    def take(self, party: str) -> None:
        self.taken += 1
        self.by_party[party] += 1

    def give_back(self, party: str, *, slow: bool | None) -> None:
        self.taken -= 1
        self.by_party[party] -= 1
        if not self.by_party[party]:
            del self.by_party[party]
        if slow is not None:
            (self.slow.add if slow else self.slow.discard)(party)


@dataclass(slots=True, eq=False)
class Ticket:
    """A job that waits for a place; ``run`` is None once it has one."""

    account: Account
    run: Callable[[], object] | None
    urgent: bool


#: The jobs that wait, by account; the account served last is at the end.
_Line: TypeAlias = dict[str, deque[Ticket]]


@dataclass(slots=True)
class _Host:
    """A host's places, and the jobs that wait for one: urgent ones and others take turns."""

    places: _Places
    waiting: _Line = field(default_factory=dict)
    urgent: _Line = field(default_factory=dict)
    last_was_urgent: bool = False

    def add(self, ticket: Ticket) -> None:
        """Put a job at the end of its account's line."""
        line = self.urgent if ticket.urgent else self.waiting
        line.setdefault(ticket.account.name, deque()).append(ticket)

    def next(self) -> tuple[str, Callable[[], object]] | None:
        """Take the next job that has a place at the host."""
        if self.places.taken >= self.places.limit:
            return None
        first_urgent = not self.last_was_urgent
        for urgent in (first_urgent, not first_urgent):
            if found := self._take(self.urgent if urgent else self.waiting):
                self.last_was_urgent = urgent
                return found
        return None

    def _take(self, line: _Line) -> tuple[str, Callable[[], object]] | None:
        while account := next((name for name in line if self.places.has_one_for(name)), None):
            jobs = line.pop(account)
            # A job that became urgent while it waited is in both lines.
            while jobs and jobs[0].run is None:
                jobs.popleft()
            if not jobs:
                continue
            ticket = jobs.popleft()
            if jobs:
                line[account] = jobs
            run, ticket.run = ticket.run, None
            if run is not None:
                return account, run
        return None


class HostBoundedPool:
    """Run jobs in daemon threads, bounded per host and in all; accounts of a host take turns.

    A job that hangs keeps its thread and its place among its host's jobs: no thread replaces it.
    The threads are daemons, as an executor would make the process wait for a hanging job at its
    end. If a thread cannot be started, the existing ones go on, and each new job tries again.
    """

    def __init__(self, limit: int) -> None:
        self._changed = threading.Condition()
        self._places = _Places(limit)
        self._hosts: dict[str, _Host] = {}
        self._ready: deque[tuple[str, str, Callable[[], object]]] = deque()
        # Hosts that have a place for a job, while the pool has none for the host.
        self._refused: dict[str, None] = {}
        self._threads = 0
        self._idle = 0
        self._short_of_threads = False

    def retain(self, accounts: Iterable[Account]) -> None:
        """Share the places between these accounts and their hosts, and forget the others."""
        number = Counter(account.host for account in accounts)
        with self._changed:
            self._places.shared = len(number) > 1
            self._places.slow &= set(number)
            for name in [name for name in self._hosts if name not in number]:
                host = self._hosts[name]
                if not (host.places.taken or host.waiting or host.urgent):
                    del self._hosts[name]
            for name in number:
                host = self._hosts.setdefault(name, _Host(_Places(1)))
                host.places.shared = number[name] > 1
                host.places.slow.clear()

    def submit(
        self, account: Account, job: Callable[[], object], *, urgent: bool = False
    ) -> Ticket:
        """Run a job as soon as its account's host and the pool have a place for it.

        Args:
            account: takes turns with the other accounts of its host.
            job: reports its own failures; what it raises is only logged.
            urgent: this job alone is waited for; urgent jobs alternate with the others.
        """
        ticket, name = Ticket(account, job, urgent), account.host
        with self._changed:
            host = self._hosts.get(name)
            if host is None:
                host = self._hosts[name] = _Host(_Places(0))
            host.places.limit = account.max_parallel_requests
            host.add(ticket)
            self._dispatch(name)
            self._start_threads()
        return ticket

    def hurry(self, ticket: Ticket) -> None:
        """Make a job urgent that may still be waiting."""
        with self._changed:
            if ticket.run is not None and not ticket.urgent:
                ticket.urgent = True
                self._hosts[ticket.account.host].add(ticket)

    def start_threads(self) -> None:
        """Try again to start the threads that are missing."""
        with self._changed:
            self._start_threads()

    def _dispatch(self, name: str) -> None:
        """Give places to the waiting jobs of a host."""
        host = self._hosts[name]
        self._refused.pop(name, None)
        while self._places.has_one_for(name):
            found = host.next()
            if found is None:
                return
            account, job = found
            self._places.take(name)
            host.places.take(account)
            self._ready.append((name, account, job))
        if host.waiting or host.urgent:
            self._refused[name] = None

    def _start_threads(self) -> None:
        """Wake or start a thread for each job that is ready."""
        while self._idle < len(self._ready) and self._threads < self._places.limit:
            thread = threading.Thread(
                target=self._work, name=f"fetch-{self._threads + 1}", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:
                if not self._short_of_threads:
                    log.warning("Cannot start another thread", threads=self._threads)
                self._short_of_threads = True
                break
            self._short_of_threads = False
            self._threads += 1
            self._idle += 1
        self._changed.notify(len(self._ready))

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._ready:
                    self._changed.wait()
                self._idle -= 1
                name, account, job = self._ready.popleft()
            begun, result = time.monotonic(), None
            try:
                result = job()
            except Exception as error:  # noqa: BLE001 - the edge of a thread: it must go on
                log.error("Internal error in a job", host=name, error=type(error).__name__)  # noqa: TRY400
            is_slow = result is TIMED_OUT or time.monotonic() - begun > _SLOW_SECONDS
            slow = None if result is NOTHING_SENT else is_slow
            del job
            with self._changed:
                # The place and the thread become free in one step, or one more thread is started.
                self._idle += 1
                self._places.give_back(name, slow=slow)
                self._hosts[name].places.give_back(account, slow=slow)
                for waiting in (*self._refused, name):
                    self._dispatch(waiting)
                self._start_threads()
