"""State notifications for systemd, for a service with ``Type=notify``; see sd_notify(3)."""

import contextlib
import os
import socket
import time

READY = "READY=1"
STOPPING = "STOPPING=1"
#: systemd reads at once; without a limit, a socket whose queue is full would block for good.
_PATIENCE_SECONDS = 0.5


def notify(*states: str) -> None:
    """Send states to the socket of systemd; do nothing without one.

    A socket that is closed, or whose reader hangs, is no reason to stop serving, or not to end.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.settimeout(_PATIENCE_SECONDS)
        sender.sendto("\n".join(states).encode(), address)


def reloading() -> tuple[str, str]:
    """Return the states of a reload that begins now; `READY` ends it."""
    return "RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}"
