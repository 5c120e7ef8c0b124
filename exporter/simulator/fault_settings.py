"""Which faults are set, and for which requests."""

from __future__ import annotations

import inspect
import threading
from dataclasses import dataclass

from exporter.simulator.broken_wires import silent
from exporter.simulator.faults import FAULTS, Fault

__all__ = ["Faults"]


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


class Faults:
    """The faults that are set now; may be set from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._set: dict[_Scope, tuple[Fault, int | None]] = {}

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
        fault = Fault(named.apply, {**named.parameters, **parameters})
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
            for scope, (fault, times) in reversed(self._set.items()):
                if scope.holds(account, path, queue):
                    if times is not None:
                        self._count(scope, fault, times - 1)
                    return fault
        return None

    def silences(self) -> bool:
        """Tell whether a connection that was just accepted is to be left without a word."""
        fault, _ = self._set.get(_Scope(None, None, None), (None, None))
        return fault is not None and fault.apply is silent

    def _count(self, scope: _Scope, fault: Fault, times: int) -> None:
        if times > 0:
            self._set[scope] = fault, times
        else:
            del self._set[scope]
