"""Transports: one for each origin with its TLS files and proxy, shared by the accounts there.

Their files are read beside the scrape, as storage may hang: a stale network mount, a FIFO.
"""

import ssl
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, TypeVar

from exporter.errors import ApiError, Failure, TokenError
from exporter.settings import Account, Secret, TlsFiles, TokenFile
from exporter.transport.http1 import BodyMemory
from exporter.transport.tls import TlsContexts
from exporter.transport.transport import Transport

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

#: After each such time, in seconds, twice as many threads work on what is left.
_STALL = 0.2
#: The most that large answers hold together, in bytes.
_ALL_BODIES = 48 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Access:
    """What requests to an account need."""

    transport: Transport
    token: Secret


PoolKey: TypeAlias = tuple[str, TlsFiles, str | None, int]


def _pool_key(account: Account) -> PoolKey:
    return account.url, account.tls, account.proxy, account.max_parallel_requests


class Transports:
    """All transports, created when first needed and again when a TLS file has changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bodies = BodyMemory(_ALL_BODIES)
        self._files = FileAccess()
        self._contexts = TlsContexts()
        self._transports: dict[PoolKey, tuple[ssl.SSLContext, Transport]] = {}

    def get(self, account: Account) -> Transport:
        """Return the transport for an account, shared with every account of the same pool key.

        It keeps as many connections open as requests may be sent at a time.

        Raises:
            ApiError: a TLS file cannot be used; the code is `tls`.
        """
        key = _pool_key(account)
        context = self._contexts.get(account.tls)
        with self._lock:
            replaced = self._transports.get(key)
            if replaced is not None and replaced[0] is context:
                return replaced[1]
            connections = account.max_parallel_requests
            made = Transport(account.host, account.proxy, context, connections, self._bodies)
            self._transports[key] = context, made
        if replaced is not None:
            replaced[1].close()
        return made

    def open(
        self, accounts: Iterable[Account], seconds: float, in_all: float
    ) -> Iterator[tuple[Account, Access | Failure]]:
        """Yield how to reach each account once its files have been read, or why not.

        Args:
            accounts: those to reach.
            seconds: how long to wait while no file can be read; these accounts come last.
            in_all: how long all files may take together.
        """
        work: dict[Hashable, Callable[[], Access | Failure]] = {}
        same: defaultdict[Hashable, list[Account]] = defaultdict(list)
        for account in accounts:
            if not _files(account):
                yield account, self._open(account)
                continue
            # Accounts with the same files share one reading of them.
            key: Hashable = (_pool_key(account), account.token)
            work[key] = partial(self._open, account)
            same[key].append(account)
        for key, future in self._files.results(work, seconds, in_all):
            for account in same[key]:
                yield account, future.result() if future.done() else _unread(account)

    def _open(self, account: Account) -> Access | Failure:
        try:
            return Access(self.get(account), account.token.read())
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


class FileAccess:
    """Access files one after the other; one that is slow or hangs does not delay the others.

    Work that hangs keeps its thread, and is neither started nor waited for again until it ends. The
    threads are daemons: the process does not wait for them at its end.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: deque[tuple[Hashable, Callable[[], Any], Future[Any]]] = deque()
        self._in_flight: dict[Hashable, tuple[float, Future[Any]]] = {}
        self._threads = 0

    def results(
        self, work: Mapping[K, Callable[[], T]], seconds: float, in_all: float
    ) -> Iterator[tuple[K, Future[T]]]:
        """Yield each key as its work ends; work that has not ended in time comes last, not done.

        Args:
            work: by a key that is equal for the same work, now and later.
            seconds: how long to wait while nothing ends.
            in_all: how long to wait at most.
        """
        now = time.monotonic()
        awaited: dict[Future[T], K] = {}
        hanging: dict[Future[T], K] = {}
        with self._lock:
            for key, piece in work.items():
                begun, future = self._in_flight.get(key, (now, None))
                if future is None:
                    future = Future()
                    self._in_flight[key] = (now, future)
                    self._queue.append((key, piece, future))
                (awaited if now - begun < seconds else hanging)[future] = key
        self._start_threads(1)
        stalled_at = now + seconds
        while awaited and (left := min(stalled_at, now + in_all) - time.monotonic()) > 0:
            done, _ = wait(awaited, min(_STALL, left))
            for future in done:
                yield awaited.pop(future), future
            if done:
                stalled_at = time.monotonic() + seconds
            self._start_threads(max(1, self._threads))
        for future, key in (awaited | hanging).items():
            yield key, future

    def _start_threads(self, number: int) -> None:
        for _ in range(number):
            with self._lock:
                if not self._queue:
                    return
                self._threads += 1
            try:
                threading.Thread(target=self._work, name="files", daemon=True).start()
            except RuntimeError:  # no more threads are allowed
                self._work()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._threads -= 1
                    return
                key, piece, future = self._queue.popleft()
            try:
                result = piece()
            except Exception as error:  # noqa: BLE001 - raised again where the result is used
                self._forget(key)
                future.set_exception(error)
            else:
                self._forget(key)
                future.set_result(result)

    def _forget(self, key: Hashable) -> None:
        with self._lock:
            del self._in_flight[key]
