"""What a count request asks, and what is made of every kind of answer."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import responses

from exporter.calltools.client import Client
from exporter.calltools.requester import RequestContext
from exporter.errors import ApiError
from exporter.settings import Account, Queue, Secret, TokenEnvironment
from exporter.snapshot import Attempt, RequestObserver
from exporter.transport.deadline import Deadline
from exporter.transport.http1 import BODY_LIMIT
from exporter.transport.transports import Transports

KEY = "a3f9c1calltoolskey7e52d8b4"
URL = "https://east-2.calltools.io"
ROW = {"app_user": "0b0e", "full_name": "Ada Person", "agent_status": 20561, "ready": True}


class Recorder(RequestObserver):
    """Keep what the client reports."""

    def __init__(self) -> None:
        self.started = 0
        self.opened = 0
        self.codes: list[str | None] = []

    def attempt_started(self) -> None:
        self.started += 1

    def connection_opened(self) -> None:
        self.opened += 1

    def attempt_ended(self, attempt: Attempt) -> None:
        self.codes.append(attempt.code)


@pytest.fixture
def api() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def count(recorder: Recorder) -> Callable[..., int]:
    def count(*statuses: int) -> int:
        queue = Queue(5457, "sales", statuses or (20561,))
        account = Account("acme", URL, TokenEnvironment("UNUSED"), (queue,))
        transport = Transports().get(account)
        context = RequestContext(transport, Secret(KEY), Deadline.after(5), recorder)
        return Client(account).count_available(queue, context)

    return count


def envelope(count: Any, *rows: Any) -> dict[str, Any]:
    return {"count": count, "next": None, "previous": None, "results": list(rows)}


def answer(api: responses.RequestsMock, body: Any, status: int = 200, **more: Any) -> None:
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    api.get(f"{URL}/api/agentstatuses/", body=text, status=status, **more)


def test_asks_for_one_row_under_all_three_filters(
    api: responses.RequestsMock, count: Callable[..., int], recorder: Recorder
) -> None:
    answer(api, envelope(3, ROW))
    assert count() == 3
    request = api.calls[0].request
    assert request.method == "GET"
    assert request.url == (
        f"{URL}/api/agentstatuses/?queue=5457&agent_status_id=20561&ready=true&page_size=1"
    )
    assert request.headers["Authorization"] == f"Token {KEY}"
    assert request.headers["Accept"] == "application/json"
    assert request.headers["User-Agent"].startswith("calltools-exporter/")
    assert recorder.codes == [None]
    assert recorder.started == 1


def test_several_statuses_are_added_up(
    api: responses.RequestsMock, count: Callable[..., int]
) -> None:
    answer(api, envelope(2, ROW))
    answer(api, envelope(1, {**ROW, "agent_status": 20999}))
    assert count(20561, 20999) == 3
    assert "agent_status_id=20999" in str(api.calls[1].request.url)


def test_nobody_is_zero(api: responses.RequestsMock, count: Callable[..., int]) -> None:
    answer(api, envelope(0))
    assert count() == 0


def test_compressed_answers_are_read(
    api: responses.RequestsMock, count: Callable[..., int]
) -> None:
    body = gzip.compress(json.dumps(envelope(2, ROW)).encode())
    answer(api, body, headers={"Content-Encoding": "gzip"})
    assert count() == 2


UNEXPECTED = {
    "no count": {"results": []},
    "count null": envelope(None),
    "count negative": envelope(-1),
    "count fraction": envelope(2.0),
    "count text": envelope("2"),
    "count boolean": envelope(True),
    "count absurd": envelope(10**9),
    "count with hundreds of digits": envelope(10**400),
    "no results": {"count": 0},
    "results null": {"count": 0, "results": None},
    "results an object": {"count": 0, "results": {}},
    "rows that are no objects": envelope(1, "Ada Person"),
    "more rows than count": envelope(0, ROW),
    "count without rows": envelope(2),
    "wrapped": {"data": envelope(1, ROW)},
    "a number": 3,
    "a text": '"Ada Person"',
    "null": "null",
    "doubled key": '{"count": 1, "count": 0, "results": []}',
    "doubled key deep inside": '{"count": 1, "results": [{"ready": true, "ready": true}]}',
    "NaN": '{"count": NaN, "results": []}',
    "Infinity": '{"count": 1, "results": [{"calls": Infinity}]}',
    "thousands of digits": '{"count": ' + "9" * 5000 + ', "results": []}',
    "too deep": "[" * 100_000,
    "a bare list as long as a page": [ROW] * 25,
}


@pytest.mark.parametrize("body", UNEXPECTED.values(), ids=UNEXPECTED)
def test_an_answer_of_another_shape_is_no_number(
    api: responses.RequestsMock, count: Callable[..., int], recorder: Recorder, body: Any
) -> None:
    answer(api, body)
    with pytest.raises(ApiError) as raised:
        count()
    assert raised.value.failure.code == "unexpected_answer"
    assert "Ada" not in raised.value.failure.message
    assert recorder.codes[-1] == "unexpected_answer"


INVALID = {
    "empty": b"",
    "white space": b" \n",
    "HTML": b"<!DOCTYPE html><p>Ada Person</p>",
    "text": b"error code: 1016",
    "cut short": b'{"count": 3, "results": [',
    "not UTF-8": b'{"count": 1, "results": ["\xff"]}',
    "another encoding": '{"count": 1}'.encode("utf-16"),
}


@pytest.mark.parametrize("body", INVALID.values(), ids=INVALID)
def test_what_is_not_json_is_no_number(
    api: responses.RequestsMock, count: Callable[..., int], body: bytes
) -> None:
    answer(api, body)
    with pytest.raises(ApiError) as raised:
        count()
    assert raised.value.failure.code == "invalid_json"
    assert "Ada" not in raised.value.failure.message


def test_a_byte_order_mark_is_no_fault(
    api: responses.RequestsMock, count: Callable[..., int]
) -> None:
    answer(api, b"\xef\xbb\xbf" + json.dumps(envelope(0)).encode())
    assert count() == 0


CONTRADICTIONS = {
    "not ready": {"ready": False},
    "another status as number": {"agent_status": 20562},
    "another status as digits": {"agent_status": "20562"},
    "another status as object": {"agent_status": {"id": 20562, "name": "Lunch"}},
    "another status as URL": {"agent_status": f"{URL}/api/statuses/20562/"},
}


@pytest.mark.parametrize("fields", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_row_that_contradicts_the_filters_makes_the_count_worthless(
    api: responses.RequestsMock, count: Callable[..., int], fields: dict[str, Any]
) -> None:
    answer(api, envelope(40, {**ROW, **fields}))
    with pytest.raises(ApiError) as raised:
        count()
    assert raised.value.failure.code == "filter_ignored"
    assert "Ada" not in raised.value.failure.message


UNREADABLE = {
    "empty row": {},
    "ready missing": {"agent_status": 20561},
    "ready null": {"ready": None},
    "status null": {"agent_status": None},
    "status by name": {"agent_status": "Available"},
    "status as boolean": {"agent_status": True},
    "status nested": {"agent_status": {"id": {"id": 1}}},
    "the same as digits": {"agent_status": "20561"},
    "the same as object": {"agent_status": {"id": "20561"}},
    "the same as URL": {"agent_status": "/api/statuses/20561/"},
}


@pytest.mark.parametrize("row", UNREADABLE.values(), ids=UNREADABLE)
def test_a_field_that_cannot_be_read_contradicts_nothing(
    api: responses.RequestsMock, count: Callable[..., int], row: dict[str, Any]
) -> None:
    answer(api, envelope(1, row))
    assert count() == 1


def test_a_bare_list_without_rows_is_nobody(
    api: responses.RequestsMock, count: Callable[..., int]
) -> None:
    answer(api, [])
    assert count() == 0


def test_a_bare_list_of_one_row_is_asked_again_with_the_largest_page(
    api: responses.RequestsMock, count: Callable[..., int]
) -> None:
    answer(api, [ROW])
    answer(api, [ROW, ROW, ROW])
    assert count() == 3
    assert "page_size=250" in str(api.calls[1].request.url)


@pytest.mark.parametrize("status", [201, 204, 400, 401, 403, 404, 407, 418, 429, 500, 503, 530])
def test_every_other_status_is_its_own_code(
    api: responses.RequestsMock, count: Callable[..., int], recorder: Recorder, status: int
) -> None:
    answer(api, b"" if status == 204 else envelope(3, ROW), status=status)
    with pytest.raises(ApiError) as raised:
        count()
    assert raised.value.failure.code == str(status)
    assert recorder.codes == [str(status)]


def test_a_status_that_does_not_exist_is_no_code_of_its_own(
    api: responses.RequestsMock, count: Callable[..., int]
) -> None:
    answer(api, envelope(3, ROW), status=777)
    with pytest.raises(ApiError) as raised:
        count()
    assert raised.value.failure.code == "unexpected_answer"


@pytest.mark.parametrize("status", [301, 302, 303, 304, 307, 308])
def test_a_redirect_is_not_followed(
    api: responses.RequestsMock, count: Callable[..., int], status: int
) -> None:
    answer(api, "", status=status, headers={"Location": f"https://evil.example/?k={KEY}"})
    with pytest.raises(ApiError) as raised:
        count()
    assert raised.value.failure.code == "redirect"
    assert "evil.example" in raised.value.failure.message
    assert KEY not in raised.value.failure.message
    assert len(api.calls) == 1


def test_an_error_is_quoted_cleaned_cut_and_without_the_key(
    api: responses.RequestsMock, count: Callable[..., int]
) -> None:
    page = f"<html><style>x{{}}</style><b>Token {KEY}</b>\x1b[31m\n\u202eoops " + "word " * 99
    answer(api, page, status=502)
    with pytest.raises(ApiError) as raised:
        count()
    message = raised.value.failure.message
    assert message.startswith("the API failed (502), it says: Token *** [31m oops word")
    assert message.endswith("…")
    assert len(message) < 240
    assert message.isprintable()


def test_the_detail_of_a_json_error_is_quoted_alone(
    api: responses.RequestsMock, count: Callable[..., int]
) -> None:
    answer(api, {"detail": "Invalid token."}, status=401)
    with pytest.raises(ApiError) as raised:
        count()
    assert raised.value.failure.message == "the API refuses the key (401), it says: Invalid token."


def test_a_body_beyond_the_cap_is_not_read(
    api: responses.RequestsMock, count: Callable[..., int]
) -> None:
    answer(api, b" " * (BODY_LIMIT + 1))
    with pytest.raises(ApiError) as raised:
        count()
    assert raised.value.failure.code == "too_large"


BROKEN_GZIP = {
    "cut short": (gzip.compress(b'{"count": 0, "results": []}')[:-9], "gzip", "connection"),
    "no gzip": (b'{"count": 0, "results": []}', "gzip", "connection"),
    "a bomb": (gzip.compress(b" " * (BODY_LIMIT + 1)), "gzip", "too_large"),
    "not asked for": (b"", "br", "unexpected_answer"),
}


@pytest.mark.parametrize(("body", "encoding", "code"), BROKEN_GZIP.values(), ids=BROKEN_GZIP)
def test_a_broken_compression_is_no_number(
    api: responses.RequestsMock, count: Callable[..., int], body: bytes, encoding: str, code: str
) -> None:
    answer(api, body, headers={"Content-Encoding": encoding})
    with pytest.raises(ApiError) as raised:
        count()
    assert raised.value.failure.code == code
