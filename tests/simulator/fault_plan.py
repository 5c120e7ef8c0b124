"""Which faults are set, and for which requests."""

from __future__ import annotations

import inspect
import threading
from dataclasses import dataclass

from exporter.simulator.server import Fault
from tests.simulator.broken_wires import silent
from tests.simulator.faults import FAULTS, NamedFault


@dataclass(frozen=True, slots=True)
class _Scope:
    account: str | None
    path: str | None
    queue: int | None

    def holds(self, account: str | None, path: str, queue: str | None) -> bool:
        return (
            self.account in {None, account}
            and self.path in {None, path}
            and (self.queue is None or str(self.queue) == queue)
        )


class FaultPlan:
    """The faults that are set now; may be set from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._set: dict[_Scope, tuple[NamedFault, int | None]] = {}

    def set(
        self,
        name: str,
        *,
        account: str | None = None,
        path: str | None = None,
        queue: int | None = None,
        times: int | None = None,
        **parameters: object,
    ) -> None:
        """Let a fault befall the requests of an account, a path, a queue, or all of them.

        Of several that fit a request the last one set is taken; setting one again for the same
        requests takes the place of the former. ``times`` is how many requests it lasts for.

        Raises:
            KeyError: there is no fault of that name.
            TypeError: the fault has no such parameter.
        """
        named = FAULTS[name]
        fault = NamedFault(named.apply, {**named.parameters, **parameters})
        inspect.signature(fault.apply).bind(None, **fault.parameters)
        scope = _Scope(account, path, queue)
        with self._lock:
            self._set.pop(scope, None)
            self._set[scope] = fault, times

    def clear(self) -> None:
        """Let all be well again."""
        with self._lock:
            self._set.clear()

    def take(self, account: str | None, path: str, queue: str | None) -> Fault | None:
        """Return the fault for one request, which uses up one of its times."""
        if not self._set:
            return None
        with self._lock:
            for scope in reversed(self._set):
                if scope.holds(account, path, queue):
                    return self._use(scope).run
        return None

    def take_silence(self) -> bool:
        """Return whether a connection just accepted is left silent, which uses up a time."""
        everything = _Scope(None, None, None)
        with self._lock:
            fault, _ = self._set.get(everything, (None, None))
            if fault is None or fault.apply is not silent:
                return False
            self._use(everything)
        return True

    def _use(self, scope: _Scope) -> NamedFault:
        fault, times = self._set[scope]
        if times == 1:
            del self._set[scope]
        elif times is not None:
            self._set[scope] = fault, times - 1
        return fault
