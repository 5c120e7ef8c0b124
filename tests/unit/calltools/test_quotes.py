"""What of an answer's text is told: an error's own words, never people's rows."""

from __future__ import annotations

import json
import time

import pytest

from exporter.calltools.responses import raise_for_status, read_page
from exporter.errors import ApiError
from exporter.settings import Secret
from exporter.transport import HttpAnswer

ROWS = {"count": 1, "results": [{"full_name": "Jane Roe", "app_user": "ab-cd"}]}


def told(status: int, body: object) -> str:
    """Return the words after what the status itself means."""
    text = body if isinstance(body, str) else json.dumps(body)
    with pytest.raises(ApiError) as raised:
        raise_for_status(HttpAnswer(status, {}, text.encode()), Secret("s3cr3t"))
    return raised.value.failure.message.partition(", it says: ")[2]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"detail": "Invalid token."}, "Invalid token."),
        ("\ufeff \n" + json.dumps({"detail": "Invalid token."}), "Invalid token."),
        (
            {"queue": ["Select a valid choice.", "Or none."], "ready": ["No."]},
            "queue: Select a valid choice. Or none.; ready: No.",
        ),
        ({"detail": "the key s3cr3t is wrong"}, "the key *** is wrong"),
        ("error code: 1016", "error code: 1016"),
        ("<html><title>502</title>\n<p>Bad  gateway</p></html>", "502 Bad gateway"),
        ("<script>track()</script>Wait", "Wait"),
        ("x" * 300, "x" * 199 + "…"),
        ("", ""),
        # What may be people's is not told.
        (ROWS, ""),
        ([ROWS], ""),
        (ROWS["results"], ""),
        ({"full_name": "Jane Roe"}, ""),
        ({"detail": {"full_name": "Jane Roe"}}, ""),
        ({"results": [{"full_name": "Jane Roe"}], "queue": ["No."]}, "queue: No."),
        (json.dumps(ROWS)[:-10], ""),
        ("[" * 100_000, ""),
    ],
)
def test_an_error_is_quoted(body: object, words: str) -> None:
    assert told(400, body) == words
    assert told(503, body) == words


@pytest.mark.parametrize("status", [201, 204, 206])
@pytest.mark.parametrize("body", [ROWS, {"detail": "Jane Roe"}, "Jane Roe"])
def test_an_answer_that_is_no_error_is_never_quoted(status: int, body: object) -> None:
    assert told(status, body) == ""


def test_nothing_keeps_an_answer_that_is_not_json() -> None:
    for body in (b'{"full_name": "Jane', b'{"full_name": "Jane\xff"}'):
        with pytest.raises(ApiError) as raised:
            read_page(HttpAnswer(200, {}, body))
        # A decoder's exception holds the whole text, also where no traceback shows it.
        assert raised.value.__context__ is None


@pytest.mark.parametrize(
    "text", ["<" * 70_000, "<script " * 9000, "</script" * 9000, "<a" + " " * 70_000]
)
def test_markup_that_never_ends_is_passed_over_in_no_time(text: str) -> None:
    """While a pattern is looked for, nothing else in the process goes on."""
    begun = time.thread_time()
    told(502, text)
    assert time.thread_time() - begun < 0.5


@pytest.mark.parametrize("body", ["[" + "{}," * 300_000 + "{}]", "[" + "1," * 2_000_000 + "1]"])
def test_more_than_any_list_holds_is_not_even_read(body: str) -> None:
    with pytest.raises(ApiError) as raised:
        read_page(HttpAnswer(200, {}, body.encode()))
    assert raised.value.failure.code == "too_large"
