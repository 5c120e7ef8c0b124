"""An account that cannot be read, beside one that can: what each output shows of it.

The accounts are `acme`, which fails, and `beta`, which is well. Each of their numbers is above 0:
a zero, or the word "nobody", is then an outage that was taken for an empty queue.
"""

from __future__ import annotations

import html
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from exporter.simulator import AVAILABLE, SimulatedAccount
from tests.process_fixtures import Command, RunMain, Said
from tests.simulator import Dialect, FixedWorld, Simulator

QUEUES = {5457: "sales", 5460: "support", 5466: "test"}
NUMBERS = {"sales": 3, "support": 2, "test": 1}
HEALTHY_QUEUE, HEALTHY_NUMBER = "night", 7
#: What fails, and the code that names it wherever acme cannot be read.
FAILURES = {
    "key missing at start": "token",
    "key missing later": "token",
    "key refused": "401",
    "host dead": "connection",
    "lists forbidden": "403",
    "list slow": "timeout",
    "all well": "",
}
#: How acme's queues are configured.
LISTED: list[object] = [{"id": 5457, "name": "sales"}, {"id": 5460, "name": "support"}]
CONFIGURED: dict[str, object] = {
    "listed": LISTED,
    "`all`": "all",
    "`all` with exceptions": [
        "all",
        {"id": 5457, "required_agents": 3},
        {"id": 5466, "ignore": True},
    ],
}
#: Where lists fail, a queue that is listed is read all the same.
READ = {
    *(("all well", configured) for configured in CONFIGURED),
    *((failure, "listed") for failure in ("lists forbidden", "list slow")),
}


@dataclass
class Site:
    """Two accounts on two silos, one of which is broken, and the files of an exporter."""

    failure: str
    configured: str
    folder: Path
    acme: Simulator
    beta: Simulator

    @property
    def is_read(self) -> bool:
        """Whether acme's numbers can be known."""
        return (self.failure, self.configured) in READ

    @property
    def code(self) -> str:
        """The code that an output gives as the reason; none where acme is read."""
        return "" if self.is_read else FAILURES[self.failure]

    @property
    def seconds(self) -> float:
        """What an output may take; a list that is slow takes all of it."""
        return 2.0 if self.failure == "list slow" else 15.0

    @property
    def breaks_later(self) -> bool:
        """Whether all is well at the first scrape."""
        return self.failure == "key missing later"

    @property
    def flag(self) -> str:
        return f"--config.file={self.folder / 'exporter.yml'}"

    def break_it(self) -> None:
        """Let acme fail from now on."""
        match self.failure:
            case "key missing at start" | "key missing later":
                (self.folder / "acme.key").unlink()
            case "key refused":
                (self.folder / "acme.key").write_text("another-key-of-acme-0123456789")
            case "host dead":
                self.acme.stop()
            case "lists forbidden":
                self.acme.dialect = Dialect(forbidden=frozenset({"queues", "statuses"}))
            case "list slow":
                for name in ("queues", "statuses"):
                    self.acme.faults.set("hang", path=f"/api/{name}/")

    def cleaned(self, text: str) -> str:
        """Return a text without what differs from run to run."""
        text = text.replace(str(self.folder) + "/", "")
        for name, simulator in (("ACME", self.acme), ("BETA", self.beta)):
            text = text.replace(simulator.url.removeprefix("http://"), name)
        # Whether the request or the scrape ends first is a matter of milliseconds.
        in_vain = r"(/api/queues/ cannot be read: )?no complete answer from ACME within [\d.]+ s"
        in_vain = rf"{in_vain}|the account's lists could not be read in time"
        return re.sub(in_vain, "no answer in time", text)


@contextmanager
def site(failure: str, configured: str, folder: Path) -> Iterator[Site]:
    """Give the two accounts for as long as the ``with`` block lasts, acme broken from the start."""
    acme_world, beta_world = FixedWorld(QUEUES), FixedWorld({7001: HEALTHY_QUEUE})
    for id_, name in QUEUES.items():
        acme_world.set_available(id_, NUMBERS[name])
    beta_world.set_available(7001, HEALTHY_NUMBER)
    with ExitStack() as stack:
        keys = {"acme": "a-key-of-acme-0123456789", "beta": "a-key-of-beta-0123456789"}
        acme = stack.enter_context(
            Simulator(SimulatedAccount(acme_world, token=keys["acme"], name="acme"))
        )
        beta = stack.enter_context(
            Simulator(SimulatedAccount(beta_world, token=keys["beta"], name="beta"))
        )
        for name, key in keys.items():
            (folder / f"{name}.key").write_text(key)
        accounts = [
            {"name": "acme", "url": acme.url, "queues": CONFIGURED[configured]},
            {"name": "beta", "url": beta.url, "queues": [{"id": 7001, "name": HEALTHY_QUEUE}]},
        ]
        defaults = {"token_file": "{account}.key", "available_status": AVAILABLE}
        text = yaml.safe_dump({"defaults": defaults, "accounts": accounts}, sort_keys=False)
        (folder / "exporter.yml").write_text(text)
        made = Site(failure, configured, folder, acme, beta)
        if not made.breaks_later:
            made.break_it()
        yield made


def table(head: str, columns: Mapping[str, Mapping[str, str]]) -> str:
    """Return a table with a row for each output; those of one column are in one mapping."""
    names = next(iter(columns.values()))
    rows = [[head, *columns], ["---"] * (1 + len(columns))]
    rows += [[name, *(column[name] for column in columns.values())] for name in names]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows
    )


def mark(failure: str) -> str:
    """Return the name of a failure's table on the page."""
    return failure.replace(" ", "-")


@dataclass(frozen=True)
class Output:
    """What one output shows, in a few words, and what it says of the account that is well."""

    text: str
    shows_beta: bool | None = None
    says_nobody: bool = False


class Asking:
    """One exporter of a site, and every output of it."""

    def __init__(self, site: Site, exporter: Command, run_main: RunMain) -> None:
        self.site = site
        self.exporter = exporter
        self._run_main = run_main

    def served(self) -> dict[str, Output]:
        """Return what is served over HTTP, from a cold start but for what breaks later."""
        if self.site.breaks_later:
            self.page("/metrics")
            self.site.break_it()
        said: dict[str, Output] = {}
        said["`/sd`"] = self._sd("/sd")
        said["`/sd?by=account`"] = self._sd("/sd?by=account")
        said["`/probe?account=acme`"] = self._scrape("/probe?account=acme")
        said["`/probe?account=acme&queue=sales`"] = self._scrape("/probe?account=acme&queue=sales")
        said["`/metrics`"] = self._scrape("/metrics", both=True)
        said["`/`"] = self._landing()
        return said

    def written(self) -> dict[str, Output]:
        """Return what commands in this process write, one after the other, and then the log."""
        said: dict[str, Output] = {}
        said["`ping`"] = self._ping()
        said["`ping acme`"] = self._ping("acme")
        said["`ping acme/sales`"] = self._ping("acme/sales")
        said["`ping --json`"] = self._ping("--json")
        said["log"] = self._log()
        return said

    def page(self, path: str) -> tuple[int, str]:
        """Return the status and the text of a scrape."""
        answer = self.exporter.get(
            path, X_Prometheus_Scrape_Timeout_Seconds=str(self.site.seconds + 0.5)
        )
        return answer.status_code, answer.text

    def _scrape(self, path: str, *, both: bool = False) -> Output:
        status, text = self.page(path)
        if status != 200:
            return Output(self.site.cleaned(f"{status}: {text.strip()}"))
        found = samples(text)
        own = [sample for sample in found if sample.labels.get("account") == "acme"]
        words = [
            f"`calltools_up` {sample.value:g}" for sample in own if sample.name == "calltools_up"
        ]
        words += [
            f"account: `{sample.labels['code']}`"
            for sample in own
            if sample.name == "calltools_account_failure"
        ]
        words += [f"{queue}: {said}" for queue, said in of_queues(own).items()]
        beta = f'calltools_queue_available_agents{{account="beta",queue="{HEALTHY_QUEUE}"}} '
        nobody = any(
            sample.name == "calltools_queue_available_agents" and not sample.value for sample in own
        )
        return Output("; ".join(words), beta in text if both else None, nobody)

    def _sd(self, path: str) -> Output:
        answer = self.exporter.get(path)
        if answer.status_code != 200:
            return Output(self.site.cleaned(f"{answer.status_code}: {answer.text.strip()}"), False)
        targets = [target for group in answer.json() for target in group["targets"]]
        own = [target for target in targets if target.partition("/")[0] == "acme"]
        return Output(", ".join(own), any(target.startswith("beta") for target in targets))

    def _landing(self) -> Output:
        text = self.exporter.get("/?account=acme&refresh=off").text
        whole = words_of(self.exporter.get("/").text)
        rows = re.findall(r"<tr\b[^>]*>(.*?)</tr>", text.partition("<main>")[2], re.DOTALL)
        shown = [words_of(row) for row in rows if "<td" in row]
        said = self.site.cleaned("; ".join(shown))
        return Output(
            said, HEALTHY_QUEUE in whole, "nobody" in said or re.search(r"\b0 ", said) is not None
        )

    def _ping(self, *words: str) -> Output:
        said = self._run_main("ping", self.site.flag, f"--timeout={self.site.seconds}", *words)
        asked_all = not words or words == ("--json",)
        shown = _json(said) if "--json" in words else _table(said)
        text = f"exit {said.code}: {self.site.cleaned(shown)}"
        beta = f"{HEALTHY_QUEUE}" in said.out if asked_all else None
        return Output(text, beta, said.code == 1)

    def _log(self) -> Output:
        lines = []
        for line in self.exporter.written().splitlines():
            fields = dict(word.partition("=")[::2] for word in shlex.split(line) if "=" in word)
            if fields.get("level") in {"warning", "error"} and fields.get("account") == "acme":
                queue = f" {fields['queue']}" if "queue" in fields else ""
                lines.append(f"{fields['msg']}{queue} `{fields.get('code', '')}`")
        # Whether lists are still asked for once a key is refused is a matter of milliseconds.
        failed = {line for line in lines if not line.startswith("Cannot read list")}
        return Output("; ".join(sorted(failed or set(lines))))


@dataclass(frozen=True)
class Sample:
    """One sample of a page."""

    name: str
    labels: dict[str, str]
    value: float


def samples(text: str) -> list[Sample]:
    """Return the samples of a page in Prometheus' text format."""
    found = []
    for line in text.splitlines():
        match = re.fullmatch(r"([a-z_0-9]+)(?:\{(.*)\})? (\S+)", line)
        if match:
            labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match[2] or ""))
            found.append(Sample(match[1], labels, float(match[3])))
    return found


def of_queues(found: list[Sample]) -> dict[str, str]:
    """Return what is said of each queue: its number, or the code of its failure."""
    said: dict[str, str] = {}
    for sample in found:
        queue = sample.labels.get("queue")
        match sample.name:
            case "calltools_queue_available_agents" if queue:
                said[queue] = f"{sample.value:g}"
            case "calltools_queue_failure" if queue:
                said[queue] = f"`{sample.labels['code']}`"
            case "calltools_queue_up" if queue:
                said.setdefault(queue, "nothing")
    return said


def words_of(markup: str) -> str:
    """Return the text of a part of a page, without times."""
    markup = re.sub(r'<span class="(?:since|age|past)">.*?</span>', "", markup, flags=re.DOTALL)
    markup = re.sub(r"<td class=\"age\">.*?</td>|<time\b.*?</time>", "", markup, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", markup)).split())


def _table(said: Said) -> str:
    """Return acme's rows without the seconds, and what was said besides; a log is apart."""
    rows = (" ".join(row.split()) for row in said.out.splitlines()[1:])
    own = [
        re.sub(r"^((?:\S+ ){4}\S+) (?:\d+\.\d\d|-)", r"\1", row)
        for row in rows
        if row.startswith("acme")
    ]
    besides = [line for line in said.err.splitlines() if line and not line.startswith("ts=")]
    return "; ".join([*own, *besides])


def _json(said: Said) -> str:
    document = json.loads(said.out)
    queues = document["queues"] if isinstance(document, dict) else document
    failed = document.get("accounts", []) if isinstance(document, dict) else []
    words = [
        f"{queue['queue']}: {_reason(queue) if queue['failure'] else queue['available']}"
        for queue in queues
        if queue["account"] == "acme"
    ]
    words += [f"account: {_reason(found)}" for found in failed if found["account"] == "acme"]
    return "; ".join(words)


def _reason(found: Mapping[str, Any]) -> str:
    return f"`{found['failure']['code']}`"
