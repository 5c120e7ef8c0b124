"""Right-looking answers that must not be believed: old, another's, half of the whole, in motion."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import responses
from requests import PreparedRequest
from structlog.testing import capture_logs

from exporter.calltools.client import Client, Filter, Ready, check_ready
from exporter.calltools.requester import RequestContext
from exporter.calltools.rows import MOST_STATUSES, AgentRow, summarise
from exporter.errors import ApiError, Failure
from exporter.settings import Account, Queue, Secret, TokenEnvironment
from exporter.snapshot import RequestObserver
from exporter.transport.deadline import Deadline
from exporter.transport.http1 import SMALL_BODY_LIMIT
from exporter.transport.transports import Transports

URL = "https://east-2.calltools.io"
AGENTS = "/api/agentstatuses/"
AVAILABLE, LUNCH = 20561, 20562
Rows = list[dict[str, Any]]
Answer = tuple[int, Mapping[str, str], bytes | str]


class Api:
    """Answer each request by a function of its query, and keep the queries."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.headers: list[Mapping[str, str]] = []

    def use(self, mock: responses.RequestsMock, answer: Callable[[dict[str, str]], object]) -> None:
        def respond(request: PreparedRequest) -> Answer:
            query = dict(parse_qsl(urlsplit(str(request.url)).query))
            self.asked.append(query)
            self.headers.append(dict(request.headers))
            found = answer(query)
            if isinstance(found, tuple):
                return found
            return 200, {}, json.dumps(found)

        mock.add_callback(responses.GET, f"{URL}{AGENTS}", respond)


@pytest.fixture
def api() -> Api:
    return Api()


@pytest.fixture
def answer(api: Api) -> Iterator[Callable[..., None]]:
    """Return what makes the API answer by a function of the query."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield lambda by: api.use(mock, by)


@pytest.fixture
def context() -> Iterator[RequestContext]:
    transports = Transports()
    account = Account("acme", URL, TokenEnvironment("UNUSED"), ())
    yield RequestContext(
        transports.get(account), Secret("a-key"), Deadline.after(20), RequestObserver()
    )
    transports.close()


@pytest.fixture
def client() -> Client:
    return Client(Account("acme", URL, TokenEnvironment("UNUSED"), ()))


def queue(*statuses: int) -> Queue:
    return Queue(5457, "sales", statuses or (AVAILABLE,))


def row(user: object, status: int = AVAILABLE, *, ready: bool | None = True) -> dict[str, Any]:
    found: dict[str, Any] = {"app_user": str(user), "agent_status": status, "logged_in": True}
    return found if ready is None else {**found, "ready": ready}


def page(rows: Rows, query: Mapping[str, str], **links: str) -> dict[str, Any]:
    """Return the page of a list that a query asks for."""
    size, number = int(query.get("page_size", "25")), int(query.get("page", "1"))
    shown = rows[(number - 1) * size : number * size]
    return {"count": len(rows), "next": None, "previous": None, "results": shown, **links}


def failure(call: Callable[[], object]) -> Failure:
    with pytest.raises(ApiError) as raised:
        call()
    return raised.value.failure


OF_ANOTHER = {
    "another queue": {
        "next": "/api/agentstatuses/?queue=1&agent_status_id=20561&ready=true&page=2"
    },
    "another status": {
        "next": "/api/agentstatuses/?queue=5457&agent_status_id=9&ready=true&page=2"
    },
    "fewer filters": {"next": "/api/agentstatuses/?page=2&page_size=250&ready=true"},
    "no filter": {"next": "/api/agentstatuses/?page=2&page_size=1"},
    "another list": {"previous": f"{URL}/api/queues/?page_size=1"},
}
ITS_OWN = {
    "its own": {
        "next": f"{URL}/api/agentstatuses/?agent_status_id=20561&page=2&queue=5457&ready=True"
    },
    "another way to write it": {"next": "?queue=5457&ready=true&agent_status_id=20561&page=2"},
    "filters lost on the way": {"next": "http://inside:8000/agents/?page=2"},
    "a cursor": {"next": f"{URL}/api/agentstatuses/?cursor=cD0yMDI0", "previous": ""},
    "no URL": {"next": "http://[", "previous": None},
    "endless": {"next": "/api/agentstatuses/?queue=1&" + "x" * 20_000},
}


@pytest.mark.parametrize("links", OF_ANOTHER.values(), ids=OF_ANOTHER)
def test_an_answer_that_repeats_another_question_is_refused(
    answer: Callable[..., None], client: Client, context: RequestContext, links: dict[str, str]
) -> None:
    answer(lambda query: page([row(1), row(2)], query, **links))
    found = failure(lambda: client.count_available(queue(), context))
    assert found.code == "unexpected_answer"
    assert "another request" in found.message


@pytest.mark.parametrize("links", ITS_OWN.values(), ids=ITS_OWN)
def test_a_link_that_says_nothing_else_is_no_reason_to_refuse(
    answer: Callable[..., None], client: Client, context: RequestContext, links: dict[str, str]
) -> None:
    answer(lambda query: page([row(1), row(2)], query, **links))
    assert client.count_available(queue(), context) == 2


@pytest.mark.parametrize(
    "headers",
    [
        {"Age": "86400"},
        {"age": "0, 3600"},
        {"Age": "9" * 20},
        {"Age": "300".zfill(20)},
        {"Warning": '110 cache "Response is Stale"'},
    ],
)
def test_an_answer_that_says_it_is_old_is_refused(
    answer: Callable[..., None], client: Client, context: RequestContext, headers: dict[str, str]
) -> None:
    answer(lambda query: (200, headers, json.dumps(page([row(1)], query))))
    found = failure(lambda: client.count_available(queue(), context))
    assert found.code == "unexpected_answer"
    assert "an answer that a cache" in found.message


@pytest.mark.parametrize("headers", [{}, {"Age": "0"}, {"Age": "2"}, {"Age": "nonsense"}])
def test_a_fresh_answer_is_taken_and_was_asked_for(
    answer: Callable[..., None],
    api: Api,
    client: Client,
    context: RequestContext,
    headers: dict[str, str],
) -> None:
    answer(lambda query: (200, headers, json.dumps(page([row(1)], query))))
    assert client.count_available(queue(), context) == 1
    assert api.headers[0]["Cache-Control"] == "no-cache"


def test_an_agent_who_moves_between_two_statuses_is_counted(
    answer: Callable[..., None], client: Client, context: RequestContext
) -> None:
    """From the second to the first, after the first was counted: in neither, and both said 0."""
    status = [LUNCH]

    def by(query: dict[str, str]) -> object:
        found = page(
            [row(1, status[0])] if query["agent_status_id"] == str(status[0]) else [], query
        )
        status[0] = AVAILABLE
        return found

    answer(by)
    assert client.count_available(queue(AVAILABLE, LUNCH), context) == 1


def test_nobody_in_several_statuses_is_asked_for_once_more(
    answer: Callable[..., None], api: Api, client: Client, context: RequestContext
) -> None:
    answer(lambda query: page([], query))
    assert client.count_available(queue(1, 2, 3), context) == 0
    assert [query["agent_status_id"] for query in api.asked] == ["1", "2", "3", "1", "2"]


def test_somebody_in_several_statuses_is_not(
    answer: Callable[..., None], api: Api, client: Client, context: RequestContext
) -> None:
    answer(lambda query: page([row(1, 2)] if query["agent_status_id"] == "2" else [], query))
    assert client.count_available(queue(1, 2, 3), context) == 1
    assert len(api.asked) == 3


def test_an_agent_who_changes_pages_is_not_missed(
    answer: Callable[..., None], client: Client, context: RequestContext
) -> None:
    """One leaves the first page and one joins at the end: the count is the same, one is unseen."""
    agents = [row(number, LUNCH) for number in range(300)]
    agents[250] = row("free")
    joins = iter(["new"])

    def by(query: dict[str, str]) -> object:
        if query.get("page") == "2":
            for user in joins:
                del agents[0]
                agents.append(row(user, LUNCH))
        return page(agents, query)

    answer(by)
    found = client.read_agents(queue(), context)
    assert summarise(found, [AVAILABLE], {})[0] == 1


def test_a_number_over_several_pages_is_believed_when_two_readings_agree_on_nobody(
    answer: Callable[..., None], api: Api, client: Client, context: RequestContext
) -> None:
    """Somebody is available at any moment, and is missed in the second reading alone."""
    agents = [row(number, LUNCH) for number in range(300)]
    agents[299] = row(299)

    def by(query: dict[str, str]) -> object:
        if len(api.asked) == 4:  # between the pages of the second reading
            agents[0], agents[299] = row(0), row(299, LUNCH)
        return page(agents, query)

    answer(by)
    found = client.read_agents(queue(), context)
    assert summarise(found, [AVAILABLE], {})[0] == 1


def test_pages_that_change_each_time_are_no_number(
    answer: Callable[..., None], api: Api, client: Client, context: RequestContext
) -> None:
    def by(query: dict[str, str]) -> object:
        return page([row(number + len(api.asked) // 2 * 2) for number in range(300)], query)

    answer(by)
    found = failure(lambda: client.read_agents(queue(), context))
    assert found.code == "unexpected_answer"


def test_one_page_is_read_once(
    answer: Callable[..., None], api: Api, client: Client, context: RequestContext
) -> None:
    answer(lambda query: page([row(1)], query))
    assert len(client.read_agents(queue(), context)) == 1
    assert len(api.asked) == 1


@pytest.mark.parametrize("length", [25, 50, 100, 200, 250])
def test_a_bare_list_as_long_as_a_page_is_not_the_whole(
    answer: Callable[..., None], client: Client, context: RequestContext, length: int
) -> None:
    rows = [row(number) for number in range(length)]
    answer(lambda query: rows[:1] if query["page_size"] == "1" else rows)
    found = failure(lambda: client.count_available(queue(), context))
    assert found.code == "unexpected_answer"


@pytest.mark.parametrize("size", [25, 50, 100, 200])
def test_a_bare_list_is_read_to_its_end_whatever_its_pages_are(
    answer: Callable[..., None], client: Client, context: RequestContext, size: int
) -> None:
    rows = [row(number) for number in range(2 * size + 3)]

    def by(query: dict[str, str]) -> object:
        number = int(query.get("page", "1"))
        return rows[(number - 1) * size : number * size]

    answer(by)
    assert len(client.read_agents(queue(), context)) == len(rows)


def with_next(rows: Rows, number: int, size: int) -> dict[str, object]:
    """Return a page whose `count` is its own, as of some versions of the API's framework."""
    found = rows[(number - 1) * size : number * size]
    following = f"{URL}{AGENTS}?page={number + 1}" if number * size < len(rows) else None
    return {"count": len(found), "next": following, "previous": None, "results": found}


@pytest.mark.parametrize(("total", "largest"), [(1, 250), (7, 250), (30, 25), (45, 40)])
def test_a_count_of_one_page_is_not_taken_for_that_of_all(
    answer: Callable[..., None],
    client: Client,
    context: RequestContext,
    total: int,
    largest: int,
) -> None:
    """The kind: an answer that contradicts itself: all are here, and more are to come."""
    rows = [row(number) for number in range(total)]

    def by(query: dict[str, str]) -> object:
        size = min(int(query["page_size"]), largest)
        return with_next(rows, int(query.get("page", "1")), size)

    answer(by)
    if total <= largest:
        assert client.count_available(queue(), context) == total
        assert len(client.read_agents(queue(), context)) == total
    else:
        for read in (client.count_available, client.read_agents):
            assert failure(partial(read, queue(), context)).code == "unexpected_answer"


def test_an_empty_page_before_others_is_not_taken_for_nobody(
    answer: Callable[..., None], client: Client, context: RequestContext
) -> None:
    """The same kind: nobody is here, and more are to come."""

    def by(query: dict[str, str]) -> object:
        more = None if query.get("page") else f"{URL}{AGENTS}?page=2"
        return {"count": 0, "next": more, "previous": None, "results": []}

    answer(by)
    for read in (client.count_available, client.read_agents):
        assert failure(partial(read, queue(), context)).code == "unexpected_answer"


def test_a_link_that_always_leads_on_hides_no_number(
    answer: Callable[..., None], client: Client, context: RequestContext
) -> None:
    def by(_: dict[str, str]) -> object:
        more = f"{URL}{AGENTS}?page=2"
        return {"count": 1, "next": more, "previous": None, "results": [row(1)]}

    answer(by)
    assert client.count_available(queue(), context) == 1
    assert len(client.read_agents(queue(), context)) == 1


def verdict_on_ready(client: Client, context: RequestContext) -> Failure | None:
    values: tuple[Ready, ...] = ("true", "false")
    return check_ready({value: client.agents_by_ready(value, context) for value in values})


EVERYBODY = {
    "who says to be ready": [row(1), row(2)],
    "of whom rows do not say it": [row(1, ready=None), row(2, ready=None)],
}


@pytest.mark.parametrize("rows", EVERYBODY.values(), ids=EVERYBODY)
def test_a_filter_ready_that_lets_through_everybody_is_seen_where_all_are_ready(
    answer: Callable[..., None], client: Client, context: RequestContext, rows: Rows
) -> None:
    answer(lambda query: page(rows, query))
    found = verdict_on_ready(client, context)
    assert found is not None
    assert found.code == "filter_ignored"


HONOURED: dict[str, dict[str, Rows]] = {
    "all are ready": {"true": [row(1)], "false": []},
    "none is": {"true": [], "false": [row(1, ready=False)]},
    "some are": {"true": [row(1)], "false": [row(2, ready=False)]},
    "rows do not say": {"true": [row(1, ready=None)], "false": [row(2, ready=None)]},
    "only true is known": {"true": [row(1)], "false": [row(1), row(2, ready=False)]},
}


@pytest.mark.parametrize("rows", HONOURED.values(), ids=HONOURED)
def test_a_filter_ready_that_is_honoured_passes(
    answer: Callable[..., None], client: Client, context: RequestContext, rows: dict[str, Rows]
) -> None:
    answer(lambda query: page(rows[query["ready"]], query))
    assert verdict_on_ready(client, context) is None


REFUSALS: dict[str, tuple[str | dict[str, Any], bool]] = {
    "names the field": ({"queue": ["Select a valid choice."]}, True),
    "names it a level deeper": ({"errors": {"queue": ["No such queue."]}}, True),
    "a firewall's page": ("<html>Blocked: queue</html>", False),
    "names another": ({"page_size": ["Too small."]}, False),
    "says nothing": ({"detail": "queue"}, False),
    "a list": ('["queue"]', False),
}


@pytest.mark.parametrize(("body", "known"), REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_says_that_a_filter_is_known_only_where_it_names_it(
    answer: Callable[..., None],
    client: Client,
    context: RequestContext,
    body: str | dict[str, Any],
    known: bool,
) -> None:
    answer(lambda _: (400, {}, body if isinstance(body, str) else json.dumps(body)))
    if known:
        assert client.check_filter("queue", context) is None
    else:
        assert failure(lambda: client.check_filter("queue", context)).code == "400"


def test_a_refusal_of_the_status_may_name_its_field_without_id(
    answer: Callable[..., None], client: Client, context: RequestContext
) -> None:
    answer(lambda _: (400, {}, json.dumps({"agent_status": ["Select a valid choice."]})))
    name: Filter = "agent_status_id"
    assert client.check_filter(name, context) is None


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_an_answer_of_one_row_may_be_as_large_as_a_page_of_them_and_no_larger(
    answer: Callable[..., None], client: Client, context: RequestContext, encoding: str
) -> None:
    padding = [0]

    def by(query: dict[str, str]) -> object:
        filler = {**row(1), "full_name": "x" * padding[0]}
        body = json.dumps(page([filler], query)).encode()
        headers = {"Content-Encoding": encoding} if encoding else {}
        return 200, headers, gzip.compress(body) if encoding else body

    answer(by)
    padding[0] = SMALL_BODY_LIMIT - 1000
    assert client.count_available(queue(), context) == 1
    padding[0] = SMALL_BODY_LIMIT
    found = failure(lambda: client.count_available(queue(), context))
    assert (found.code, found.message) == (
        "too_large",
        "the answer of east-2.calltools.io is larger than 512 KiB",
    )


def test_statuses_beyond_a_sensible_number_are_counted_together_and_logged_once(
    answer: Callable[..., None], client: Client, context: RequestContext
) -> None:
    rows = [{**row(n), "agent_status": f"Status {n}"} for n in range(240)] + [row("free")]
    answer(lambda query: page(rows, query))
    with capture_logs() as logged:
        agents = client.read_agents(queue(), context)
        client.read_agents(queue(), context)
    number, detail = summarise(agents, [AVAILABLE], {AVAILABLE: "Available"})
    by_status = dict(detail.by_status)
    assert number == 1
    assert len(by_status) == MOST_STATUSES
    assert by_status["Available"] == 1, "the account's own statuses come first"
    assert by_status["other"] == 241 - (MOST_STATUSES - 1)
    assert [entry["statuses"] for entry in logged] == [241]


def test_a_status_named_other_is_added_to_the_rest() -> None:
    names = ["other"] * 500 + [f"Status {n}" for n in range(200)]
    agents = [AgentRow(name, ready=False, logged_in=True, since=None) for name in names]
    _, detail = summarise(agents, [], {})
    assert sum(dict(detail.by_status).values()) == 700
    assert len(detail.by_status) <= MOST_STATUSES
