"""A key is for one header, and for no other way of writing a value down."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import pprint
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from exporter.settings import Secret

KEY = "a3f9c1-key-e52d8b4"


@dataclass
class Holder:
    key: Secret


@pytest.mark.parametrize(
    "write",
    [
        repr,
        str,
        ascii,
        format,
        lambda secret: f"{secret}",
        lambda secret: f"{secret!r:>40}".strip(),
        lambda secret: f"{Holder(secret)}",
        lambda secret: "%s %r" % (secret, secret),  # noqa: UP031 - the oldest way counts as well
        lambda secret: str([{"key": secret}]),
        lambda secret: pprint.pformat(Holder(secret)),
        lambda secret: json.dumps({"key": secret}, default=str),
        lambda secret: logging.LogRecord("a", 10, "b", 1, "key %s", (secret,), None).getMessage(),
    ],
)
def test_whatever_writes_it_down_writes_no_key(write: Callable[[Secret], str]) -> None:
    written = write(Secret(KEY))
    assert KEY not in written
    assert "Secret(***)" in written


@pytest.mark.parametrize("take", [copy.copy, copy.deepcopy, pickle.dumps])
@pytest.mark.parametrize("wrap", [lambda secret: secret, Holder, lambda secret: [Holder(secret)]])
def test_it_is_not_written_elsewhere(
    take: Callable[[object], object], wrap: Callable[[Secret], object]
) -> None:
    held = wrap(Secret(KEY))
    if take is copy.copy and not isinstance(held, Secret):
        return  # the outside is copied, the secret is the same one
    with pytest.raises(TypeError, match="never written anywhere") as raised:
        take(held)
    assert KEY not in str(raised.value)


def test_it_has_no_dictionary_to_look_into() -> None:
    assert not hasattr(Secret(KEY), "__dict__")
    with pytest.raises(TypeError):
        json.dumps(Secret(KEY))


def test_a_traceback_with_all_its_values_does_not_show_it() -> None:
    def fail(secret: Secret) -> None:
        raise ValueError(f"wrong key {secret}")

    try:
        fail(Secret(KEY))
    except ValueError as error:
        shown = "".join(
            traceback.TracebackException.from_exception(error, capture_locals=True).format()
        )
    assert "secret = Secret(***)" in shown
    assert KEY not in shown


def test_it_is_revealed_to_who_asks_for_it() -> None:
    assert Secret(KEY).reveal() == KEY


def test_equal_keys_are_equal() -> None:
    assert Secret(KEY) == Secret(KEY)
    assert len({Secret(KEY), Secret(KEY), Secret("other")}) == 2
    assert Secret(KEY) != KEY
    assert hash(Secret(KEY)) != hash(KEY)


def test_it_is_masked_in_what_others_wrote() -> None:
    assert Secret(KEY).mask(f"Token {KEY}, {KEY}!") == "Token ***, ***!"
    assert Secret(KEY).mask("nothing") == "nothing"
    assert Secret("").mask("as it is") == "as it is"


@pytest.mark.parametrize(
    "echo", [KEY.upper(), KEY.replace("-", "<b>-"), "\u200b".join(KEY), " ".join(KEY), KEY.title()]
)
def test_it_is_masked_however_it_is_written(echo: str) -> None:
    assert Secret(KEY).mask(f"({echo})") == "(***)"
