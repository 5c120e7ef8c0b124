"""Where a request's time goes: the CPU of each package, as cProfile sees it in the workers."""

from __future__ import annotations

import cProfile
import os
import pstats
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.processes import CLIENT_CORES, pin
from benchmarks.report import table
from benchmarks.upstream import Upstream
from exporter import logs
from exporter.runtime import Runtime
from exporter.scrape.fetch import Fetch
from exporter.settings import Account, Configuration, Queue, TlsFiles, TokenEnvironment
from exporter.simulator import AVAILABLE, TOKEN

__all__ = ["account", "by_package"]

PLACES = {
    "urllib3": "urllib3",
    "requests": "requests",
    "exporter": "the exporter",
    "http": "http.client and email",
    "email": "http.client and email",
    "urllib": "urllib.parse",
    "ssl": "TLS and sockets",
    "socket": "TLS and sockets",
    "json": "json",
    "prometheus_client": "prometheus_client",
}
DONE = {
    "urllib3": "its pool is kept at hand in place of being looked up for each request",
    "requests": "requests are prepared once; no environment, `.netrc`, redirect or cookie is"
    " looked at",
    "http.client and email": "nothing: half of it is reading headers, which the standard library"
    " does as for mail, and a reader of our own would have to be as careful",
}


def account(upstream: Upstream) -> Account:
    """Return the API's account, with its key in a variable of this process."""
    os.environ["BENCHMARK_TOKEN"] = TOKEN
    return Account(
        "client-0",
        upstream.url,
        TokenEnvironment("BENCHMARK_TOKEN"),
        tuple(
            Queue(number, f"queue-{number}", (AVAILABLE,))
            for number in range(1, upstream.queues + 1)
        ),
        tls=TlsFiles(ca_file=upstream.ca_file),
    )


def by_package(queues: int, scrapes: int) -> str:
    """Return a table of what a queue's request costs, by package; profiling itself costs most."""
    logs.configure("error")
    pin(CLIENT_CORES)
    with tempfile.TemporaryDirectory() as name, Upstream(Path(name), queues, 0.05) as upstream:
        one = account(upstream)
        runtime = Runtime(Configuration((one,)))
        runtime.snapshot([one], 60)
        with _profiled() as profiles:
            for _ in range(scrapes):
                runtime.snapshot([one], 60)
        shares: defaultdict[str, float] = defaultdict(float)
        for profile in profiles:
            for (file, _, function), (_, _, own, _, callers) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
                if file == "~":  # what is built in counts for who calls it
                    for (caller, _, _), (_, _, part, _) in callers.items():
                        shares[_place(caller, function)] += part
                else:
                    shares[_place(file, function)] += own
    whole = sum(shares.values())
    rows = [
        (place, f"{seconds / whole:.0%}", DONE.get(place, ""))
        for place, seconds in sorted(shares.items(), key=lambda item: -item[1])
        if seconds / whole > 0.02
    ]
    return (
        "CPU of a queue's request by package, what is built in counted where it is called from"
        f" (cProfile, {queues} queues, {scrapes} scrapes):\n\n"
        + table(("", "share", "what was done about it"), rows, text=(0, 2))
    )


@contextmanager
def _profiled() -> Iterator[list[cProfile.Profile]]:
    """Profile each fetch, in whatever thread it runs, by the thread's own CPU time."""
    profiles: list[cProfile.Profile] = []
    local = threading.local()
    run = Fetch.run

    def profiled(self: Fetch) -> None:
        if not hasattr(local, "profile"):
            local.profile = cProfile.Profile(time.thread_time)
            profiles.append(local.profile)
        local.profile.enable()
        try:
            run(self)
        finally:
            local.profile.disable()

    Fetch.run = profiled  # type: ignore[method-assign]
    try:
        yield profiles
    finally:
        Fetch.run = run  # type: ignore[method-assign]


def _place(file: str, function: str) -> str:
    if "_ssl" in function or "_socket" in function:
        return "TLS and sockets"
    path = Path(file)
    for part in (path.stem, *reversed(path.parts[:-1])):
        if part in PLACES and part != "exporter":
            return PLACES[part]
    return PLACES["exporter"] if "exporter" in path.parts else "the rest of the standard library"
