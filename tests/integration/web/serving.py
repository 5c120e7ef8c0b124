"""Run as a program: a server whose pages take as long as it is told, until a signal ends it."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge

from exporter.web.app import create_app
from exporter.web.listen import listen
from exporter.web.server import Server

if TYPE_CHECKING:
    from prometheus_client.registry import Collector


def say(*words: object) -> None:
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


class SlowPages:
    def metrics(
        self, *, account: str | None, exporter_only: bool, budget_seconds: float
    ) -> Collector:
        say("asked", account, exporter_only, budget_seconds)
        time.sleep(float(sys.argv[1]))
        registry = CollectorRegistry()
        Gauge("calltools_up", "Made", registry=registry).set(1)
        return registry

    def is_ready(self) -> bool:
        return True


def hang_up() -> None:
    say("hangup")
    raise ValueError("a fault")


if __name__ == "__main__":
    server = Server(create_app(SlowPages()), listen(["127.0.0.1:0"]), on_hangup=hang_up)
    say(server.urls[0])
    server.run()
    say("ended")
