"""The page for people: what it says of each queue, and what it never says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.clock import Moment
from exporter.errors import Failure
from exporter.history import AccountStatus, QueueStatus, ScrapeHistory
from exporter.schedule import Schedule
from exporter.settings import Account, Queue, TokenEnvironment
from exporter.snapshot import AccountSnapshot, AgentDetail, QueueResult, QueueSnapshot, Snapshot
from exporter.web.landing import page as landing

NOW = 1_785_174_300.0  # 2026-07-27T17:45:00Z
NEVER_OPEN = Schedule("UTC", ((),) * 7, ())
SAID = Failure("503", "the API failed (503)")


class Reader(HTMLParser):
    """What somebody sees who reads the page: its text, and its tables row by row."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str]] = []
        self.rows: list[str] = []
        self.text = ""
        self._in_row = False
        self.feed(page)
        self.text = " ".join(self.text.split())
        self.rows = [" ".join(row.split()) for row in self.rows]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag == "tr":
            self._in_row = True
            self.rows.append("")
        if tag in {"td", "th"}:
            self.handle_data(" | ")

    def handle_endtag(self, tag: str) -> None:
        self._in_row &= tag != "tr"

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._in_row:
            self.rows[-1] += data

    def row(self, queue: str) -> str:
        """Return the one row of a queue."""
        (found,) = (row for row in self.rows if row.startswith(f"| {queue} "))
        return found


def an_account(*queues: Queue, name: str = "acme", **settings: Any) -> Account:
    token = TokenEnvironment("CALLTOOLS_TOKEN")
    return Account(name, "https://east-2.calltools.io", token, queues, **settings)


def a_queue(name: str, id_: int = 1, **settings: Any) -> Queue:
    return Queue(id_, name, (20561,), **settings)


def read(available: int, at: float = NOW - 12, **more: Any) -> QueueResult:
    return QueueResult(available, None, 0.2, Moment(at, at), **more)


def unreadable(failure: Failure = SAID, at: float = NOW - 12) -> QueueResult:
    return QueueResult(None, failure, 0.2, Moment(at, at))


def scraped(
    history: ScrapeHistory,
    account: Account,
    results: Mapping[str, QueueResult],
    last_success_at: float | None = None,
    failures: Sequence[Failure] = (),
) -> Account:
    """Let a history take in a scrape of the queues with these names."""
    queues = tuple(
        QueueSnapshot(
            account,
            queue,
            results[queue.name],
            open=True,
            utc_offset=0,
            last_success_at=last_success_at,
        )
        for queue in account.queues
        if queue.name in results
    )
    summary = AccountSnapshot(account, up=not failures, failures=tuple(failures))
    at = max((result.finished_at.unix for result in results.values()), default=NOW - 12)
    history.record(Snapshot((summary,), queues, 1, 10), at)
    return account


def page(history: ScrapeHistory, *accounts: Account, now: float = NOW, **more: Any) -> Reader:
    statuses = [history.status(account, account.queues) for account in accounts]
    return Reader(
        landing.render(statuses, Moment(now, now), **{"origin": "http://exporter:15457", **more})
    )


def test_before_any_scrape_it_says_how_prometheus_asks() -> None:
    shown = page(ScrapeHistory(), an_account(a_queue("sales")))
    assert "No scrape yet" in shown.text
    assert "scrape_configs:" in shown.text
    assert 'targets: ["exporter:15457"]' in shown.text
    assert shown.rows == []


@pytest.mark.parametrize("host", ["", '"]<b>', "a b", "x" * 300])
def test_an_address_that_is_none_is_not_repeated(host: str) -> None:
    shown = page(ScrapeHistory(), an_account(a_queue("sales")), origin=f"http://{host}")
    assert 'targets: ["localhost:15457"]' in shown.text


def test_the_worst_comes_first() -> None:
    history = ScrapeHistory()
    account = scraped(
        history,
        an_account(
            a_queue("closed", 1, schedule=NEVER_OPEN),
            a_queue("staffed", 2, required_agents=2),
            a_queue("low", 3, required_agents=2),
            a_queue("failing", 4),
            a_queue("empty", 5, required_agents=3),
            a_queue("unasked", 6),
            a_queue("optional", 7, required_agents=0),
        ),
        {
            "closed": read(0),
            "staffed": read(2),
            "low": read(1),
            "failing": unreadable(),
            "empty": read(0),
            "optional": read(0),
        },
    )
    shown = page(history, account)
    names = [row.split()[1] for row in shown.rows if not row.startswith("| Queue")]
    assert names == ["empty", "failing", "unasked", "low", "staffed", "optional", "closed"]
    assert "1 open queue has nobody available" in shown.text
    assert "1 empty 1 unreadable 1 not asked 1 low 1 staffed 1 not required 1 closed" in shown.text
    assert "0 (needs 3) 12 s ago | open, empty for 12 s" in shown.row("empty")
    assert "1 (needs 2) 12 s ago | open, low" in shown.row("low")
    assert "| 2 (needs 2) | 12 s ago" in shown.row("staffed")
    assert "unknown never read | open, not asked no scrape yet" in shown.row("unasked")


@pytest.mark.parametrize(
    ("available", "required", "words"),
    [
        ((0, 0), 1, "2 open queues have nobody available"),
        ((None, 1), 1, "1 open queue cannot be read"),
        ((None, None), 1, "2 open queues cannot be read"),
        ((1, 5), 2, "1 open queue has too few agents"),
        ((1, 5), 1, "All 2 open queues are staffed"),
    ],
)
def test_the_headline_tells_the_worst(
    available: tuple[int | None, ...], required: int, words: str
) -> None:
    history = ScrapeHistory()
    queues = [a_queue(name, id_, required_agents=required) for id_, name in enumerate("ab")]
    results = {
        name: unreadable() if number is None else read(number)
        for name, number in zip("ab", available, strict=True)
    }
    shown = page(history, scraped(history, an_account(*queues), results))
    assert shown.text.startswith(f"{words} · CallTools queues")


@pytest.mark.parametrize(
    ("staffed", "headline"),
    [
        ({}, "No open queue requires agents"),
        ({"sales": 1}, "The open queue that requires agents is staffed"),
        ({"sales": 1, "care": 1}, "All 2 open queues that require agents are staffed"),
    ],
)
def test_an_empty_queue_that_requires_nobody_is_not_called_staffed(
    staffed: dict[str, int], headline: str
) -> None:
    history = ScrapeHistory()
    queues = [a_queue(name, id_) for id_, name in enumerate(staffed, start=2)]
    account = an_account(a_queue("optional", required_agents=0), *queues)
    results = {name: read(number) for name, number in staffed.items()}
    shown = page(history, scraped(history, account, {"optional": read(0), **results}))
    assert shown.text.startswith(f"{headline} · CallTools queues")
    assert "1 not required" in shown.text


def test_queues_that_require_nobody_are_not_said_to_require_agents() -> None:
    """A vendor's page said that all queues that require agents are staffed, and half were empty."""
    history = ScrapeHistory()
    account = an_account(*(a_queue(name, id_, required_agents=0) for id_, name in enumerate("abc")))
    shown = page(history, scraped(history, account, {"a": read(1), "b": read(0), "c": read(0)}))
    words = "1 of 3 open queues has somebody available, none requires agents"
    assert shown.text.startswith(f"{words} · CallTools queues")


def test_one_queue_alone_and_none_that_is_open() -> None:
    history = ScrapeHistory()
    account = scraped(history, an_account(a_queue("sales")), {"sales": read(1)})
    assert "The open queue is staffed" in page(history, account).text
    closed = an_account(a_queue("sales", schedule=NEVER_OPEN))
    assert "No queue is open" in page(history, scraped(history, closed, {"sales": read(1)})).text


def test_what_the_last_scrape_could_not_read_has_no_number() -> None:
    history = ScrapeHistory()
    account = an_account(a_queue("sales"))
    scraped(history, account, {"sales": read(7777, NOW - 100)})
    assert "7777 (needs 1)" in page(history, account).text
    scraped(history, account, {"sales": unreadable(at=NOW - 70)}, NOW - 100)
    later = Failure("timeout", "no complete answer within 10 s")
    scraped(history, account, {"sales": unreadable(later)}, NOW - 100)
    shown = page(history, account)
    assert "7777" not in shown.text
    assert shown.row("sales") == (
        "| sales acme | unknown last read 100 s ago | open, unreadable"
        " for 70 s, since 17:43:50 UTC no complete answer within 10 s timeout"
    )


def test_a_failure_that_is_over_is_told_for_an_hour() -> None:
    history = ScrapeHistory()
    account = an_account(a_queue("sales"))
    scraped(history, account, {"sales": unreadable(at=NOW - 300)})
    scraped(history, account, {"sales": read(3)}, NOW - 12)
    words = "last failure 12 s ago, for 4 min: the API failed (503) 503"
    assert words in page(history, account).row("sales")
    scraped(history, account, {"sales": read(3, NOW + 3600)})
    assert "last failure" not in page(history, account, now=NOW + 3600).text


def test_it_says_since_when_a_queue_is_empty() -> None:
    history = ScrapeHistory()
    account = an_account(a_queue("sales"))
    for at, result in (
        (NOW - 900, read(2, NOW - 900)),
        (NOW - 600, read(0, NOW - 600)),
        (NOW - 300, unreadable(at=NOW - 300)),
        (NOW - 12, read(0)),
    ):
        scraped(history, account, {"sales": result}, at)
    shown = page(history, account)
    assert "0 (needs 1) 12 s ago | open, empty for 10 min, since 17:35:00 UTC" in shown.row("sales")
    scraped(history, account, {"sales": read(1)})
    scraped(history, account, {"sales": read(0, NOW - 5)})
    assert "open, empty for 5 s" in page(history, account).row("sales")


def test_a_closed_queue_is_empty_only_since_it_opened() -> None:
    history = ScrapeHistory()
    account = an_account(a_queue("sales"))
    closed = QueueSnapshot(account, account.queues[0], read(0, NOW - 9000), False, 0, None)
    history.record(Snapshot((), (closed,), 1, 10), NOW - 9000)
    scraped(history, account, {"sales": read(0, NOW - 60)})
    assert "open, empty for 60 s" in page(history, account).row("sales")


def test_links_work_behind_a_path_prefix() -> None:
    history = ScrapeHistory()
    one = scraped(history, an_account(a_queue("sales")), {"sales": read(2)})
    two = scraped(history, an_account(a_queue("sales"), name="two"), {"sales": read(0)})
    for shown in (
        page(ScrapeHistory(), one),
        page(history, one, two),
        page(history, two, account="two"),
        page(history, two, paused=True),
        page(history, two, account="two", paused=True),
    ):
        links = [value for name, value in shown.attributes if name == "href"]
        assert len(links) >= 7
        assert not [link for link in links if link.startswith("/")]


def test_counts_are_links_to_what_they_count() -> None:
    history = ScrapeHistory()
    queues = [a_queue(name, id_) for id_, name in enumerate("abcd")]
    results = {"a": read(0), "b": read(0), "c": unreadable(), "d": read(1)}
    shown = page(history, scraped(history, an_account(*queues), results))
    for state, linked in (("empty", 1), ("unreadable", 1), ("staffed", 1), ("low", 0)):
        assert shown.attributes.count(("href", f"#{state}")) == linked
        assert shown.attributes.count(("id", state)) == linked


def test_a_number_that_nobody_has_asked_for_since_is_not_shown() -> None:
    history = ScrapeHistory()
    account = an_account(a_queue("sales"))
    scraped(history, account, {"sales": read(7777)}, NOW - 12)
    assert "7777 (needs 1)" in page(history, account, now=NOW + 280).text
    shown = page(history, account, now=NOW + 300)
    assert "7777" not in shown.text
    assert "1 open queue has not been asked for recently" in shown.text
    assert "unknown last read 5 min ago" in shown.row("sales")
    assert "no scrape in the last 5 min" in shown.row("sales")


def test_an_account_may_let_its_numbers_grow_older() -> None:
    history = ScrapeHistory()
    account = an_account(a_queue("sales"), max_age=900.0)
    scraped(history, account, {"sales": read(7777)})
    assert "| 7777 (needs 1) | 10 min ago" in page(history, account, now=NOW + 600).text


def test_what_was_read_for_another_queue_is_not_this_ones() -> None:
    history = ScrapeHistory()
    scraped(history, an_account(a_queue("sales"), a_queue("care", 2)), {"sales": read(7777)})
    changed = an_account(Queue(1, "sales", (99,)))
    assert "7777" not in page(history, changed).text
    moved = Account("acme", "https://west-1.calltools.io", changed.token, (a_queue("sales"),))
    assert "7777" not in page(history, moved).text
    grown = an_account(a_queue("sales"), a_queue("more", 3))
    assert "7777" in page(history, grown).text


def test_who_is_logged_in_is_told_where_it_is_known() -> None:
    history = ScrapeHistory()
    queues = a_queue("busy"), a_queue("abandoned", 2)
    busy, abandoned = (AgentDetail((), number, 0, None) for number in (4, 0))
    results = {"busy": read(0, detail=busy), "abandoned": read(0, detail=abandoned)}
    shown = page(history, scraped(history, an_account(*queues), results))
    assert shown.row("busy").endswith("open, empty for 12 s, since 17:44:48 UTC 4 logged in")
    assert shown.row("abandoned").endswith(
        "open, empty for 12 s, since 17:44:48 UTC nobody logged in"
    )


def test_queues_that_the_api_has_not_named_are_one_row() -> None:
    history = ScrapeHistory()
    account = an_account(every_queue=a_queue("*"))

    def shown() -> Reader:
        statuses = [history.status(account, None)]
        return Reader(landing.render(statuses, Moment(NOW, NOW), origin="http://exporter:15457"))

    assert "No scrape yet" in shown().text
    scraped(history, account, {}, failures=[SAID])
    assert "1 open queue cannot be read" in shown().text
    assert "open, unreadable for 12 s" in shown().row("all queues")
    scraped(history, account, {})
    assert "open, not asked" in shown().row("all queues")


def test_accounts_are_groups_with_pages_of_their_own() -> None:
    history = ScrapeHistory()
    one = scraped(history, an_account(a_queue("sales")), {"sales": read(2)})
    two = an_account(a_queue("sales"), name="R&D +1")
    scraped(history, two, {"sales": read(0)})
    shown = page(history, one, two)
    assert ("href", "?account=acme") in shown.attributes
    assert ("href", "?account=R%26D%20%2B1") in shown.attributes
    alone = page(history, two, account="R&D +1")
    assert ("href", "?account=R%26D%20%2B1&refresh=off") in alone.attributes


def test_it_refreshes_itself_until_it_is_stopped() -> None:
    account = an_account(a_queue("sales"))
    assert ("http-equiv", "refresh") in page(ScrapeHistory(), account).attributes
    paused = page(ScrapeHistory(), account, paused=True)
    assert ("http-equiv", "refresh") not in paused.attributes
    assert "does not refresh (start)" in paused.text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (119.9, "119 s"),
        (120, "2 min"),
        (7199, "119 min"),
        (7200, "2 h"),
        (172_799, "47 h"),
        (172_800, "2 d"),
    ],
)
def test_ages_are_one_number_and_one_word(seconds: float, words: str) -> None:
    history = ScrapeHistory()
    account = an_account(a_queue("sales"), max_age=1e9)
    scraped(history, account, {"sales": read(1, NOW - seconds)})
    assert f"| {words} ago" in page(history, account).row("sales")


def test_a_failure_of_another_day_has_its_date() -> None:
    history = ScrapeHistory()
    account = an_account(a_queue("sales"))
    scraped(history, account, {"sales": unreadable(at=NOW - 86400)})
    scraped(history, account, {"sales": unreadable()})
    assert "for 24 h, since 26 Jul 17:45 UTC" in page(history, account).text


names = st.text(min_size=1, max_size=200)


@given(account_name=names, queue_name=names, team=names, words=names)
def test_what_others_write_is_text(
    account_name: str, queue_name: str, team: str, words: str
) -> None:
    history = ScrapeHistory()
    plain, made = (
        page(
            history,
            scraped(
                history,
                an_account(a_queue(queue, team=of), name=name),
                {queue: unreadable(Failure("503", said))},
            ),
            account=name,
        )
        for name, queue, of, said in (
            ("a", "b", "c", "d"),
            (account_name, queue_name, team, words),
        )
    )
    assert made.tags == plain.tags
    assert [name for name, _ in made.attributes] == [name for name, _ in plain.attributes]


def test_what_others_write_is_cut_and_changes_nothing_around_it() -> None:
    history = ScrapeHistory()
    queue = a_queue("\u202eevil\x00" + "x" * 1000, team="y" * 1000)
    failure = unreadable(Failure("503", "<script>alert(1)</script>" + "z" * 1000))
    account = scraped(history, an_account(queue), {queue.name: failure})
    shown = page(history, account)
    assert "evil xxx" in shown.text
    assert "script" not in shown.tags
    assert "x" * 80 not in shown.text
    assert "y" * 80 not in shown.text
    assert "z" * 300 not in shown.text


def test_nothing_comes_from_outside() -> None:
    history = ScrapeHistory()
    account = scraped(history, an_account(a_queue("sales")), {"sales": unreadable()})
    shown = page(history, account)
    assert not {"script", "iframe", "img", "form", "object"} & shown.tags
    for name, value in shown.attributes:
        if name in {"href", "src"}:
            assert value.startswith("data:image/svg+xml,") or not re.match(r"/|[a-z]+:", value)
            assert not value.startswith("//")
    assert "url(" not in shown.text
    assert "@import" not in shown.text


def test_accounts_that_are_gone_are_forgotten() -> None:
    history = ScrapeHistory()
    account = scraped(history, an_account(a_queue("sales")), {"sales": unreadable()})
    history.retain([account.name])
    assert "unreadable" in page(history, account).row("sales")
    history.retain([])
    assert history.status(account, account.queues) == AccountStatus(
        account, (QueueStatus(account.queues[0]),)
    )
    assert "No scrape yet" in page(history, account).text
