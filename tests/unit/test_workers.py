"""Threads that never multiply."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from exporter.scrape import HostBoundedPool


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


def submit(pool: HostBoundedPool, jobs: Jobs, host: str, limit: int, number: int) -> None:
    for _ in range(number):
        pool.submit(host, limit, lambda: jobs.job(host))


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


def test_a_job_that_raises_costs_no_place(jobs: Jobs) -> None:
    pool = HostBoundedPool(2)
    jobs.go.set()

    def fail() -> None:
        jobs.job("host")
        raise ValueError

    for finished in range(1, 10):
        pool.submit("host", 1, fail)
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
            pool.submit(host, 1, job)
            assert done.acquire(timeout=10)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as executor:
            list(executor.map(use_one_place, "abcdefgh"))
    finally:
        sys.setswitchinterval(interval)
    assert len(threads) <= 8
