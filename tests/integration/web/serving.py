"""Run as a program: a server of made pages, until a signal ends it.

Arguments: the seconds that a scrape takes, the bytes of a page, and a web file if there is one.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.registry import Collector

from exporter.web.app import create_app
from exporter.web.follow import FollowedWebFile
from exporter.web.server.listeners import listen
from exporter.web.server.server import Server
from tests.integration.web.web_fixtures import EmptyRuntime


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


class SlowRuntime(EmptyRuntime):
    def __init__(self, seconds: float, page_bytes: int) -> None:
        super().__init__()
        self._seconds = seconds
        self._page_bytes = page_bytes
        self._told = False

    def metrics(
        self, *, account: str | None, exporter_only: bool, budget_seconds: float
    ) -> Collector:
        if not self._told:
            say("asked", account, exporter_only, budget_seconds)
            self._told = True
        time.sleep(self._seconds)
        registry = CollectorRegistry()
        Gauge("calltools_up", "x" * self._page_bytes, registry=registry).set(1)
        return registry


async def hang_up() -> None:
    say("hangup")
    raise ValueError("a fault")


if __name__ == "__main__":
    scrape_seconds, page_bytes, *web_files = sys.argv[1:]
    web_file = FollowedWebFile(Path(web_files[0])) if web_files else None
    server = Server(
        create_app(SlowRuntime(float(scrape_seconds), int(page_bytes)), web_file=web_file),
        listen(["127.0.0.1:0"]),
        ssl_context=web_file.ssl_context if web_file else None,
        on_hangup=hang_up,
    )
    say(server.urls[0])
    server.run()
    say("ended")
