"""A whole installation: simulator, exporter, Prometheus, Alertmanager, and who is notified.

All times of the rules, the scrapes and the routes are those of the examples, divided by HURRY.
HURRY=1 in the environment runs the tests at full length.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import structlog
import yaml

from exporter import clock as clocks
from exporter.runtime import Runtime
from exporter.settings import Configuration
from exporter.web.app import create_app
from exporter.web.server.listeners import listen
from exporter.web.server.server import Server
from prometheus.build import REPOSITORY, rule_files
from prometheus.thresholds import Thresholds, seconds
from tests.e2e import tools
from tests.e2e.servers import Alertmanager, Prometheus
from tests.simulator import Clock

__all__ = ["HURRY", "CallCentre", "Notification", "hurried"]

HURRY = int(os.environ.get("HURRY", "15"))
_DURATION = re.compile(r"^(\d+[smhd])+$")


def hurried(value: Any) -> Any:
    """Return a configuration with every duration in it divided by HURRY, but at least 1 s."""
    if isinstance(value, dict):
        return {key: hurried(one) for key, one in value.items()}
    if isinstance(value, list):
        return [hurried(one) for one in value]
    if isinstance(value, str) and _DURATION.match(value):
        return f"{max(1, seconds(value) // HURRY)}s"
    return value


@dataclass(frozen=True)
class Notification:
    """What a receiver was told, and when (Unix time)."""

    at: float
    receiver: str
    status: str
    alerts: tuple[dict[str, Any], ...]

    @property
    def names(self) -> list[str]:
        """The alerts' names."""
        return sorted(alert["labels"]["alertname"] for alert in self.alerts)


class _Receivers:
    """Receives every notification as a webhook; the path is the receiver's name."""

    def __init__(self) -> None:
        self.notifications: list[Notification] = []
        receivers = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                name, alerts = self.path.strip("/"), tuple(body["alerts"])
                found = Notification(time.time(), name, body["status"], alerts)
                receivers.notifications.append(found)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class CallCentre:
    """The installation around one exporter; `clock` is the exporter's, for its schedules."""

    def __init__(self, configuration: Configuration, folder: Path, at: float | None = None) -> None:
        self.clock = Clock()
        if at is not None:
            self.clock.set(at)
        self._configuration = configuration
        self._folder = folder
        self._running = ExitStack()
        self.prometheus: Prometheus
        self.alertmanager: Alertmanager

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            self._receivers = _Receivers()
            starting.callback(self._receivers.stop)
            self._exporter = starting.enter_context(_serving(self._configuration, self.clock))
            self.alertmanager = Alertmanager(
                tools.require("alertmanager"), self._routes(), self._folder, ()
            )
            starting.callback(self.alertmanager.stop)
            for name, text in rule_files(Thresholds().hurried(HURRY)).items():
                (self._folder / name).write_text(text)
            self.prometheus = self._start_prometheus()
            starting.callback(self._stop_prometheus)
            self._running = starting.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._running.close()

    @property
    def notifications(self) -> list[Notification]:
        """All that anybody was told, in order."""
        return list(self._receivers.notifications)

    def to(self, receiver: str) -> list[Notification]:
        """Return what one receiver was told."""
        return [one for one in self.notifications if one.receiver == receiver]

    def wait_for(self, receiver: str, number: int) -> Notification:
        """Return a receiver's notification of this number, from 1 on, once it is there."""
        self.wait(lambda: len(self.to(receiver)) >= number, what=f"{receiver} to be told {number}")
        return self.to(receiver)[number - 1]

    def wait(self, ask: Callable[[], bool], what: str, full_length: float = 900) -> None:
        """Ask until it is so; `full_length` are seconds before they are hurried."""
        self.prometheus.wait(ask, what=what, within=60 + full_length / HURRY)

    def pass_time(self, full_length: float) -> None:
        """Wait until Prometheus has evaluated the rules for so many seconds, then hurried."""
        evaluation = seconds(Thresholds().evaluation)
        since = time.time()
        series = "account_queue:calltools_queue_state"
        wanted = int(full_length / evaluation)
        self.wait(
            lambda: any(
                sum(at > since for at, _ in one.points) >= wanted
                for one in self.prometheus.query_range(
                    series, since, time.time(), evaluation / HURRY
                )
            ),
            what=f"{wanted} evaluations",
            full_length=full_length,
        )

    def restart_prometheus(self) -> None:
        """End Prometheus and start it again on the same store."""
        self._stop_prometheus()
        self.prometheus = self._start_prometheus()

    def fired(self, alerts: str) -> set[str]:
        """Return which alerts with such a name have fired so far."""
        query = f'count by (alertname) (count_over_time(ALERTS{{alertname=~"{alerts}"}}[1d]))'
        return {one.labels["alertname"] for one in self.prometheus.query(query)}

    def _stop_prometheus(self) -> None:
        self.prometheus.stop()

    def _start_prometheus(self) -> Prometheus:
        example = yaml.safe_load((REPOSITORY / "prometheus/prometheus.yml").read_text())
        made = hurried(example)
        made["global"]["scrape_timeout"] = made["global"]["scrape_interval"]
        made["rule_files"] = [file.removeprefix("rules/") for file in made["rule_files"]]
        (scrape,) = made["scrape_configs"]
        scrape["static_configs"] = [{"targets": [self._exporter.urls[0].split("/")[2]]}]
        (receiver,) = made["alerting"]["alertmanagers"]
        receiver["static_configs"] = [{"targets": [f"127.0.0.1:{self.alertmanager.port}"]}]
        resend = f"--rules.alert.resend-delay={max(1, 60 // HURRY)}s"
        return Prometheus(tools.require("prometheus"), made, self._folder, (resend,))

    def _routes(self) -> dict[str, Any]:
        example = yaml.safe_load((REPOSITORY / "prometheus/alertmanager.yml").read_text())
        made: dict[str, Any] = hurried(example)
        for receiver in made["receivers"]:
            for webhook in receiver.get("webhook_configs", ()):
                webhook["url"] = f"{self._receivers.url}/{receiver['name']}"
        return made


@contextlib.contextmanager
def _serving(configuration: Configuration, clock: Clock) -> Iterator[Server]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    runtime = Runtime(configuration, clock=clocks.Clock(clock))
    server = Server(create_app(runtime), listen(["127.0.0.1:0"]))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    assert server.serving.wait(20)
    try:
        yield server
    finally:
        server.stop()
        thread.join(20)
        structlog.reset_defaults()
