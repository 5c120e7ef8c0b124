"""Threads that never multiply."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Self

import pytest
from structlog.testing import capture_logs

from exporter.scrape.workers import NOTHING_SENT, TIMED_OUT, HostBoundedPool, Ticket
from exporter.settings import Account, TokenEnvironment


class Jobs:
    """Jobs that wait until they are let go, and that tell how many ran at a time."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.running: Counter[str] = Counter()
        self.finished = 0
        self.go = threading.Event()
        self.threads: set[str] = set()

    def job(self, host: str) -> None:
        with self.changed:
            self.running[host] += 1
            self.threads.add(threading.current_thread().name)
            self.changed.notify_all()
        self.go.wait(10)
        with self.changed:
            self.running[host] -= 1
            self.finished += 1
            self.changed.notify_all()

    def have_finished(self, number: int) -> bool:
        return self.finished == number

    def wait_for(self, running: dict[str, int]) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: +self.running == Counter(running), 10)


@pytest.fixture
def jobs() -> Jobs:
    return Jobs()


def an_account(host: str, limit: int, name: str) -> Account:
    token = TokenEnvironment("TOKEN")
    return Account(name, f"https://{host}", token, (), max_parallel_requests=limit)


def submit(pool: HostBoundedPool, jobs: Jobs, host: str, limit: int, number: int) -> None:
    for _ in range(number):
        pool.submit(an_account(host, limit, host), lambda: jobs.job(host))


def test_a_host_has_only_its_own_places(jobs: Jobs) -> None:
    pool = HostBoundedPool(8)
    submit(pool, jobs, "silent", 3, 20)
    assert jobs.wait_for({"silent": 3})
    submit(pool, jobs, "healthy", 2, 20)
    assert jobs.wait_for({"silent": 3, "healthy": 2})
    jobs.go.set()
    with jobs.changed:
        assert jobs.changed.wait_for(partial(jobs.have_finished, 40), 10)
    assert len(jobs.threads) <= 5


def test_all_hosts_together_have_only_so_many_places(jobs: Jobs) -> None:
    pool = HostBoundedPool(4)
    for host in "abcdef":
        submit(pool, jobs, host, 2, 2)
    assert jobs.wait_for({"a": 2, "b": 2})
    jobs.go.set()
    with jobs.changed:
        assert jobs.changed.wait_for(partial(jobs.have_finished, 12), 10)
    assert len(jobs.threads) == 4


class Line:
    """A host with one place, which is taken until the block ends; what ran then, in its order."""

    def __init__(self) -> None:
        self.pool = HostBoundedPool(4)
        self.ran: list[str] = []
        self._go = threading.Event()
        self._ended = threading.Semaphore(0)
        self._jobs = 0

    def __enter__(self) -> Self:
        self.submit("first")
        return self

    def __exit__(self, *exception: object) -> None:
        self._go.set()
        for _ in range(self._jobs):
            assert self._ended.acquire(timeout=10)

    def submit(self, name: str, *, urgent: bool = False, account: str = "acme") -> Ticket:
        def job() -> None:
            self._go.wait(10)
            self.ran.append(name)
            self._ended.release()

        self._jobs += 1
        return self.pool.submit(an_account("host", 1, account), job, urgent=urgent)


def test_what_is_urgent_and_what_is_not_take_turns() -> None:
    with Line() as line:
        for number in range(4):
            line.submit(f"scrape {number}")
        for number in range(3):
            line.submit(f"question {number}", urgent=True)
    assert line.ran == [
        *("first", "question 0", "scrape 0", "question 1", "scrape 1", "question 2", "scrape 2"),
        "scrape 3",
    ]


def test_a_job_that_becomes_urgent_runs_once() -> None:
    with Line() as line:
        line.submit("scrape 0")
        line.submit("of another account", account="other")
        ticket = line.submit("scrape 1")
        for _ in range(3):
            line.pool.hurry(ticket)
    assert line.ran == ["first", "scrape 1", "scrape 0", "of another account"]


def test_a_job_that_raises_costs_no_place(jobs: Jobs) -> None:
    pool = HostBoundedPool(2)
    jobs.go.set()

    def fail() -> None:
        jobs.job("host")
        raise ValueError

    for finished in range(1, 10):
        pool.submit(an_account("host", 1, "account"), fail)
        with jobs.changed:
            assert jobs.changed.wait_for(partial(jobs.have_finished, finished), 10)


def test_threads_are_used_again(jobs: Jobs) -> None:
    pool = HostBoundedPool(256)
    jobs.go.set()
    for expected in range(1, 30):
        submit(pool, jobs, "host", 16, 1)
        with jobs.changed:
            assert jobs.changed.wait_for(partial(jobs.have_finished, expected), 10)
    assert len(jobs.threads) <= 3


def test_there_are_never_more_threads_than_places() -> None:
    pool = HostBoundedPool(256)
    threads: set[str] = set()

    def use_one_place(host: str) -> None:
        done = threading.Semaphore(0)

        def job() -> None:
            threads.add(threading.current_thread().name)
            done.release()

        for _ in range(1000):
            pool.submit(an_account(host, 1, host), job)
            assert done.acquire(timeout=10)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as executor:
            list(executor.map(use_one_place, "abcdefgh"))
    finally:
        sys.setswitchinterval(interval)
    assert len(threads) <= 8


def hang(
    pool: HostBoundedPool, jobs: Jobs, host: str, limit: int, account: str, number: int
) -> None:
    for _ in range(number):
        pool.submit(an_account(host, limit, account), lambda: jobs.job(account))


@pytest.fixture
def slow_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every job for one that hung."""
    monkeypatch.setattr("exporter.scrape.workers._SLOW_SECONDS", -1)


def accounts(*hosts: str) -> list[Account]:
    return [an_account(host, 16, f"account-{number}") for number, host in enumerate(hosts)]


def finish(pool: HostBoundedPool, jobs: Jobs, host: str, account: str) -> None:
    """Let one job end, so that it is known how long they take."""
    before = jobs.finished
    jobs.go.set()
    hang(pool, jobs, host, 16, account, 1)
    with jobs.changed:
        assert jobs.changed.wait_for(partial(jobs.have_finished, before + 1), 10)
    jobs.go.clear()


@pytest.mark.usefixtures("slow_at_once")
def test_an_account_that_hangs_leaves_its_neighbours_places(jobs: Jobs) -> None:
    pool = HostBoundedPool(64)
    pool.retain(accounts("silo", "silo", "silo"))
    finish(pool, jobs, "silo", "hangs")
    hang(pool, jobs, "silo", 16, "hangs", 50)
    assert jobs.wait_for({"hangs": 12})
    hang(pool, jobs, "silo", 16, "neighbour", 3)
    assert jobs.wait_for({"hangs": 12, "neighbour": 3})
    jobs.go.set()
    with jobs.changed:
        assert jobs.changed.wait_for(partial(jobs.have_finished, 54), 10)


def test_a_job_that_sent_nothing_does_not_show_that_an_account_answers_again(jobs: Jobs) -> None:
    """The kind: jobs that waited until their time was over, which end at once and so look fast."""
    pool = HostBoundedPool(64)
    pool.retain(accounts("silo", "silo"))
    ended = threading.Event()

    def end() -> object:
        ended.set()
        return NOTHING_SENT

    for work in (lambda: TIMED_OUT, lambda: NOTHING_SENT, end):
        pool.submit(an_account("silo", 1, "hangs"), work)
    assert ended.wait(10)
    hang(pool, jobs, "silo", 16, "hangs", 50)
    assert jobs.wait_for({"hangs": 12})
    jobs.go.set()


@pytest.mark.usefixtures("slow_at_once")
def test_an_account_alone_on_its_host_has_all_places(jobs: Jobs) -> None:
    pool = HostBoundedPool(64)
    pool.retain(accounts("silo", "other"))
    finish(pool, jobs, "silo", "hangs")
    hang(pool, jobs, "silo", 16, "hangs", 50)
    assert jobs.wait_for({"hangs": 16})
    jobs.go.set()


@pytest.mark.usefixtures("slow_at_once")
def test_hosts_that_hang_leave_the_others_threads(jobs: Jobs) -> None:
    hosts = [f"dead-{number}" for number in range(16)]
    pool = HostBoundedPool(64)
    pool.retain(accounts(*hosts, "healthy"))
    for host in hosts:
        finish(pool, jobs, host, host)
    for host in hosts:
        hang(pool, jobs, host, 16, host, 16)
    hang(pool, jobs, "healthy", 16, "healthy", 1)
    with jobs.changed:
        assert jobs.changed.wait_for(lambda: jobs.running["healthy"] == 1, 10)
        assert jobs.running["dead-0"] == 16
    jobs.go.set()


def test_accounts_of_a_host_take_turns(jobs: Jobs) -> None:
    pool = HostBoundedPool(8)
    pool.retain(accounts("silo", "silo"))
    begun: list[str] = []
    done = threading.Semaphore(0)

    def job(account: str) -> None:
        begun.append(account)
        jobs.go.wait(10)
        done.release()

    for account in ["many"] * 6 + ["few"] * 2:
        pool.submit(an_account("silo", 1, account), partial(job, account))
    jobs.go.set()
    for _ in range(8):
        assert done.acquire(timeout=10)
    assert begun[:5].count("few") == 2
    assert begun[5:] == ["many"] * 3


class StartsNoThread:
    """Stand in for `Thread.start` where the system has no thread left."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.refuses = True
        start = threading.Thread.start

        def refuse(thread: threading.Thread) -> None:
            if self.refuses and thread.name.startswith("fetch-"):
                raise RuntimeError("can't start new thread")
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", refuse)


@pytest.mark.parametrize("first", [0, 2])
def test_threads_that_cannot_be_started_are_tried_again(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    """The kind: a limit on processes, reached and lifted again."""
    pool = HostBoundedPool(64)
    submit(pool, jobs, "host", 16, first)
    assert jobs.wait_for({"host": first} if first else {})
    system = StartsNoThread(monkeypatch)
    with capture_logs() as logs:
        submit(pool, jobs, "host", 16, 10)
        assert [line["event"] for line in logs] == ["Cannot start another thread"]
        assert logs[0]["threads"] == first
    if first:
        # Those that there are do it all.
        jobs.go.set()
        with jobs.changed:
            assert jobs.changed.wait_for(partial(jobs.have_finished, 12), 10)
        assert len(jobs.threads) == 2
        jobs.go.clear()
    system.refuses = False
    submit(pool, jobs, "host", 16, 6)
    assert jobs.wait_for({"host": 6 if first else 16})
    jobs.go.set()


def test_who_waits_for_a_job_gets_it_started_once_there_is_a_thread(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = HostBoundedPool(64)
    system = StartsNoThread(monkeypatch)
    submit(pool, jobs, "host", 16, 3)
    pool.start_threads()
    assert jobs.wait_for({})
    system.refuses = False
    pool.start_threads()
    assert jobs.wait_for({"host": 3})
    jobs.go.set()
