"""The least that a client in Python does: requests on kept sockets, in threads, nothing judged."""

from __future__ import annotations

import queue
import socket
import ssl
import threading
import time
from urllib.parse import urlsplit

from benchmarks.processes import API_CORES, CLIENT_CORES, pin
from benchmarks.upstream import Upstream


def scrape(upstream: Upstream, parallel: int) -> float:
    """Ask once for each queue, on the core of who is measured; return the seconds that it took."""
    address = urlsplit(upstream.urls[0])
    context = ssl.create_default_context(cafile=str(upstream.ca_file))
    left: queue.SimpleQueue[int | None] = queue.SimpleQueue()

    def connect() -> ssl.SSLSocket:
        sock = socket.create_connection((address.hostname, address.port or 443))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return context.wrap_socket(sock, server_hostname=address.hostname)

    def ask(sock: ssl.SSLSocket) -> None:
        with sock:
            while (number := left.get()) is not None:
                path = upstream.target(number).removeprefix(upstream.urls[0])
                sock.sendall(
                    f"GET {path} HTTP/1.1\r\nHost: {address.netloc}\r\n"
                    f"Authorization: Token {upstream.keys[0]}\r\n\r\n".encode()
                )
                if not sock.recv(16 * 1024).startswith(b"HTTP/1.1 200 "):
                    raise RuntimeError(f"queue {number} was not read")

    pin(CLIENT_CORES)  # this thread, and those that it starts
    try:
        threads = [threading.Thread(target=ask, args=(connect(),)) for _ in range(parallel)]
        for thread in threads:
            thread.start()
        begun = time.monotonic()
        for number in (*range(1, upstream.queues + 1), *[None] * parallel):
            left.put(number)
        for thread in threads:
            thread.join()
        return time.monotonic() - begun
    finally:
        pin(API_CORES)
