"""Against peers: the same queues, the same API, one contender after the other in each round."""

from __future__ import annotations

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import contenders
from benchmarks.peers.contenders import Contender, Round
from benchmarks.report import median, table, times
from benchmarks.upstream import Seen, Upstream

MAX_AGE_SECONDS = 10
#: Where `make bench` puts the programs of others.
PEERS = {
    "debian/usr/bin/prometheus-blackbox-exporter": contenders.blackbox,
    "json_exporter": contenders.json_exporter,
}


@dataclass(frozen=True)
class Work:
    """What is to be done, by everybody."""

    queues: int
    parallel: int
    latency: float


@dataclass(frozen=True)
class Taken:
    """One round and what the API saw of it."""

    round: Round
    seen: Seen


def measure(work: Work, rounds: int, peers: Path) -> str:
    """Return the tables; what is not in the folder of peers is left out, and that is said."""
    taken: dict[str, list[Taken]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        upstream = stack.enter_context(Upstream(folder, work.queues, work.latency))
        others = [stack.enter_context(contenders.ours(folder, upstream, work.parallel))]
        for name_of_peer, start in PEERS.items():
            if (program := peers / name_of_peer).exists():
                made = start(program, folder, upstream, work.parallel)
                others.append(stack.enter_context(made))
        others.append(contenders.loop(folder, upstream))
        for _ in range(rounds):
            for contender in others:
                taken[contender.name].append(_take(contender, upstream))
        pairs = {contender.name: _take_twice(contender, upstream) for contender in others}
        saving = stack.enter_context(
            contenders.ours(folder, upstream, work.parallel, f"{MAX_AGE_SECONDS}s")
        )
        time.sleep(MAX_AGE_SECONDS)  # the first page's numbers are too old then
        pairs[saving.name] = _take_twice(saving, upstream)
    for contender_name, rounds_taken in taken.items():
        if any(sample.round.told != work.queues for sample in rounds_taken):
            told = [sample.round.told for sample in rounds_taken]
            raise RuntimeError(f"{contender_name} reported {told} of {work.queues} queues")
    left_out = [Path(peer).name for peer in PEERS if not (peers / peer).exists()]
    return _tables(work, rounds, taken, pairs, left_out)


def _take(contender: Contender, upstream: Upstream) -> Taken:
    before = upstream.seen()
    taken = contender.round()
    return Taken(taken, upstream.seen() - before)


def _take_twice(contender: Contender, upstream: Upstream) -> int:
    """Return how many requests two servers cost that ask in the same interval."""
    before = upstream.seen()
    contender.round()
    contender.round()
    return (upstream.seen() - before).requests


def _tables(
    work: Work,
    rounds: int,
    taken: dict[str, list[Taken]],
    pairs: dict[str, int],
    left_out: list[str],
) -> str:
    first = next(iter(taken))

    def of(name: str, value: Callable[[Taken], float]) -> float:
        return median(value(sample) for sample in taken[name])

    def cell(name: str, value: Callable[[Taken], float], form: str) -> str:
        own, base = of(name, value), of(first, value)
        ratio = f" ({times(own / base)})" if base and name != first else ""
        return f"{own:{form}}{ratio}"

    speed = [
        (
            name,
            cell(name, lambda sample: sample.round.seconds, ".2f"),
            cell(name, lambda sample: sample.round.cpu_seconds, ".3f"),
            cell(name, lambda sample: sample.round.mebibytes, ".0f"),
        )
        for name in taken
    ]
    traffic: list[tuple[object, ...]] = [
        (
            name,
            f"{of(name, lambda sample: sample.seen.connections):.0f}",
            f"{of(name, lambda sample: sample.seen.handshakes - sample.seen.resumed):.0f}",
            f"{of(name, lambda sample: sample.seen.cpu_seconds):.2f}",
            f"{of(name, lambda sample: sample.seen.requests):.0f}",
            pairs[name],
        )
        for name in taken
    ]
    traffic += [(name, *[""] * 4, pairs[name]) for name in pairs if name not in taken]
    price = [
        (
            name,
            f"{of(name, lambda sample: sample.round.scrapes):.0f}",
            f"{of(name, lambda sample: sample.round.samples):.0f}",
        )
        for name in taken
    ]
    head = (
        f"{work.queues} queues, {work.parallel} at a time, an answer after"
        f" {1000 * work.latency:.0f} ms: at least"
        f" {-(-work.queues // work.parallel) * work.latency:.2f} s. Medians of {rounds} rounds."
    )
    absent = f"\nNot available here, and left out: {', '.join(left_out)}.\n" if left_out else ""
    return "\n".join(
        [
            head,
            absent,
            table(("", "seconds", "CPU seconds", "memory, MiB"), speed),
            "What the API sees of a round, and of two Prometheus servers in one interval:\n",
            table(
                (
                    *("", "connections", "full handshakes", "its CPU seconds", "requests"),
                    "requests, two servers",
                ),
                traffic,
            ),
            "What Prometheus pays for a round:\n",
            table(("", "scrapes", "samples"), price),
        ]
    )
