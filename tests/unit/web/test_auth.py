from __future__ import annotations

import asyncio
import base64
import string
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.web import auth
from exporter.web.auth import BasicAuth, BusyError, credentials, hash_cost
from exporter.web.available_users import load_available_users
from exporter.web.follow import Followed
from exporter.web.middleware import AuthMiddleware

CHEAP = bcrypt.hashpw(b"secret", b"$2b$04$......................").decode()
LONGEST = b"x" * 72


class Checks:
    """Counts the real checks, which are dear, and can hold them up."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hashes: list[bytes] = []
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self.at_a_time = 0
        self.most_at_a_time = 0
        real = bcrypt.checkpw

        def check(password: bytes, hashed: bytes) -> bool:
            self.hashes.append(hashed)
            self.at_a_time += 1
            self.most_at_a_time = max(self.most_at_a_time, self.at_a_time)
            self.entered.set()
            assert self.gate.wait(20)
            self.at_a_time -= 1
            return real(password, hashed)

        monkeypatch.setattr(bcrypt, "checkpw", check)


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> Checks:
    return Checks(monkeypatch)


def run(coroutine: Coroutine[Any, Any, bool]) -> bool:
    return asyncio.run(coroutine)


@pytest.mark.parametrize("prefix", ["$2a$", "$2b$", "$2y$"])
def test_a_password_is_accepted_once_checked(checks: Checks, prefix: str) -> None:
    users = BasicAuth({"prometheus": prefix + CHEAP[4:]})
    assert users
    for _ in range(3):
        assert run(users.accept(b"prometheus", b"secret"))
    assert len(checks.hashes) == 1


@pytest.mark.parametrize(
    ("user", "password"),
    [
        (b"prometheus", b"Secret"),
        (b"prometheus", b""),
        (b"Prometheus", b"secret"),
        (b"", b"secret"),
        (b"\xff", b"secret"),
        (b"prometheus", b"secret\0secret"),
        (b"prometheus", b"x" * 73),
        (b"nobody", b"x" * 73),
    ],
)
def test_everything_else_is_refused(user: bytes, password: bytes) -> None:
    assert not run(BasicAuth({"prometheus": CHEAP}).accept(user, password))


def test_the_longest_password_counts_to_its_last_byte() -> None:
    users = BasicAuth({"a": bcrypt.hashpw(LONGEST, bcrypt.gensalt(4)).decode()})
    assert run(users.accept(b"a", LONGEST))
    assert not run(users.accept(b"a", LONGEST[:-1]))


def test_a_hash_that_bcrypt_cannot_check_is_none() -> None:
    """The last character of a salt has two bits; with others, each check raised an error."""
    usable = []
    for last in string.ascii_letters + string.digits + "./":
        hashed = f"$2b$04${'.' * 21}{last}{'.' * 31}"
        if hash_cost(hashed) is not None:
            usable.append(last)
            assert not bcrypt.checkpw(b"", hashed.encode())
    assert sorted(usable) == [".", "O", "e", "u"]


def test_an_unknown_user_costs_as_much_as_the_dearest_known_one(checks: Checks) -> None:
    users = BasicAuth({"a": CHEAP, "b": CHEAP.replace("$04$", "$06$")})
    assert not run(users.accept(b"nobody", b"secret"))
    assert not run(users.accept(b"nobody", b"secret"))
    (hashed,) = checks.hashes
    assert hash_cost(hashed.decode()) == 6


@pytest.mark.parametrize("cost", [4, 5, 7, 9])
def test_a_refusal_costs_the_same_whoever_is_refused(checks: Checks, cost: int) -> None:
    hashed = CHEAP.replace("$04$", f"${cost:02d}$")
    users = BasicAuth({"a": hashed, "dear": CHEAP.replace("$04$", "$09$")})
    assert not run(users.accept(b"a", b"guess"))
    assert sum(2 ** (hash_cost(spent.decode()) or 0) for spent in checks.hashes) == 2**9


def test_one_users_answer_is_not_anothers(checks: Checks) -> None:
    users = BasicAuth({"a": CHEAP, "ab": CHEAP, "b": CHEAP})
    assert run(users.accept(b"a", b"secret"))
    assert not run(users.accept(b"ab", b"ecret"))
    assert not run(users.accept(b"c", b"secret"))
    assert len(checks.hashes) == 3


def test_guesses_are_forgotten_before_the_right_password(checks: Checks) -> None:
    users = BasicAuth({"a": CHEAP})
    assert run(users.accept(b"a", b"secret"))
    for guess in range(150):
        assert not run(users.accept(b"a", b"%d" % guess))
    assert len(checks.hashes) == 151
    assert run(users.accept(b"a", b"secret"))
    assert not run(users.accept(b"a", b"149"))
    assert len(checks.hashes) == 151
    assert not run(users.accept(b"a", b"0"))
    assert len(checks.hashes) == 152


def test_one_check_at_a_time_and_the_same_question_once(checks: Checks) -> None:
    async def ask() -> list[bool]:
        users = BasicAuth({"a": CHEAP})
        right = [users.accept(b"a", b"secret") for _ in range(10)]
        return await asyncio.gather(*right, users.accept(b"a", b"1"), users.accept(b"a", b"2"))

    assert asyncio.run(ask()) == [True] * 10 + [False] * 2
    assert checks.most_at_a_time == 1
    assert len(checks.hashes) == 3


def test_who_waits_too_long_is_told_so(checks: Checks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "_WAIT_SECONDS", 0.1)
    checks.gate.clear()

    async def ask() -> bool:
        users = BasicAuth({"a": CHEAP})
        first = asyncio.create_task(users.accept(b"a", b"secret"))
        await asyncio.to_thread(checks.entered.wait, 20)
        with pytest.raises(BusyError):
            await users.accept(b"a", b"guess")
        checks.gate.set()
        assert await first
        return await users.accept(b"a", b"secret")

    assert run(ask())


def test_no_password_stays_in_memory() -> None:
    users = BasicAuth({"a": CHEAP})
    assert run(users.accept(b"a", b"secret"))
    assert not run(users.accept(b"a", b"guess"))
    assert b"secret" not in repr(vars(users)).encode()
    assert b"guess" not in repr(vars(users)).encode()


@pytest.mark.parametrize(
    ("header", "read"),
    [
        ("Basic " + base64.b64encode(b"a:b").decode(), (b"a", b"b")),
        ("basic   " + base64.b64encode(b"a:b:c").decode(), (b"a", b"b:c")),
        ("BASIC " + base64.b64encode(b":").decode(), (b"", b"")),
        ("Basic " + base64.b64encode("ä:ö".encode()).decode(), ("ä".encode(), "ö".encode())),
        ("Basic " + base64.b64encode(b"no colon").decode(), None),
        ("Bearer " + base64.b64encode(b"a:b").decode(), None),
        ("Basic", None),
        ("Basic !!!!", None),
        ("Basic YTp", None),
        ("", None),
    ],
)
def test_credentials(header: str, read: tuple[bytes, bytes] | None) -> None:
    assert credentials(header) == read


@given(st.text() | st.text().map("Basic ".__add__))
def test_no_header_is_an_error(header: str) -> None:
    credentials(header)


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        (CHEAP, 4),
        (CHEAP.replace("$04$", "$31$"), 31),
        (CHEAP.replace("$04$", "$03$"), None),
        (CHEAP.replace("$04$", "$32$"), None),
        (CHEAP + "\n", None),
        (CHEAP[:-1], None),
        ("", None),
    ],
)
def test_hashes(text: str, cost: int | None) -> None:
    assert hash_cost(text) == cost


def test_a_user_of_available_is_checked_once_without_a_web_file_as_well(
    checks: Checks, tmp_path: Path
) -> None:
    """The check was forgotten with each request: each question cost a tenth of a second."""
    file = tmp_path / "users.yml"
    file.write_text(f"users: {{crm: {{password_hash: {CHEAP}, accounts: all}}}}")
    answered: list[str] = []

    async def app(scope: Any, _: Any, __: Any) -> None:
        answered.append(scope["path"])

    async def ask() -> None:
        middleware = AuthMiddleware(app, None, Followed("users", file, load_available_users))
        basic = b"Basic " + base64.b64encode(b"crm:secret")
        for _ in range(3):
            scope = {
                "type": "http",
                "path": "/available",
                "headers": [(b"authorization", basic)],
                "state": {},
            }
            sink: Any = None
            await middleware(scope, sink, sink)

    asyncio.run(ask())
    assert answered == ["/available"] * 3
    assert len(checks.hashes) == 1
