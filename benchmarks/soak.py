"""Thousands of scrapes under random faults: does a thread, a socket or memory stay behind?

    python -m benchmarks.soak

The simulated silos run in a process of their own, over TLS. Pages are asked for by several threads,
each with its own budget, while faults come and go: of one queue, of an account, of a silo. Every
number on every page is compared with the true one. What is shown are the threads, open files and
memory of the exporter's process after a minute without faults and at the end, when all is well
again; a wrong number, or more left behind than its pools hold, ends it with 1.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import random
import ssl
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import trustme

from exporter import logs
from exporter.runtime import Runtime
from exporter.settings import Account, Configuration, Queue, TlsFiles, TokenEnvironment
from exporter.simulator import AVAILABLE, TOKEN, SimulatedAccount
from exporter.web.exposition import choose_format
from exporter.web.server.process import give_back_large_blocks
from tests.simulator import FAULTS, FixedWorld, Simulator

SILOS = 2
ACCOUNTS = 4
QUEUES = {5457: 3, 5460: 0, 5461: 1, 5462: 2, 5463: 7}
#: Faults after which the exporter backs off for a minute, or trusts no number for ten: no load.
LASTING = {
    *(name for name in FAULTS if name.endswith(("-seconds", "-date"))),
    *("row-not-ready", "row-other-status"),
}
#: What the pools may hold, and the memory that the allocator may keep after the worst of bodies.
WORKERS = SILOS * 16
#: The main one, and the one that writes the log.
OTHER_THREADS = 2
SPARE_MEBIBYTES = 32
TENTHS = 10


@dataclass(frozen=True)
class Sample:
    """What a process holds."""

    threads: int
    files: int
    mebibytes: float

    @classmethod
    def take(cls) -> Sample:
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        files = sum(1 for _ in Path("/proc/self/fd").iterdir())
        memory = pages * os.sysconf("SC_PAGESIZE") / 2**20
        return cls(threading.active_count(), files, memory)

    def __str__(self) -> str:
        return f"{self.threads} threads, {self.files} open files, {self.mebibytes:.1f} MiB"


@dataclass
class Figures:
    """What was seen."""

    scrapes: int = 0
    seconds: float = 0.0
    read: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    warm: Sample = field(default_factory=Sample.take)
    along: list[Sample] = field(default_factory=list)
    end: Sample = field(default_factory=Sample.take)
    requests: float = 0.0
    errors: float = 0.0

    def left_behind(self) -> list[str]:
        """Return what the process holds too much of at the end."""
        found = []
        if self.end.threads > OTHER_THREADS + WORKERS:
            found.append("threads")
        if self.end.files > self.warm.files + WORKERS:
            found.append("open files")
        if self.end.mebibytes > self.warm.mebibytes + SPARE_MEBIBYTES:
            found.append("memory")
        return found


def serve_silos(pipe: Connection, ca_file: str, latency: float) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(ca_file)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    world = FixedWorld({queue: f"queue-{queue}" for queue in QUEUES})
    for queue, number in QUEUES.items():
        world.set_available(queue, number)
    with ExitStack() as stack:
        silos = [
            stack.enter_context(
                Simulator(
                    *(
                        SimulatedAccount(world, token=f"{TOKEN}{number}", name=f"client-{number}")
                        for number in range(silo, ACCOUNTS, SILOS)
                    ),
                    tls=context,
                    latency=latency,
                )
            )
            for silo in range(SILOS)
        ]
        pipe.send([silo.url for silo in silos])
        while (order := pipe.recv()) is not None:
            silo, name, scope = order
            if name is None:
                silos[silo].faults.clear()
            else:
                silos[silo].faults.set(name, **scope)
            pipe.send(order)


def break_things(
    pipe: Connection, names: list[str], figures: Figures, stop: threading.Event
) -> None:
    """Set a fault every now and then, and let all be well again every now and then."""
    chance = random.Random(0)
    while not stop.wait(chance.uniform(0.02, 0.2)):
        silo = chance.randrange(SILOS)
        if chance.random() < 0.3:
            pipe.send((silo, None, None))
        else:
            queue = {"queue": chance.choice([*QUEUES])}
            account = {"account": f"client-{chance.randrange(silo, ACCOUNTS, SILOS)}"}
            scope = chance.choice([queue, queue, account, {**queue, **account}, {}])
            name = chance.choice(names)
            figures.faults[name] += 1
            pipe.send((silo, name, scope))
        pipe.recv()
    for silo in range(SILOS):
        pipe.send((silo, None, None))
        pipe.recv()


def ask(runtime: Runtime, figures: Figures, lock: threading.Lock, stop: threading.Event) -> None:
    """Ask for page after page, and compare what is on them with the truth."""
    chance = random.Random(threading.get_ident())
    while not stop.is_set():
        budget = chance.choice([0.05, 0.1, 0.2, 0.4, 0.8])
        begun = time.monotonic()
        snapshot = runtime.snapshot(runtime.configuration.accounts, budget)
        over = time.monotonic() - begun - budget
        collector = runtime.metrics(account=None, exporter_only=True, budget_seconds=budget)
        choose_format("").render(collector)
        with lock:
            figures.scrapes += 1
            figures.late += [over] if over > 0 else []
            for found in snapshot.queues:
                number, failure = found.result.available, found.result.failure
                if failure is not None:
                    figures.failures[failure.code] += 1
                elif number == QUEUES[found.queue.id]:
                    figures.read += 1
                else:
                    figures.wrong.append(f"{found.account.name}/{found.queue.name}: {number}")


def counted(runtime: Runtime, name: str) -> float:
    return sum(
        sample.value
        for family in runtime.counters.families()
        for sample in family.samples
        if sample.name == name
    )


def soak(
    names: list[str], seconds: float, warm_seconds: float, threads: int, latency: float
) -> Figures:
    """Run for a number of seconds after the warm-up, and return the figures."""
    figures = Figures()
    # A log kept in memory would be what grows.
    with tempfile.TemporaryDirectory() as folder, Path(os.devnull).open("w") as nowhere:
        logs.configure("info", "logfmt", nowhere)
        ca_file = Path(folder) / "ca.pem"
        pipe, theirs = multiprocessing.get_context("spawn").Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=serve_silos, args=(theirs, str(ca_file), latency)
        )
        process.start()
        urls = pipe.recv()
        accounts = []
        for number in range(ACCOUNTS):
            os.environ[f"TOKEN_{number}"] = f"{TOKEN}{number}"
            accounts.append(
                Account(
                    f"client-{number}",
                    urls[number % SILOS],
                    TokenEnvironment(f"TOKEN_{number}"),
                    tuple(Queue(queue, f"queue-{queue}", (AVAILABLE,)) for queue in QUEUES),
                    tls=TlsFiles(ca_file=ca_file),
                    detail="agents" if number == 0 else "count",
                    timeout=0.5 if number == 1 else None,
                )
            )
        runtime = Runtime(Configuration(tuple(accounts)))
        stop, lock = threading.Event(), threading.Lock()
        askers = [
            threading.Thread(target=ask, args=(runtime, figures, lock, stop))
            for _ in range(threads)
        ]
        breaker = threading.Thread(target=break_things, args=(pipe, names, figures, stop))
        for thread in askers:
            thread.start()
        stop.wait(warm_seconds)
        figures.warm = Sample.take()
        breaker.start()
        begun = time.monotonic()
        before = figures.scrapes
        for _ in range(TENTHS):
            stop.wait(seconds / TENTHS)
            figures.along.append(Sample.take())
        stop.set()
        for thread in (*askers, breaker):
            thread.join()
        figures.seconds = time.monotonic() - begun
        figures.scrapes -= before
        time.sleep(1.5)  # what outlasted its page
        last = runtime.snapshot(accounts, 10)
        figures.wrong += [
            f"at the end {found.account.name}/{found.queue.name}: {found.result.failure}"
            for found in last.queues
            if found.result.available != QUEUES[found.queue.id]
        ]
        figures.end = Sample.take()
        figures.requests = counted(runtime, "calltools_api_requests_total")
        figures.errors = counted(runtime, "calltools_api_errors_total")
        pipe.send(None)
        process.join()
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=600, help="default 600")
    parser.add_argument("--warm-seconds", type=float, default=60, help="default 60")
    parser.add_argument("--threads", type=int, default=6, help="that ask for pages; default 6")
    parser.add_argument("--latency", type=float, default=0.01, help="seconds; default 0.01")
    parser.add_argument("faults", nargs="*", help="default: all that end with their request")
    options = parser.parse_args()
    give_back_large_blocks()  # as the command does that serves
    figures = soak(
        options.faults or sorted(set(FAULTS) - LASTING),
        options.seconds,
        options.warm_seconds,
        options.threads,
        options.latency,
    )
    late = sorted(figures.late)
    left_behind = figures.left_behind()
    along = ", ".join(f"{sample.mebibytes:.0f}" for sample in figures.along)
    print(
        f"{figures.scrapes} scrapes in {figures.seconds:.0f} s"
        f" under {figures.faults.total()} faults of {len(figures.faults)} kinds\n"
        f"numbers: {figures.read} right, {len(figures.wrong)} wrong;"
        f" failures: {figures.failures.total()}\n"
        f"requests: {figures.requests:.0f}, of them errors: {figures.errors:.0f}\n"
        f"pages beyond their budget: {len(late)},"
        f" by {late[len(late) // 2] if late else 0:.3f} s (median),"
        f" {late[-1] if late else 0:.3f} s (most)\n"
        f"warm: {figures.warm}\n"
        f"MiB after each tenth: {along}\n"
        f"at the end: {figures.end}\n"
        f"left behind: {', '.join(left_behind) or 'nothing'}"
    )
    print(", ".join(f"{code}: {number}" for code, number in figures.failures.most_common()))
    for wrong in figures.wrong[:20]:
        print(wrong)
    return 1 if figures.wrong or left_behind else 0


if __name__ == "__main__":
    sys.exit(main())
