"""Requests as they are sent and answers as they come, however their bytes are cut."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from http.client import BadStatusLine, HTTPException, IncompleteRead, RemoteDisconnected
from typing import Any

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.transport.http1 import StreamedAnswer, request_head

BODY = b'{"count": 3}'
LENGTH = b"Content-Length: 12\r\n"


class Pieces:
    """A socket on which these bytes come, and then its end."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = [piece for piece in pieces if piece]

    def recv(self, size: int) -> bytes:
        if not self._pieces:
            return b""
        piece, self._pieces[0] = self._pieces[0][:size], self._pieces[0][size:]
        if not self._pieces[0]:
            del self._pieces[0]
        return piece


def read(*pieces: bytes) -> tuple[int, dict[str, str], bytes, bool]:
    """Return status, headers, body, and whether the connection may be used again."""
    kept: list[bool] = []
    sock: Any = Pieces(pieces)
    answer = StreamedAnswer(sock, kept.append)
    body = b"".join(answer.stream())
    assert len(kept) == 1
    answer.close()
    assert len(kept) == 1, "the end is reported once"
    return answer.status, answer.headers, body, kept[0]


def answer(fields: bytes = LENGTH, body: bytes = BODY, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 " + status + b"\r\n" + fields + b"\r\n" + body


CHUNKED = b"Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    ("sent", "body", "kept"),
    {
        "length": (answer(), BODY, True),
        "bare line feeds": (answer().replace(b"\r\n", b"\n"), BODY, True),
        "chunked": (answer(CHUNKED, b"5\r\n{'a':\r\n3;x=y\r\n 1}\r\n0\r\n\r\n"), b"{'a': 1}", True),
        "trailers": (answer(CHUNKED, b"2\r\n{}\r\n0\r\nA: b\r\nC: d\r\n\r\n"), b"{}", True),
        "until the end": (answer(b"", BODY), BODY, False),
        "said to be the last": (answer(LENGTH + b"Connection: Close\r\n"), BODY, False),
        "HTTP/1.0": (answer().replace(b"1.1", b"1.0"), BODY, False),
        "HTTP/1.0, kept": (
            answer(LENGTH + b"Connection: Keep-Alive\r\n").replace(b"1.1", b"1.0"),
            BODY,
            True,
        ),
        "more than the answer": (answer() + b"HTTP/1.1 200 OK", BODY, False),
        "both lengths": (answer(LENGTH + CHUNKED, b"2\r\n{}\r\n0\r\n\r\n"), b"{}", False),
        "without a body": (answer(LENGTH, b"", b"304 Not Modified"), b"", True),
        "interim answers": (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" + answer(),
            BODY,
            True,
        ),
        "no reason": (answer(status=b"200"), BODY, True),
    }.values(),
)
def test_a_body_ends_where_its_head_says(sent: bytes, body: bytes, kept: bool) -> None:
    whole = read(sent)
    assert whole[2:] == (body, kept)
    if kept:
        assert read(*(sent[at : at + 1] for at in range(len(sent)))) == whole


@pytest.mark.parametrize(
    "sent",
    {
        "two lengths": answer(LENGTH + b"Content-Length: 5\r\n"),
        "a signed length": answer(b"Content-Length: +12\r\n"),
        "a length in hexadecimal": answer(b"Content-Length: 0xc\r\n"),
        "an empty length": answer(b"Content-Length:\r\n"),
        "another coding": answer(b"Transfer-Encoding: gzip, chunked\r\n"),
        "a name with a blank": answer(b"Content-Length : 12\r\n"),
        "a line that is no field": answer(b"no field\r\n" + LENGTH),
        "a signed chunk": answer(CHUNKED, b"+2\r\n{}\r\n0\r\n\r\n"),
        "a chunk with an underscore": answer(CHUNKED, b"1_0\r\n"),
        "a chunk longer than it says": answer(CHUNKED, b"1\r\n{}\r\n0\r\n\r\n"),
        "another protocol": b"SSH-2.0-x",
        "a status of two digits": answer(status=b"20 OK"),
        "HTTP/2": answer().replace(b"HTTP/1.1", b"HTTP/2"),
    }.values(),
)
def test_where_the_end_is_in_doubt_nothing_is_read(sent: bytes) -> None:
    with pytest.raises(BadStatusLine):
        read(sent)


@pytest.mark.parametrize("at", [1, 12, 20, 40, 45])
@pytest.mark.parametrize("sent", [answer(), answer(CHUNKED, b"12\r\n" + BODY)])
def test_an_answer_that_is_cut_is_none(sent: bytes, at: int) -> None:
    with pytest.raises(IncompleteRead):
        read(sent[:at])


def test_a_connection_that_is_closed_has_no_answer() -> None:
    with pytest.raises(RemoteDisconnected):
        read()
    with pytest.raises(RemoteDisconnected):
        read(b"HTTP/1.1 100 Continue\r\n\r\n")


@pytest.mark.parametrize(
    "sent",
    {
        "a long field": answer(b"A: " + b"x" * 200_000 + b"\r\n"),
        "many fields": answer(b"A: x\r\n" * 101),
        "an endless line": b"HTTP/1.1 200 " + b"x" * 200_000,
        "an endless chunk size": answer(CHUNKED, b"0" * 200_000),
        "many interim answers": b"HTTP/1.1 100 Continue\r\n\r\n" * 30 + answer(),
        "many trailers": answer(CHUNKED, b"0\r\n" + b"A: b\r\n" * 101 + b"\r\n"),
        "many tiny chunks": answer(CHUNKED, b"1\r\nx\r\n" * 20_000 + b"0\r\n\r\n"),
    }.values(),
)
def test_what_surrounds_a_body_has_a_limit(sent: bytes) -> None:
    with pytest.raises(HTTPException, match=r"more than|larger than"):
        read(sent)


def test_fields_are_found_in_any_case_and_joined() -> None:
    fields = b"age: 1\r\nAGE:2 \r\nX:\tfolded\r\n value\r\n" + LENGTH
    headers = read(answer(fields))[1]
    assert headers == {"age": "1, 2", "x": "folded value", "content-length": "12"}


def test_no_header_goes_on_as_another() -> None:
    head = request_head("GET", "/api/?a=1", {"Host": "silo", "Accept": "*/*"})
    assert head == b"GET /api/?a=1 HTTP/1.1\r\nHost: silo\r\nAccept: */*\r\n\r\n"
    for value in ("a\nb: c", "a\rb", "a\r\n\r\nGET /"):
        with pytest.raises(ValueError, match="line break") as raised:
            request_head("GET", "/", {"Authorization": value})
        assert value not in str(raised.value)


def by_h11(sent: bytes) -> tuple[int, bytes]:
    """Read the same with h11, as another implementation of the standard."""
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=10**6)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(sent)
    connection.receive_data(b"")
    status, body = 0, b""
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return status, body
        else:
            assert isinstance(event, h11.InformationalResponse), event


FIELDS = st.lists(
    st.sampled_from(
        [
            *(LENGTH, b"Content-Length: 5\r\n", CHUNKED, b"Transfer-Encoding: x\r\n"),
            *(
                b"Connection: close\r\n",
                b"Age: 1\r\n",
                b"A:\r\n b\r\n",
                b"broken\r\n",
                b"A : b\r\n",
            ),
        ]
    ),
    max_size=3,
).map(b"".join)
BODIES = st.lists(
    st.sampled_from(
        [
            *(BODY, b"5\r\nhello\r\n", b"0\r\n\r\n", b"0\r\nT: r\r\n\r\n", b"A;b=c\r\n"),
            b"\r\n",
            b"\n",
        ]
    ),
    max_size=4,
).map(b"".join)
STATUSES = st.sampled_from([b"200 OK", b"204 No Content", b"500 No", b"200", b"099 Low", b"1000 x"])


@settings(max_examples=5 * settings().max_examples)
@given(fields=FIELDS, body=BODIES, status=STATUSES, cut=st.integers(1, 80))
def test_what_is_read_is_what_another_implementation_reads(
    fields: bytes, body: bytes, status: bytes, cut: int
) -> None:
    sent = answer(fields, body, status)
    try:
        found = read(sent[:cut], sent[cut:])
    except HTTPException:
        return  # refused here: that is never wrong
    assert found[::2] == by_h11(sent)


def test_any_socket_will_do() -> None:
    here, there = socket.socketpair()
    with here, there:
        there.sendall(answer())
        assert b"".join(StreamedAnswer(here, lambda _: None).stream()) == BODY
