"""What recorded rules and alerts would have made of the past: which queries to ask, in what order.

A rule can be filled only after those that it rests on. Rules of every 15 s are filled with a value
a minute, as there is a scrape a minute; where another rule counts their values, it is given one
each 15 s by a subquery, so that it counts what it would have counted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_RECORDED = re.compile(r"\b\w+:\w+(?::\w+)?\b")
_SECONDS = {"s": 1, "m": 60}


@dataclass(frozen=True, slots=True)
class Filling:
    """One series to be filled: the labels and name that are set, the query, the step in seconds.

    `later` are the series that its group records after it.
    """

    labels: Mapping[str, str]
    query: str
    step: int
    later: frozenset[str] = frozenset()


def stages(files: Sequence[Mapping[str, Any]], *, scrape: int) -> list[list[Filling]]:
    """Return what is to be filled, each stage resting on those before it.

    A rule that reads its own last value, or that of a rule after it in its group, is filled as if
    there was none, and `for` counts for nothing: an alert of the past ends early, or begins so, by
    minutes.
    """
    groups = [group for file in files for group in file["groups"]]
    every = {
        rule["record"]: _seconds(group["interval"])
        for group in groups
        for rule in group["rules"]
        if "record" in rule
    }
    waiting = [
        _filling(rule, group["rules"][place:], max(scrape, _seconds(group["interval"])), every)
        for group in groups
        for place, rule in enumerate(group["rules"], start=1)
    ]
    made: list[list[Filling]] = []
    while waiting:
        open_names = {filling.labels["__name__"] for filling in waiting}
        now = [rule for rule in waiting if not _rests_on(rule) & open_names]
        if not now:
            msg = f"recorded rules that rest on each other: {sorted(open_names)}"
            raise ValueError(msg)
        waiting = [rule for rule in waiting if rule not in now]
        made.append(now)
    return made


def _rests_on(filling: Filling) -> set[str]:
    return set(_RECORDED.findall(filling.query)) - {filling.labels["__name__"]} - filling.later


def _filling(
    rule: Mapping[str, Any], after: Sequence[Mapping[str, Any]], step: int, every: Mapping[str, int]
) -> Filling:
    query = rule["expr"]
    for name, seconds in every.items():
        query = re.sub(rf"\b({name})\[(\w+)\]", rf"\1[\2:{seconds}s]", query)
    if "record" in rule:
        later = frozenset(one["record"] for one in after if "record" in one)
        return Filling({"__name__": rule["record"]}, query, step, later)
    labels = {"__name__": "ALERTS", "alertname": rule["alert"], "alertstate": "firing"}
    return Filling({**labels, **rule["labels"]}, f"({query}) * 0 + 1", step)


def _seconds(duration: str) -> int:
    return int(duration[:-1]) * _SECONDS[duration[-1]]
