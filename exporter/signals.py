"""Signals before and after the server handles them; imported first, so it imports little."""

import os
import signal
import threading
from types import FrameType

_hung_up = False
_ignores_hangup = False


def expect_signals() -> None:
    """Make signals safe until a server handles them itself.

    SIGHUP, which would end the process, is remembered instead. SIGTERM ends it, even as the first
    process of a container, where the kernel ignores a signal without a handler. So does SIGINT, for
    which Python would show where the imports are, until `interrupt_by_errors`.
    """
    if threading.current_thread() is not threading.main_thread():
        return  # imported by another program, which has its own handlers
    global _ignores_hangup  # noqa: PLW0603
    if signal.signal(signal.SIGHUP, _remember) is signal.SIG_IGN:
        _ignores_hangup = True
    signal.signal(signal.SIGTERM, end_by)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, end_by)


def interrupt_by_errors() -> None:
    """Raise KeyboardInterrupt on SIGINT again, now that there is somebody to handle it."""
    if signal.getsignal(signal.SIGINT) is end_by:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def take_hangup() -> bool:
    """Return whether SIGHUP came since the last call."""
    global _hung_up
    hung_up, _hung_up = _hung_up, False
    return hung_up


def ignores_hangup() -> bool:
    """Return whether the process was started to outlive its terminal, as `nohup` does."""
    return _ignores_hangup


def end_by(number: int, _: FrameType | None = None) -> None:
    """End the process at once, as this signal does by default."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    # The kernel spares process 1.
    os._exit(128 + number)


def _remember(_number: int, _frame: FrameType | None) -> None:
    global _hung_up  # noqa: PLW0603
    _hung_up = True
