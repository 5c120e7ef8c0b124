"""Transports: one for each origin with its TLS files and proxy, shared by the accounts there."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from exporter.errors import ApiError, Failure, TokenError
from exporter.files import Watched
from exporter.settings import Account, Secret, TlsFiles, TokenFile
from exporter.transport.body import BodyMemory
from exporter.transport.file_access import FileAccess
from exporter.transport.session import Transport

#: The most that large answers hold together, in bytes.
_ALL_BODIES = 48 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Access:
    """What requests to an account need."""

    transport: Transport
    token: Secret


PoolKey: TypeAlias = "tuple[str, TlsFiles, str | None]"


def _pool_key(account: Account) -> PoolKey:
    return account.url, account.tls, account.proxy


class Transports:
    """All transports, created when first needed and again when a TLS file has changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bodies = BodyMemory(_ALL_BODIES)
        self._files = FileAccess()
        self._transports: dict[PoolKey, tuple[int, Watched[Transport]]] = {}

    def get(self, account: Account, connections: int) -> Transport:
        """Return the transport for an account, shared with every account of the same pool key.

        Args:
            account: names origin, TLS files and proxy.
            connections: how many are kept open at most.

        Raises:
            ApiError: a TLS file cannot be used; the code is `tls`.
        """
        key = _pool_key(account)
        with self._lock:
            known = self._transports.get(key)
        if known is not None and known[0] == connections and not known[1].has_changed():
            return known[1].value
        # Outside the lock, as reading files may take long, and only this account waits for them.
        made = Watched(
            lambda: Transport(account.host, account.tls, account.proxy, connections, self._bodies),
            lambda _: account.tls.files.values(),
            account.tls.files.values(),
        )
        with self._lock:
            replaced = self._transports.get(key)
            self._transports[key] = (connections, made)
        if replaced is not None:
            replaced[1].value.close()
        return made.value

    def open(
        self, accounts: Iterable[tuple[Account, int]], seconds: float
    ) -> Iterator[tuple[Account, Access | Failure]]:
        """Yield how to reach each account once its files have been read, or why not.

        Args:
            accounts: each with the number of connections that are kept open at most.
            seconds: how long files may take; an account whose files hang comes last.
        """
        work: dict[Hashable, Callable[[], Access | Failure]] = {}
        same: defaultdict[Hashable, list[Account]] = defaultdict(list)
        for account, connections in accounts:
            if not _files(account):
                yield account, self._open(account, connections)
                continue
            # Accounts with the same files share one reading of them.
            key: Hashable = (_pool_key(account), account.token)
            work[key] = partial(self._open, account, connections)
            same[key].append(account)
        for key, future in self._files.results(work, seconds):
            for account in same[key]:
                yield account, future.result() if future.done() else _hangs(account)

    def _open(self, account: Account, connections: int) -> Access | Failure:
        try:
            return Access(self.get(account, connections), account.token.read())
        except TokenError as error:
            return Failure("token", str(error))
        except ApiError as error:
            return error.failure

    def retain(self, accounts: Iterable[Account]) -> None:
        """Close the connections of all other origins, TLS files and proxies."""
        keys = {_pool_key(account) for account in accounts}
        with self._lock:
            gone = [self._transports.pop(key)[1] for key in self._transports.keys() - keys]
        for transport in gone:
            transport.value.close()

    def close(self) -> None:
        """Close idle connections. Requests in flight keep theirs."""
        with self._lock:
            for _, transport in self._transports.values():
                transport.value.close()
            self._transports.clear()


def _files(account: Account) -> list[str]:
    token = [account.token.describe()] if isinstance(account.token, TokenFile) else []
    return token + [f"{key} {path}" for key, path in account.tls.files.items()]


def _hangs(account: Account) -> Failure:
    names = " or ".join(_files(account))
    return Failure("token", f"{names} cannot be read: the storage does not answer")
