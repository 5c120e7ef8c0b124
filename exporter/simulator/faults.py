"""What can go wrong, by name, and for which requests it was set."""

from __future__ import annotations

import inspect
import threading
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from exporter.simulator import broken_answers as answers
from exporter.simulator import broken_wires as wires

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from exporter.simulator.messages import Answer
    from exporter.simulator.wire import Exchange

__all__ = ["FAULTS", "Fault", "Faults"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to go wrong: what makes the bytes, and the parameters that its name stands for.

    ``apply`` either returns another answer, which is then sent, or writes to the connection.
    """

    apply: Callable[..., Answer | Awaitable[None]]
    parameters: Mapping[str, object] = field(default_factory=dict)

    async def run(self, exchange: Exchange) -> None:
        """Answer one request in this way."""
        made = self.apply(exchange, **self.parameters)
        if inspect.isawaitable(made):
            await made
        else:
            exchange.connection.send(made)


FAULTS: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        "status": Fault(answers.status),
        "hang": Fault(wires.hang),
        "drip-head": Fault(wires.drip_head),
        "drip-body": Fault(wires.drip_body),
        "endless-body": Fault(wires.endless_body),
        "reset": Fault(wires.reset),
        "reset-in-head": Fault(wires.reset, {"after": "head"}),
        "reset-in-body": Fault(wires.reset, {"after": "body"}),
        "close": Fault(wires.close),
    }
)


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

    def _count(self, scope: _Scope, fault: Fault, times: int) -> None:
        if times > 0:
            self._set[scope] = fault, times
        else:
            del self._set[scope]
