"""Transports: one for each origin with its TLS files and proxy, shared by the accounts there."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from exporter.errors import ApiError, Failure, TokenError
from exporter.settings import Account, Secret, TlsFiles, TokenFile
from exporter.transport.body import BodyMemory
from exporter.transport.file_access import FileAccess
from exporter.transport.session import Transport
from exporter.transport.tls import TlsContexts

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
        self._contexts = TlsContexts()
        self._transports: dict[PoolKey, tuple[tuple[object, ...], Transport]] = {}

    def get(self, account: Account, connections: int) -> Transport:
        """Return the transport for an account, shared with every account of the same pool key.

        Args:
            account: names origin, TLS files and proxy.
            connections: how many are kept open at most.

        Raises:
            ApiError: a TLS file cannot be used; the code is `tls`.
        """
        key = _pool_key(account)
        context = self._contexts.get(account.tls)
        with self._lock:
            replaced = self._transports.get(key)
            if replaced is not None and replaced[0] == (connections, context):
                return replaced[1]
            made = Transport(account.host, account.proxy, context, connections, self._bodies)
            self._transports[key] = ((connections, context), made)
        if replaced is not None:
            replaced[1].close()
        return made

    def open(
        self, accounts: Iterable[tuple[Account, int]], seconds: float, in_all: float
    ) -> Iterator[tuple[Account, Access | Failure]]:
        """Yield how to reach each account once its files have been read, or why not.

        Args:
            accounts: each with the number of connections that are kept open at most.
            seconds: how long to wait while no file can be read; these accounts come last.
            in_all: how long all files may take together.
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
        for key, future in self._files.results(work, seconds, in_all):
            for account in same[key]:
                yield account, future.result() if future.done() else _unread(account)

    def _open(self, account: Account, connections: int) -> Access | Failure:
        try:
            return Access(self.get(account, connections), account.token.read())
        except TokenError as error:
            return Failure("token", str(error))
        except ApiError as error:
            return error.failure

    def retain(self, accounts: Iterable[Account]) -> None:
        """Close the connections of all other origins, TLS files and proxies.

        Files that hang are tried again: they may have been replaced.
        """
        accounts = list(accounts)
        self._files = FileAccess()
        keys = {_pool_key(account) for account in accounts}
        self._contexts.retain(account.tls for account in accounts)
        with self._lock:
            gone = [self._transports.pop(key)[1] for key in self._transports.keys() - keys]
        for transport in gone:
            transport.close()

    def close(self) -> None:
        """Close idle connections. Requests in flight keep theirs."""
        with self._lock:
            for _, transport in self._transports.values():
                transport.close()
            self._transports.clear()


def _files(account: Account) -> list[str]:
    token = [account.token.describe()] if isinstance(account.token, TokenFile) else []
    return token + [f"{key} {path}" for key, path in account.tls.files.items()]


def _unread(account: Account) -> Failure:
    reasons = "its storage does not answer, or this machine is overloaded"
    return Failure("token", f"{' or '.join(_files(account))} could not be read in time: {reasons}")
