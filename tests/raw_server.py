"""A server that sends what a test wants, byte for byte."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Self
from urllib.parse import parse_qs, urlsplit


class RawServer:
    """Answer each request on a socket by calling ``answer`` with the queue and the socket.

    ``answer`` writes what it likes; the connection is kept until it returns True. ``heads`` are the
    requests as they came.
    """

    def __init__(
        self, answer: Callable[[int, socket.socket], bool | None], tls: ssl.SSLContext | None = None
    ) -> None:
        self.heads: list[str] = []
        self.connections = 0
        self._answer = answer
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it is closed
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client:  # clients leave when they please
            if self._tls is None:
                self._talk(client)
            else:
                with self._tls.wrap_socket(client, server_side=True) as wrapped:
                    self._talk(wrapped)

    def _talk(self, client: socket.socket) -> None:
        ended: bool | None = False
        while not ended:
            head = b""
            while b"\r\n\r\n" not in head:
                piece = client.recv(65536)
                if not piece:
                    return
                head += piece
            self.heads.append(head.decode("latin-1"))
            ended = self._answer(self._queue(self.heads[-1]), client)

    @staticmethod
    def _queue(head: str) -> int:
        query = parse_qs(urlsplit(head.split(" ", 2)[1]).query)
        return int(query.get("queue", ["0"])[0])
