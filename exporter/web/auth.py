"""Basic authentication: passwords that are kept as bcrypt hashes."""

import asyncio
import base64
import binascii
import hmac
import re
import secrets
from collections.abc import Mapping
from functools import partial
from typing import Self

import bcrypt

from exporter.web.shared_work import WorkerThreads

#: bcrypt reads no more, and ignores what follows a NUL.
_LONGEST_PASSWORD_BYTES = 72
_WAIT_SECONDS = 2.0
_REMEMBERED_REFUSALS = 100
#: The last character of the salt has two bits; bcrypt refuses other bits there at every check.
_HASH = re.compile(
    r"\$2[aby]\$(0[4-9]|1[0-9]|2[0-9]|3[01])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}"
)

#: One at a time, and one thread for the process: a changed file needs no other.
CHECKS = WorkerThreads(1)


class BusyError(Exception):
    """Too many passwords are being checked."""


def hash_cost(text: str) -> int | None:
    """Return the cost of a bcrypt hash; each step doubles the work."""
    found = _HASH.fullmatch(text)
    return int(found[1]) if found else None


def credentials(authorization: str) -> tuple[bytes, bytes] | None:
    """Read an Authorization header into user and password (RFC 7617)."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return (user, password) if colon else None


class BasicAuth:
    """Check users and their passwords, one at a time, and remember the answers.

    A check costs a tenth of a second of a core: one at a time, guesses cannot take the other cores.
    The memory holds a digest with a key of this process, so no password stays in memory. Accepted
    ones are kept separately: guesses cannot make the exporter forget Prometheus.
    """

    def __init__(self, users: Mapping[str, str]) -> None:
        self.users = users
        self._hashes = {user.encode(): hashed.encode() for user, hashed in users.items()}
        self._costs = {user.encode(): hash_cost(hashed) or 0 for user, hashed in users.items()}
        self._highest_cost = max(self._costs.values(), default=4)
        self._key = secrets.token_bytes(32)
        self._accepted: set[bytes] = set()
        self._refused: dict[bytes, None] = {}
        self._turn = asyncio.Lock()

    def __bool__(self) -> bool:
        return bool(self._hashes)

    def remember_as(self, previous: Self) -> None:
        """Remember what other users' passwords were accepted for, where they are the same.

        Otherwise Prometheus would have to wait among guesses after each change of a file. A hash
        that has changed is another digest.
        """
        self._key, self._accepted = previous._key, previous._accepted

    async def accept(self, user: bytes, password: bytes) -> bool:
        """Return whether it is the user's password.

        Raises:
            BusyError: other passwords are being checked, and it took too long.
        """
        if len(password) > _LONGEST_PASSWORD_BYTES or b"\0" in password:
            return False
        digest = self._digest(user, password)
        if (known := self._remembered(digest)) is not None:
            return known
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                await self._turn.acquire()
        except TimeoutError:
            raise BusyError from None
        try:
            # The same may have been checked while this request waited.
            if (known := self._remembered(digest)) is None:
                known = await CHECKS.run(partial(self._check, user, password))
                self._remember(digest, accepted=known)
            return known
        finally:
            self._turn.release()

    def _digest(self, user: bytes, password: bytes) -> bytes:
        parts = user, self._hashes.get(user, b""), password
        told = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.digest(self._key, told, "sha256")

    def _remembered(self, digest: bytes) -> bool | None:
        return True if digest in self._accepted else False if digest in self._refused else None

    def _remember(self, digest: bytes, *, accepted: bool) -> None:
        if accepted:
            self._accepted.add(digest)
            return
        if len(self._refused) >= _REMEMBERED_REFUSALS:
            del self._refused[next(iter(self._refused))]
        self._refused[digest] = None

    def _check(self, user: bytes, password: bytes) -> bool:
        """Check a password; each refusal takes the time of the most expensive hash.

        So the time does not show which users exist. Each cost doubles the work: a check and one
        hash of each cost from its own to the highest add up to that time.
        """
        if user not in self._hashes:
            _spend(self._highest_cost)
            return False
        if bcrypt.checkpw(password, self._hashes[user]):
            return True
        for cost in range(self._costs[user], self._highest_cost):
            _spend(cost)
        return False


def _spend(cost: int) -> None:
    """Spend the time of a hash of this cost."""
    bcrypt.checkpw(b"", f"$2b${cost:02d}${'.' * 53}".encode())
