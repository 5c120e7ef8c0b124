"""Any bytes for an answer: the right number or a code, never an exception."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.calltools.client import Client
from exporter.calltools.requester import RequestContext
from exporter.errors import WORD_CODES, ApiError, Failure
from exporter.settings import Account, Queue, Secret, TokenEnvironment
from exporter.snapshot import Attempt, RequestObserver
from exporter.transport.deadline import Deadline
from exporter.transport.transports import Transports
from tests.raw_server import RawServer

KEY = "a-key-that-no-text-holds-by-chance"
STATUS = 20561
QUEUE = Queue(5457, "sales", (STATUS,))

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ROW = st.fixed_dictionaries(
    {},
    optional={
        "app_user": JSON | st.uuids().map(str),
        "agent_status": st.sampled_from([STATUS, str(STATUS), {"id": STATUS}, 1]) | JSON,
        "ready": st.booleans() | JSON,
        "logged_in": st.booleans() | JSON,
        "ready_since": st.datetimes().map(str) | JSON,
        "agent_status_modified_on": st.datetimes().map(str) | JSON,
        "id": st.integers() | JSON,
        "name": st.text(),
        "full_name": st.text(),
    },
)
ENVELOPE = st.fixed_dictionaries(
    {}, optional={"count": st.integers(-1, 4) | JSON, "results": st.lists(ROW, max_size=3) | JSON}
)
DOCUMENTS = (ENVELOPE | st.lists(ROW, max_size=3) | JSON).map(
    lambda made: json.dumps(made).encode()
)
BODIES = DOCUMENTS | st.binary(max_size=200) | st.tuples(DOCUMENTS, st.binary()).map(b"".join)

_LATIN = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=60)
NUMBERS = st.integers(0, 10**30).map(str)
HEADERS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from(
                [
                    *("Retry-After", "Location", "Set-Cookie", "Content-Type", "Connection"),
                    *("Content-Length", "Transfer-Encoding", "Content-Encoding", "Link", "Date"),
                ]
            ),
            _LATIN
            | NUMBERS
            | st.tuples(st.datetimes(), st.integers(0, 10**20)).map(
                lambda made: made[0].strftime("%a, %d %b %Y %H:%M:%S +") + str(made[1])
            )
            | st.sampled_from(["chunked", "gzip", "gzip, gzip", "close", "keep-alive", "-1"]),
        ),
        st.tuples(_LATIN, _LATIN),
    ),
    max_size=4,
)


class CodeChecker(RequestObserver):
    def attempt_ended(self, attempt: Attempt) -> None:
        assert attempt.code is None or is_code(attempt.code)


def is_code(code: str) -> bool:
    return code in WORD_CODES or (len(code) == 3 and 201 <= int(code) <= 599)


class Api:
    """An API that says what it is told to say, and what each reader makes of that."""

    def __init__(self) -> None:
        self.says = b""
        self._server = RawServer(self._send)
        self._transports = Transports()
        self._account = Account("acme", self._server.url, TokenEnvironment("UNUSED"), (QUEUE,))
        self._client = Client(self._account)

    def close(self) -> None:
        self._transports.close()
        self._server.__exit__()

    def _send(self, _: int, client: socket.socket) -> bool:
        client.sendall(self.says)
        return True

    def read(self, ask: Callable[[Client, RequestContext], Any]) -> Any:
        """Return what is read, or the failure, which is fit to be shown."""
        transport = self._transports.get(self._account)
        context = RequestContext(transport, Secret(KEY), Deadline.after(20), CodeChecker())
        try:
            return ask(self._client, context)
        except ApiError as error:
            check(error.failure)
            return error.failure

    def count(self) -> int | Failure:
        found: int | Failure = self.read(
            lambda client, context: client.count_available(QUEUE, context)
        )
        return found


def check(failure: Failure) -> None:
    assert is_code(failure.code)
    assert failure.message.isprintable()
    assert len(failure.message) < 600
    assert KEY not in failure.message


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    made = Api()
    yield made
    made.close()


def often(times: int = 1) -> settings:
    return settings(
        max_examples=times * settings().max_examples,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def is_told(count: int, body: bytes) -> bool:
    """Tell whether a body says this number to who reads it leniently."""
    document = json.loads(body.decode("utf-8-sig"))
    if isinstance(document, list):
        return len(document) == count
    return bool(document["count"] == count)


@often(3)
@given(status=st.integers(100, 999), headers=HEADERS, body=BODIES)
def test_any_head_and_body(
    api: Api, status: int, headers: list[tuple[str, str]], body: bytes
) -> None:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    api.says = f"HTTP/1.1 {status} Whatever\r\n{lines}\r\n".encode("latin-1") + body
    found = api.count()
    if isinstance(found, int):
        # The headers may cut the body or code it, but they make no number that it does not say.
        assert status == 200
        assert any(is_told(found, part) for part in parts(body))


def parts(body: bytes) -> Iterator[bytes]:
    """Yield what headers may have left of a body: a start of it that is JSON as a whole."""
    for end in range(len(body), 0, -1):
        try:
            json.loads(body[:end].decode("utf-8-sig"))
        except ValueError:
            continue
        yield body[:end]


@often(2)
@given(body=BODIES, compressed=st.booleans())
def test_any_body_under_a_head_that_is_right(api: Api, body: bytes, compressed: bool) -> None:
    sent = gzip.compress(body) if compressed else body
    coding = "Content-Encoding: gzip\r\n" if compressed else ""
    head = f"HTTP/1.1 200 OK\r\n{coding}Content-Length: {len(sent)}\r\n\r\n"
    api.says = head.encode() + sent
    found = api.count()
    if isinstance(found, int):
        assert is_told(found, body)


@often()
@given(count=st.integers(0, 1_000_000), row=st.sampled_from(["", "Z\u00fcrich", "\u202e\n\"'"]))
def test_a_right_answer_gives_its_number(api: Api, count: int, row: str) -> None:
    rows = [{"app_user": "x", "full_name": row, "agent_status": STATUS, "ready": True}][:count]
    body = json.dumps({"count": count, "next": None, "previous": None, "results": rows}).encode()
    api.says = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    assert api.count() == count


@often(2)
@given(st.binary(max_size=300) | st.binary(max_size=100).map(b"HTTP/1.1 200 OK\r\n".__add__))
def test_any_bytes_at_all(api: Api, says: bytes) -> None:
    api.says = says
    api.count()


@often()
@given(status=st.integers(100, 599), body=BODIES)
def test_the_other_readers_raise_nothing_else_either(api: Api, status: int, body: bytes) -> None:
    head = f"HTTP/1.1 {status} Whatever\r\nContent-Length: {len(body)}\r\n\r\n"
    api.says = head.encode() + body
    api.read(lambda client, context: client.read_agents(QUEUE, context))
    api.read(Client.read_statuses)
    api.read(Client.read_queues)
    api.read(lambda client, context: client.agents_by_ready("true", context))
    verdict = api.read(lambda client, context: client.check_filter("queue", context))
    if verdict is not None:
        check(verdict)
