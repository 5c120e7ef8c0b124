"""A list without an end costs its own queue a number, and nothing for longer than its page."""

from __future__ import annotations

import itertools
import json
import socket
import threading
from collections.abc import Callable

import pytest

from exporter.runtime import Runtime
from exporter.settings import Account, Queue, TokenEnvironment
from tests.raw_server import RawServer

numbers = itertools.count()


def new_rows(queue: int, client: socket.socket) -> None:
    """Answer for a queue with agents whom nobody has seen; of all else there is nothing."""
    if not queue:
        client.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        return
    rows = [{"app_user": str(next(numbers)), "ready": True, "agent_status": 1} for _ in range(250)]
    body = json.dumps(rows).encode()
    threading.Event().wait(0.01)
    client.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)


@pytest.mark.parametrize("timeout", [None, 5.0], ids=["the budget's time", "its own time"])
def test_no_page_of_it_is_asked_for_once_the_budget_is_over(
    make_runtime: Callable[..., Runtime], monkeypatch: pytest.MonkeyPatch, timeout: float | None
) -> None:
    monkeypatch.setenv("TEST_TOKEN", "a-key")
    with RawServer(new_rows) as server:
        queues = (Queue(5457, "sales", (1,)),)
        account = Account(
            "acme",
            server.url,
            TokenEnvironment("TEST_TOKEN"),
            queues,
            detail="agents",
            timeout=timeout,
        )
        runtime = make_runtime(account)
        failure = runtime.snapshot([account], 0.5).queues[0].result.failure
        assert failure is not None
        assert failure.code == "timeout"
        asked = 0
        while asked < len(server.heads):
            asked = len(server.heads)
            assert asked < 400
            threading.Event().wait(0.5)
