"""`demo`: a simulated CallTools account and the exporter on it, with nothing to configure."""

from __future__ import annotations

import threading

from exporter.cli import exits
from exporter.cli.serve import ServeOptions, make_server
from exporter.cli.terminal import complain
from exporter.errors import ExporterError
from exporter.runtime import Runtime
from exporter.settings import Account, Configuration, Queue, Secret, TokenValue
from exporter.simulator import AVAILABLE, DEMO_QUEUES, TOKEN, demo_simulator

_WORDS = """\
A simulated CallTools account and an exporter for it, scraped every {seconds} s:
  sales, support  are staffed
  retention       is empty now and then
  billing         cannot be read: the API answers 503
Open {urls} in a browser. Prometheus can scrape /metrics there. Press Ctrl-C to stop."""
_SCRAPE_INTERVAL_SECONDS = 5


def demo(options: ServeOptions) -> int:
    """Serve a simulated account until a signal comes."""
    with demo_simulator() as simulator:
        queues = tuple(Queue(id_, name, (AVAILABLE,)) for id_, name in DEMO_QUEUES.items())
        token = TokenValue(Secret(TOKEN), "the simulator's key")
        account = Account("demo", simulator.url, token, queues)
        runtime = Runtime(Configuration((account,)))
        try:
            server = make_server(runtime, options)
        except ExporterError as error:
            other = "choose another with --web.listen-address=127.0.0.1:15458"
            raise ExporterError(f"{error}; {other}") from None
        urls = " or ".join(server.urls)
        complain(_WORDS.format(urls=urls, seconds=_SCRAPE_INTERVAL_SECONDS))
        ended = threading.Event()
        prometheus = threading.Thread(target=_stand_in_for_prometheus, args=(runtime, ended))
        prometheus.start()
        try:
            server.run()
        finally:
            ended.set()
            prometheus.join()
    return exits.OK


def _stand_in_for_prometheus(runtime: Runtime, ended: threading.Event) -> None:
    """Scrape regularly, so that the landing page has something to show."""
    seconds = _SCRAPE_INTERVAL_SECONDS
    while not ended.is_set():
        runtime.metrics(account=None, exporter_only=False, budget_seconds=seconds)
        ended.wait(seconds)
