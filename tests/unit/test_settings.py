"""Keys as people paste them, and where they are read."""

from __future__ import annotations

import json
import string
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.errors import TokenError
from exporter.settings import (
    Account,
    Configuration,
    Queue,
    QueueException,
    TokenEnvironment,
    TokenFile,
)

KEY = "a3f9c1e52d8b4"
VARIABLE = "CALLTOOLS_TEST_SETTINGS_TOKEN"


@pytest.fixture(params=["file", "variable"])
def read(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], str]:
    """Read a text as a key, from a file or from a variable."""

    def from_file(text: str) -> str:
        path = tmp_path / "token"
        path.write_text(text, encoding="utf-8")
        return TokenFile(path).read().reveal()

    def from_variable(text: str) -> str:
        monkeypatch.setenv(VARIABLE, text)
        return TokenEnvironment(VARIABLE).read().reveal()

    return from_file if request.param == "file" else from_variable


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        f"{KEY}\n",
        f"\r\n\t {KEY} \r\n",
        f"Token {KEY}",
        f"token {KEY}\n",
        f"TOKEN\t{KEY}",
        f"  tOkEn   {KEY}  ",
    ],
)
def test_a_key_as_it_is_pasted_works(text: str, read: Callable[[str], str]) -> None:
    assert read(text) == KEY


@given(
    key=st.text(string.ascii_letters + string.digits + "-_.~+/", min_size=1).filter(
        lambda key: key.lower() != "token"
    ),
    prefix=st.sampled_from(["", "Token ", "token\t", "TOKEN  "]),
    before=st.text(" \t\r\n", max_size=3),
    after=st.text(" \t\r\n", max_size=3),
)
def test_any_key_is_read_as_it_is(key: str, prefix: str, before: str, after: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, f"{before}{prefix}{key}{after}")
        assert TokenEnvironment(VARIABLE).read().reveal() == key


@pytest.mark.parametrize("text", ["", " \n", "\t"])
def test_an_empty_key_is_none(text: str, read: Callable[[str], str]) -> None:
    with pytest.raises(TokenError, match="is empty; expected the API key"):
        read(text)


@pytest.mark.parametrize(
    "text",
    [
        f"{KEY} {KEY}",
        f"Token {KEY} please",
        f"{KEY}\n{KEY}",
        "schlüssel",
        f"{KEY}\x1b",
        f"{KEY}\u200b",
    ],
)
def test_what_no_key_holds_is_refused_and_not_told(text: str, read: Callable[[str], str]) -> None:
    with pytest.raises(TokenError, match="holds more than one word, or characters") as raised:
        read(text)
    assert KEY not in str(raised.value)
    assert "schl" not in str(raised.value)


LOOKS_LIKE = {
    "a key in quotation marks": [f'"{KEY}"', f"'{KEY}'\n", f"`{KEY}`", f'Token "{KEY}"'],
    "a line NAME=VALUE": [
        f"CALLTOOLS_TOKEN={KEY}",
        f"export TOKEN='{KEY}'",
        f"api_key={KEY}",
        f"Api-Token: {KEY}",
        f"token: {KEY}",
    ],
    "base64 of a text": [
        b64encode(KEY.encode()).decode(),
        b64encode(f"{KEY}\n".encode()).decode() + "\n",
        b64encode(f"Token {KEY}".encode()).decode(),
    ],
    "JSON": [json.dumps({"token": KEY}), json.dumps([KEY])],
    "a certificate or private key in PEM form": ["-----BEGIN PRIVATE KEY-----\nabc\n-----END"],
}


@pytest.mark.parametrize(
    ("text", "looks"), [(text, looks) for looks, texts in LOOKS_LIKE.items() for text in texts]
)
def test_a_key_in_other_clothes_is_said_to_look_like_them(
    text: str, looks: str, read: Callable[[str], str]
) -> None:
    with pytest.raises(TokenError) as raised:
        read(text)
    assert str(raised.value).endswith(f" looks like {looks}; expected the API key alone")
    assert KEY not in str(raised.value)


@pytest.mark.parametrize(
    "key",
    [
        "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b",
        "a" * 40,
        "0" * 40,
        "dGhpcw==",
        "550e8400-e29b-41d4-a716-446655440000",
        "sk_live.abc/def+ghi=",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
    ],
)
def test_what_may_be_a_key_is_taken_for_one(key: str, read: Callable[[str], str]) -> None:
    assert read(key) == key


def test_a_bearer_is_not_a_token(read: Callable[[str], str]) -> None:
    with pytest.raises(TokenError, match="more than one word"):
        read(f"Bearer {KEY}")


def test_a_variable_that_is_not_set_is_empty() -> None:
    with pytest.raises(TokenError, match=f"^token_env {VARIABLE} is empty"):
        TokenEnvironment(VARIABLE).read()


def test_a_file_with_a_byte_order_mark_works(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(KEY, encoding="utf-8-sig")
    assert TokenFile(path).read().reveal() == KEY


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    path = tmp_path / "token"
    with pytest.raises(TokenError) as raised:
        TokenFile(path).read()
    assert str(raised.value) == f"token_file {path} cannot be read: No such file or directory"
    with pytest.raises(TokenError, match="Is a directory"):
        TokenFile(tmp_path).read()
    path.write_text(KEY, encoding="utf-16")
    with pytest.raises(TokenError, match="not a text file") as raised:
        TokenFile(path).read()
    assert raised.value.__cause__ is None


def test_a_file_is_read_anew_each_time(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("old")
    source = TokenFile(path)
    assert source.read().reveal() == "old"
    path.write_text("new")
    assert source.read().reveal() == "new"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://east-2.calltools.io", "east-2.calltools.io"),
        ("http://127.0.0.1:8000", "127.0.0.1:8000"),
        ("https://[::1]:8443", "[::1]:8443"),
    ],
)
def test_the_host_is_the_silo(url: str, host: str) -> None:
    account = Account("acme", url, TokenEnvironment(VARIABLE), (Queue(1, "one", (2,)),))
    assert account.host == host


def test_a_proxys_password_is_not_in_what_an_account_looks_like() -> None:
    account = Account("acme", "https://x", TokenEnvironment("T"), (), proxy="http://me:hunter2@p")
    assert "hunter2" not in repr(account)
    assert "hunter2" not in repr(Configuration((account,)))


def test_an_exception_by_id_counts_before_one_by_name() -> None:
    by_id = QueueException(1, "label", Queue(1, "label", (2,)))
    by_name = QueueException(None, "sales", None)
    account = Account(
        "acme",
        "https://east-2.calltools.io",
        TokenEnvironment(VARIABLE),
        (),
        every_queue=Queue(0, "", (2,)),
        exceptions=(by_name, by_id),
    )

    assert account.exception_for(1, "sales") is by_id
    assert account.exception_for(7, "sales") is by_name
    assert account.exception_for(7, "label") is None
