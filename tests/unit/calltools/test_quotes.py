"""What of an answer's text is told: an error's own words, never people's rows."""

from __future__ import annotations

import json
import time

import pytest

from exporter.calltools.pages import read_page
from exporter.calltools.requester import raise_for_status
from exporter.errors import ApiError
from exporter.settings import Secret
from exporter.transport.transport import HttpAnswer

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
            read_page(HttpAnswer(200, {}, body), "/api/agentstatuses/", {})
        # A decoder's exception holds the whole text, also where no traceback shows it.
        assert raised.value.__context__ is None


@pytest.mark.parametrize(
    "text", ["<" * 70_000, "<script " * 9000, "</script" * 9000, "<a" + " " * 70_000]
)
def test_markup_that_never_ends_is_passed_over_in_no_time(text: str) -> None:
    """While a pattern is looked for, nothing else in the process goes on."""
    begun = time.thread_time()
    told(502, text)
    assert time.thread_time() - begun < 3


@pytest.mark.parametrize("body", ["[" + "{}," * 300_000 + "{}]", "[" + "1," * 2_000_000 + "1]"])
def test_more_than_any_list_holds_is_not_even_read(body: str) -> None:
    with pytest.raises(ApiError) as raised:
        read_page(HttpAnswer(200, {}, body.encode()), "/api/agentstatuses/", {})
    assert raised.value.failure.code == "too_large"


KEY = "s3cr3tKey/with.dots+plus"
ECHOES = {
    "as it is": KEY,
    "in capitals": KEY.upper(),
    "in small letters": KEY.lower(),
    "with a tag inside": "s3cr<b class=x>3tKey/wi</b>th.dots+plus",
    "with a tag around each letter": "".join(f"<i>{letter}</i>" for letter in KEY),
    "with a space that has no width": "s3cr\u200b3tKey/with.d\u2060ots+plus",
    "with a soft hyphen and a break": "s3cr\xad3tKey/\r\n\twith.dots+plus",
    "with entities": "".join(f"&#{ord(letter)};" for letter in KEY),
    "in a script's place": f"<script>x</script>{KEY}",
}


@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
@pytest.mark.parametrize("body", ["<p>Key {} is wrong</p>", '{{"detail": "Key {} is wrong"}}'])
def test_the_key_is_masked_however_it_is_echoed(echo: str, body: str) -> None:
    text = body.format(json.dumps(echo)[1:-1] if body.startswith("{") else echo)
    with pytest.raises(ApiError) as raised:
        raise_for_status(HttpAnswer(401, {}, text.encode()), Secret(KEY))
    words = raised.value.failure.message
    seen = "".join(character for character in words.lower() if "!" <= character <= "~")
    assert "***" in words or "&#" in words
    assert KEY.lower() not in seen
    if "entities" not in words:
        assert "is wrong" in words


def test_the_key_is_masked_in_where_a_redirect_leads() -> None:
    headers = {"location": f"https://elsewhere/?key={KEY.upper()}&x=s3cr\u200b3tKey/with.dots+plus"}
    with pytest.raises(ApiError) as raised:
        raise_for_status(HttpAnswer(302, headers, b""), Secret(KEY))
    assert raised.value.failure.message.count("***") == 2
    assert KEY.lower() not in raised.value.failure.message.lower()


@pytest.mark.parametrize("text", ["s" * 60_000, "s<" * 30_000, "s " * 30_000, "s<" + "s" * 60_000])
def test_a_key_that_is_nearly_there_is_passed_over_in_no_time(text: str) -> None:
    begun = time.thread_time()
    with pytest.raises(ApiError):
        raise_for_status(HttpAnswer(502, {}, text.encode()), Secret("ssssssssssssssssssss!"))
    assert time.thread_time() - begun < 3
