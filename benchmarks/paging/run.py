"""Let promtool evaluate the rules over simulated weeks, and compare its alerts with the truth."""

from __future__ import annotations

import itertools
import json
import re
import statistics
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from benchmarks.paging.judge import PAGED_WITHIN, Spell, forbidden, over, spells
from benchmarks.paging.world import DAY, Interval, QueueWeek, Scrape, Setup, make_week
from prometheus.build import rule_files

PAGE = "CallToolsNobodyAvailable"
BEGIN = datetime(2026, 1, 4, tzinfo=UTC).timestamp()
STEP = 5
#: What can be wrong with an alert: firing when it must not; missing; too long after the queue
#: became empty; firing, but not throughout; still firing when it must be known that it is over.
WRONG = ("false", "missed", "late", "interrupted", "stuck")
#: What promtool can load at once, in seconds: its limit is 10 000 samples.
LONGEST = 30000


@dataclass(frozen=True)
class Figures:
    """What was found; times are in seconds, `delays` from when a page was due."""

    days: float = 0
    spells: int = 0
    due: int = 0
    pages: int = 0
    delays: tuple[float, ...] = ()
    wrong: tuple[str, ...] = ()

    def __add__(self, other: Figures) -> Figures:
        return Figures(
            self.days + other.days,
            self.spells + other.spells,
            self.due + other.due,
            self.pages + other.pages,
            self.delays + other.delays,
            self.wrong + other.wrong,
        )

    def in_words(self) -> str:
        """Return them as a line."""
        times = (
            f"alerts after {statistics.mean(self.delays):.0f} s (mean),"
            f" {statistics.median(self.delays):.0f} s (median), {max(self.delays):.0f} s (longest)"
            if self.delays
            else "no alert"
        )
        kinds = Counter(line.partition(":")[0] for line in self.wrong)
        wrong = ", ".join(f"{kinds[kind]} {kind}" for kind in WRONG)
        return (
            f"{self.days:g} days of queues, {self.spells} empty spells, {self.due} of six minutes"
            f" or more that could be read, {times}; {self.pages} pages in all, {wrong}"
        )


@dataclass
class _Question:
    """An expression for promtool at a time, and what its answer means."""

    kind: str
    expression: str
    at: float
    week: QueueWeek
    spell: Spell | None = None
    answer: float | None = field(default=None)


@dataclass(frozen=True)
class Extent:
    """How many queues are simulated for how long, each at another time of one year."""

    queues: int
    days: float
    seed: str


def measure(
    promtool: Path, setup: Setup, extent: Extent, files: Iterable[str] | None = None
) -> Figures:
    """Simulate, have the rules evaluated (those of `files`, as text), and compare."""
    length = int(extent.days * DAY)
    weeks = [
        make_week(
            f"q{number}",
            setup,
            BEGIN + number * 365 // extent.queues * DAY,
            length,
            f"{extent.seed} {setup} {number}",
        )
        for number in range(extent.queues)
    ]
    judged = [(week, spells(week)) for week in weeks]
    questions = [question for week, found in judged for question in _questions(week, found)]
    _ask(promtool, weeks, questions, list(files or rule_files().values()))
    return _figures(judged, questions, extent.days * extent.queues)


def _questions(week: QueueWeek, found: list[Spell]) -> Iterator[_Question]:
    page = f'ALERTS{{alertname="{PAGE}",queue="{week.name}"}}'
    for start, end in _pieces(forbidden(week, found)):
        there = f"count_over_time({page}[{_time(end - start - 1)}])"
        yield _Question("false", there, end - 1, week)
        yield _Question("stuck", f"count({page})", start + 15, week)
    for start, end in _pieces(over(found)):
        begun = f"({page} unless {page} offset 15s)[{_time(end - start)}:15s]"
        yield _Question("over", f"count_over_time({begun})", end, week)
    for spell in found:
        if spell.earliest < spell.latest:
            last = min(spell.latest, spell.earliest + LONGEST)
            when = f"min_over_time(timestamp({page})[{_time(last - spell.earliest)}:15s])"
            yield _Question("start", when, last, week, spell)
        if spell.due_from is not None and spell.end > (by := spell.due_from + PAGED_WITHIN) + 60:
            end = min(spell.end, by + LONGEST)
            held = f"count_over_time({page}[{_time(end - by)}]) / {(end - by) // 15}"
            yield _Question("held", held, end, week, spell)


def _pieces(intervals: list[Interval]) -> Iterator[Interval]:
    """Yield the same in lengths that promtool can load at once."""
    for start, end in intervals:
        at = start
        while at + LONGEST < end:
            yield at, at + LONGEST
            at += LONGEST
        yield at, end


def _figures(
    judged: list[tuple[QueueWeek, list[Spell]]], questions: list[_Question], days: float
) -> Figures:
    wrong: list[str] = []
    delays: list[float] = []
    pages = due = 0
    for question, following in itertools.zip_longest(questions, questions[1:]):
        where = f"{question.week.name} at {question.at:.0f} s"
        spell, answer = question.spell, question.answer
        if question.kind == "false" and answer is not None:
            stuck = following is not None and following.answer is not None
            kind = "stuck" if stuck else "false"
            wrong.append(f"{kind}: {where}, {answer:.0f} evaluations; {question.expression}")
        elif question.kind == "over" and answer is not None:
            wrong.append(f"false: {where}, a page began when somebody was there again")
        elif question.kind == "start" and spell is not None:
            pages += answer is not None
            if spell.due_from is not None:
                due += 1
                if answer is None:
                    wrong.append(f"missed: {where}, {spell}")
                else:
                    delays.append(max(0.0, answer - spell.due_from))
                    if delays[-1] > PAGED_WITHIN:
                        wrong.append(f"late: {where}, {delays[-1]:.0f} s for {spell}")
        elif question.kind == "held" and (answer or 0) < 1:
            wrong.append(f"interrupted: {where}, there for {answer} of {spell}")
    return Figures(
        days, sum(len(found) for _, found in judged), due, pages, tuple(delays), tuple(wrong)
    )


def _ask(
    promtool: Path,
    weeks: list[QueueWeek],
    questions: list[_Question],
    files: list[str],
) -> None:
    """Have promtool evaluate the rules, and fill in the answers.

    Each question expects nothing, so that promtool prints what it got instead.
    """
    with tempfile.TemporaryDirectory(prefix="paging-") as name:
        folder = Path(name)
        groups = list(_groups(files))
        (folder / "rules.yml").write_text(yaml.safe_dump({"groups": groups}))
        test = {
            "rule_files": ["rules.yml"],
            "evaluation_interval": "15s",
            # At worst an alert sees what another group records one evaluation later.
            "group_eval_order": sorted((group["name"] for group in groups), reverse=True),
            "tests": [
                {
                    "interval": f"{STEP}s",
                    "input_series": [series for week in weeks for series in _series(week)],
                    "promql_expr_test": [
                        {
                            "expr": f"{question.expression} + 0 * {number}",
                            "eval_time": _time(question.at),
                        }
                        for number, question in enumerate(questions)
                    ],
                }
            ],
        }
        (folder / "test.yml").write_text(json.dumps(test))  # YAML as well, and written faster
        done = subprocess.run(
            [promtool, "test", "rules", folder / "test.yml"],
            capture_output=True,
            text=True,
            check=False,
        )
    said = done.stdout + done.stderr
    answers = re.findall(r'expr: ".*? \+ 0 \* (\d+)", time: .*,\s+exp: nil\s+got: (.*)', said)
    if errors := [line for line in said.splitlines() if "err:" in line]:
        raise RuntimeError(errors[0])
    if not answers and "SUCCESS" not in said:
        raise RuntimeError(f"promtool could not evaluate the rules: {said[:2000]}")
    for number, got in answers:
        questions[int(number)].answer = float(got.rpartition(" ")[2])


def _groups(files: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the rules that the alert depends on."""
    groups = [group for text in files for group in yaml.safe_load(text)["groups"]]
    rules = {
        rule.get("record") or rule["alert"]: rule for group in groups for rule in group["rules"]
    }
    needed, found = set(), {PAGE}
    while found:
        needed |= found
        used = " ".join(rules[name]["expr"] for name in found)
        found = {name for name in rules if re.search(rf"{name}\b", used)} - needed
    for group in groups:
        kept = [rule for rule in group["rules"] if (rule.get("record") or rule["alert"]) in needed]
        if kept:
            yield {**group, "rules": kept}


def _series(week: QueueWeek) -> Iterator[dict[str, str]]:
    for replica, scrapes in enumerate(week.scrapes):
        target = f'instance="{replica}",job="calltools-{week.name}"'
        account = f'{target},account="{week.name}"'
        queue = f'{account},queue="{week.name}"'

        def named(
            value: Callable[[Scrape], int | None], *, account_only: bool = False
        ) -> Callable[[Scrape], int | None]:
            gone = week.length if account_only and not week.account_removed else week.removed
            return lambda scrape: value(scrape) if scrape.at < gone else None

        def read(scrape: Scrape) -> int:
            return int(scrape.available is not None)

        values: dict[str, Callable[[Scrape], int | None]] = {
            f'account_info{{{account},host="{week.name}"}}': named(lambda _: 1, account_only=True),
            f"up{{{account}}}": named(read, account_only=True),
            f'queue_info{{{queue},queue_id="1",status_id="1"}}': named(lambda _: 1),
            f"queue_up{{{queue}}}": named(read),
            f"queue_open{{{queue}}}": named(lambda scrape: int(week.is_open(scrape.at))),
            f"queue_required_agents{{{queue}}}": named(lambda _: week.required),
            f"queue_available_agents{{{queue}}}": named(lambda scrape: scrape.available),
        }
        for name, value in values.items():
            slots = _slots(scrapes, value, week.length)
            yield {"series": f"calltools_{name}", "values": " ".join(_shortened(slots))}
        reached = _slots(scrapes, lambda _: 1, week.length, unreached="0")
        yield {"series": f"up{{{target}}}", "values": " ".join(_shortened(reached))}


def _slots(
    scrapes: Sequence[Scrape],
    value: Callable[[Scrape], int | None],
    length: int,
    unreached: str = "stale",
) -> Iterator[str]:
    """Yield what Prometheus stores in each step of time.

    A value is repeated until the next scrape, which for a query is as good as once. Where a scrape
    lacks it, or failed, Prometheus stores that it is stale; where it did not scrape at all,
    nothing.
    """
    yield from ["_"] * (scrapes[0].at // STEP)
    ends = [scrape.at for scrape in scrapes[1:]] + [length]
    for scrape, end in zip(scrapes, ends, strict=True):
        steps = (end - scrape.at) // STEP
        found = value(scrape) if scrape.reached else None
        stored = str(found) if found is not None else "stale" if scrape.reached else unreached
        if scrape.lost:
            yield from ["_"] * steps
        elif stored == "stale":
            yield from ["stale", *["_"] * (steps - 1)]
        else:
            yield from [stored] * steps


def _shortened(slots: Iterable[str]) -> Iterator[str]:
    """Yield the same as promtool's notation has it: `1x9` are ten, `_x9` nine."""
    for slot, group in itertools.groupby(slots):
        times = len(list(group))
        if slot == "stale":
            yield from [slot] * times
        else:
            yield f"{slot}x{times if slot == '_' else times - 1}"


def _time(seconds: float) -> str:
    return f"{max(1, int(seconds))}s"
