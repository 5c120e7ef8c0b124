"""The simulated API, held against what is known of the real one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from exporter.simulator import AVAILABLE, TOKEN, SimulatedAccount
from exporter.simulator.wire import Answer, Request
from exporter.simulator.world import LUNCH
from tests.simulator import Dialect, DialectApi, FixedWorld
from tests.simulator.dialect import ALL_FILTERS

Get = Callable[..., Answer]


@pytest.fixture
def world() -> FixedWorld:
    """Three available in sales, of whom one is in support as well; a fourth has lunch."""
    world = FixedWorld()
    world.set_agent("Ada Quillmarrow", 5457, 5460)
    world.set_agent("Ben Torvalask", 5457)
    world.set_agent("Cal Vimpernel", 5457)
    world.set_agent("Dee Hossamund", 5457, status=LUNCH)
    return world


@pytest.fixture
def account(world: FixedWorld) -> SimulatedAccount:
    return SimulatedAccount(world)


@pytest.fixture
def get(account: SimulatedAccount) -> Get:
    def ask(
        target: str,
        dialect: Dialect | None = None,
        method: str = "GET",
        authorization: str | None = f"Token {TOKEN}",
    ) -> Answer:
        headers = {"host": "east-2.example"}
        if authorization is not None:
            headers["authorization"] = authorization
        request = Request(method, "", "", {}, headers).to(target)
        return DialectApi([account], dialect or Dialect()).answer(request, 0.0)

    return ask


def document(answer: Answer) -> dict[str, Any]:
    assert dict(answer.headers)["Content-Type"] == "application/json"
    page: dict[str, Any] = json.loads(answer.body)
    return page


def names(answer: Answer) -> list[str]:
    assert answer.status == 200
    return [row["full_name"].split()[0] for row in document(answer)["results"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["Ada", "Ben", "Cal", "Dee"]),
        ("?queue=5457&agent_status_id=20561&ready=true", ["Ada", "Ben", "Cal"]),
        ("?queue=5460", ["Ada"]),
        (f"?agent_status_id={LUNCH}", ["Dee"]),
        ("?ready=FALSE", ["Dee"]),
        ("?ready=0", ["Dee"]),
        ("?ready=yes", ["Ada", "Ben", "Cal", "Dee"]),
        ("?ready=", ["Ada", "Ben", "Cal", "Dee"]),
        ("?queue=", ["Ada", "Ben", "Cal", "Dee"]),
        ("?queue_id=5460", ["Ada", "Ben", "Cal", "Dee"]),
        ("?queue=5457&queue=5460", ["Ada"]),
    ],
)
def test_filters_choose_agents(get: Get, query: str, found: list[str]) -> None:
    answer = get("/api/agentstatuses/" + query)
    assert names(answer) == found
    assert document(answer)["count"] == len(found)


@pytest.mark.parametrize("parameter", ["queue", "agent_status_id"])
@pytest.mark.parametrize("value", ["999", "sales"])
def test_an_unknown_id_is_refused_or_an_empty_list(get: Get, parameter: str, value: str) -> None:
    target = f"/api/agentstatuses/?{parameter}={value}"
    refused = get(target)
    assert refused.status == 400
    assert document(refused)[parameter][0].startswith("Select a valid choice.")
    assert document(get(target, Dialect(unknown_id=200)))["count"] == 0


def test_the_id_zero_has_a_switch_of_its_own(get: Get) -> None:
    target = "/api/agentstatuses/?agent_status_id=0"
    assert document(get(target))["count"] == 0
    assert get(target, Dialect(zero_id=400)).status == 400


@pytest.mark.parametrize(
    ("ignored", "found"),
    [
        (frozenset({"queue"}), ["Dee"]),
        (frozenset({"agent_status_id"}), ["Ada"]),
        (ALL_FILTERS, ["Ada", "Ben", "Cal", "Dee"]),
    ],
)
def test_ignored_filters_filter_nothing(
    get: Get, ignored: frozenset[str], found: list[str]
) -> None:
    target = f"/api/agentstatuses/?queue=5460&agent_status_id={LUNCH}"
    assert names(get(target)) == []
    assert names(get(target, Dialect(ignored_filters=ignored))) == found


def test_pages_are_cut_and_linked(get: Get, world: FixedWorld) -> None:
    world.set_available(5457, 600)
    first = document(get("/api/agentstatuses/?queue=5457"))
    assert (first["count"], len(first["results"]), first["previous"]) == (600, 25, None)
    assert first["next"] == "http://east-2.example/api/agentstatuses/?page=2&queue=5457"
    largest = document(get("/api/agentstatuses/?queue=5457&page_size=1000&page=3"))
    assert len(largest["results"]) == 100
    assert largest["next"] is None
    assert largest["previous"].endswith("?page=2&page_size=1000&queue=5457")
    second = document(get("/api/agentstatuses/?page=2"))
    assert second["previous"] == "http://east-2.example/api/agentstatuses/"
    assert len(document(get("/api/agentstatuses/?page_size=max"))["results"]) == 25


@pytest.mark.parametrize("page", ["0", "2", "-1", "x", ""])
def test_a_page_that_is_not_there_is_404(get: Get, page: str) -> None:
    answer = get(f"/api/agentstatuses/?page={page}")
    assert (answer.status, document(answer)) == (404, {"detail": "Invalid page."})


def test_an_empty_list_has_a_first_page(get: Get) -> None:
    assert document(get("/api/agentstatuses/?queue=0&page=1"))["results"] == []


@pytest.mark.parametrize(
    ("authorization", "detail"),
    [
        (None, "Authentication credentials were not provided."),
        (f"Bearer {TOKEN}", "Authentication credentials were not provided."),
        ("Token", "Invalid token header. No credentials provided."),
        (f"Token {TOKEN} x", "Invalid token header. Token string should not contain spaces."),
        ("Token wrong", "Invalid token."),
    ],
)
def test_a_bad_key_is_refused(get: Get, authorization: str | None, detail: str) -> None:
    refused = get("/api/agentstatuses/", authorization=authorization)
    assert (refused.status, document(refused)) == (401, {"detail": detail})
    assert dict(refused.headers)["WWW-Authenticate"] == "Token"
    forbidden = get("/api/queues/", Dialect(bad_key=403), authorization=authorization)
    assert (forbidden.status, document(forbidden)) == (403, {"detail": detail})
    assert "WWW-Authenticate" not in dict(forbidden.headers)


def test_the_scheme_of_a_key_is_in_any_case(get: Get) -> None:
    assert get("/api/queues/", authorization=f"token {TOKEN}").status == 200


def test_lists_of_statuses_and_queues(get: Get) -> None:
    statuses = document(get("/api/statuses/?page_size=100"))["results"]
    assert {"id": AVAILABLE, "queue_action": "Set Ready"}.items() <= statuses[0].items()
    queues = document(get("/api/queues/"))["results"]
    assert [(row["id"], row["name"]) for row in queues] == [(5457, "sales"), (5460, "support")]
    assert len(queues[0]["member_agents"]) == 4


def test_lists_may_be_missing_or_forbidden(get: Get) -> None:
    missing = get("/api/statuses/", Dialect(missing=frozenset({"statuses"})))
    assert (missing.status, missing.body[:9]) == (404, b"<!doctype")
    forbidden = get("/api/queues/", Dialect(forbidden=frozenset({"queues"})))
    assert (forbidden.status, list(document(forbidden))) == (403, ["detail"])


def test_other_paths_are_not_found(get: Get) -> None:
    for path in ("/api/agentstatuses", "/api/nothing/", "/api/", "/queues/", "/"):
        assert get(path).status == 404


def test_only_reading_is_allowed(get: Get) -> None:
    answer = get("/api/agentstatuses/", method="PUT")
    assert (answer.status, document(answer)) == (405, {"detail": 'Method "PUT" not allowed.'})


@pytest.mark.parametrize(
    ("dialect", "value"),
    [
        (Dialect(), AVAILABLE),
        (Dialect(agent_status="digits"), str(AVAILABLE)),
        (Dialect(agent_status="object"), {"id": AVAILABLE, "name": "Available"}),
        (Dialect(agent_status="name"), "Available"),
        (Dialect(agent_status="url"), f"https://simulator.invalid/api/statuses/{AVAILABLE}/"),
    ],
)
def test_forms_of_a_status(get: Get, dialect: Dialect, value: object) -> None:
    answer = get("/api/agentstatuses/?queue=5460", dialect)
    assert document(answer)["results"][0]["agent_status"] == value


@pytest.mark.parametrize(
    ("dialect", "value"),
    [
        (Dialect(), "2026-07-27T17:45:00Z"),
        (Dialect(datetimes="naive"), "2026-07-27T17:45:00"),
        (Dialect(datetimes="space"), "2026-07-27 17:45:00"),
        (Dialect(datetimes="fraction"), "2026-07-27T17:45:00.000000Z"),
    ],
)
def test_forms_of_a_time(get: Get, dialect: Dialect, value: str) -> None:
    answer = get("/api/agentstatuses/?queue=5460", dialect)
    assert document(answer)["results"][0]["agent_status_modified_on"] == value


def test_forms_of_the_envelope(get: Get) -> None:
    target = "/api/agentstatuses/?queue=5460"
    page = document(get(target))
    assert json.loads(get(target, Dialect(envelope="list")).body) == page["results"]
    assert document(get(target, Dialect(envelope="data"))) == {"data": page}


@pytest.mark.parametrize(
    ("dialect", "start"),
    [
        (Dialect(), "http://east-2.example/api/"),
        (Dialect(next_scheme="https"), "https://east-2.example/api/"),
        (Dialect(next_scheme="none"), "/api/"),
    ],
)
def test_forms_of_next(get: Get, dialect: Dialect, start: str) -> None:
    answer = get("/api/agentstatuses/?page_size=1", dialect)
    assert document(answer)["next"].startswith(start)


def test_fields_may_be_missing(get: Get, world: FixedWorld) -> None:
    world.set_agent("Ada Quillmarrow", 5460, hidden=["logged_in"])
    answer = get("/api/agentstatuses/?queue=5460", Dialect(missing_fields=frozenset({"ready"})))
    (row,) = document(answer)["results"]
    assert not {"ready", "logged_in"} & set(row)


def test_an_agent_who_left(get: Get, world: FixedWorld) -> None:
    world.set_agent("Ada Quillmarrow", 5460, ready=True, logged_in=False)
    (row,) = document(get("/api/agentstatuses/?queue=5460&ready=true"))["results"]
    assert (row["ready"], row["logged_in"], row["logged_in_since"]) == (True, False, None)
