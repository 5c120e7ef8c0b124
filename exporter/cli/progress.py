"""Say on a terminal that a command waits, and for what."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator

__all__ = ["progress"]


@contextlib.contextmanager
def progress(doing: Callable[[], str]) -> Iterator[None]:
    """Show what is being done and for how long; show nothing where nobody looks on."""
    if not sys.stderr.isatty():
        yield
        return
    done = threading.Event()

    def show() -> None:
        begun = time.monotonic()
        while not done.wait(0.2):
            print(f"\r{doing()} … {time.monotonic() - begun:.0f} s", end="", file=sys.stderr)
            sys.stderr.flush()

    thread = threading.Thread(target=show, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
