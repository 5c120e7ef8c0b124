"""Answers that are in work together have a bound, which no host can use up alone."""

from __future__ import annotations

import io

import pytest
from urllib3 import HTTPResponse

from exporter.errors import ApiError
from exporter.transport.http1 import BODY_LIMIT, BodyMemory, BodyShare, read_body

KIB = 1024


def test_a_share_holds_what_goes_beyond_what_is_free() -> None:
    memory = BodyMemory(100 * KIB)
    shares = [BodyShare(memory) for _ in range(50)]
    assert all(share.grow(64 * KIB) for share in shares), "small answers need none"
    assert shares[0].grow(100 * KIB)
    assert shares[1].grow(128 * KIB)
    assert not shares[2].grow(65 * KIB)
    shares[0].release()
    shares[0].release()
    assert shares[2].grow(100 * KIB)
    assert not shares[3].grow(65 * KIB)


def test_one_part_cannot_use_up_the_whole() -> None:
    whole = BodyMemory(300 * KIB)
    one, other = BodyMemory(200 * KIB, whole), BodyMemory(200 * KIB, whole)
    greedy = BodyShare(one)
    assert greedy.grow(264 * KIB)
    assert not BodyShare(one).grow(65 * KIB)
    assert BodyShare(other).grow(164 * KIB)
    refused = BodyShare(other)
    assert not refused.grow(65 * KIB), "the whole is used up"
    refused.release()
    greedy.release()
    assert refused.grow(264 * KIB - 100 * KIB)


def read(size: int, memory: BodyMemory) -> BodyShare:
    share = BodyShare(memory)
    raw = HTTPResponse(io.BytesIO(b"x" * size), preload_content=False)
    assert len(read_body(raw, "silo", BODY_LIMIT, share)) == size
    return share


def test_an_answer_too_many_is_refused_until_another_has_been_read() -> None:
    memory = BodyMemory(2 * 1024 * KIB)
    first = read(1536 * KIB, memory)
    with pytest.raises(ApiError) as raised:
        read(1024 * KIB, memory)
    assert raised.value.failure.code == "too_large"
    assert raised.value.failure.message == "silo sends too many large answers at once"
    read(64 * KIB, memory)
    first.release()
