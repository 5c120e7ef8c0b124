"""`serve`: wire the parts together and answer Prometheus until told to stop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from exporter import __version__
from exporter.commands import exits
from exporter.runtime import Runtime
from exporter.web.app import create_app
from exporter.web.listen import listen
from exporter.web.server import Server

if TYPE_CHECKING:
    from exporter.settings import Configuration

__all__ = ["ServeOptions", "make_server", "serve"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """How to serve; the times are in seconds."""

    listen_addresses: tuple[str, ...]
    max_requests: int
    timeout_offset_seconds: float


def make_server(runtime: Runtime, options: ServeOptions) -> Server:
    """Listen, and return what serves a runtime's pages there.

    Raises:
        ExporterError: an address cannot be listened on.
    """
    app = create_app(
        runtime,
        max_requests=options.max_requests,
        timeout_offset=options.timeout_offset_seconds,
    )
    return Server(app, listen(options.listen_addresses))


def serve(configuration: Configuration, options: ServeOptions, max_parallel_requests: int) -> int:
    """Serve until a signal comes."""
    runtime = Runtime(configuration, max_parallel_requests=max_parallel_requests)
    server = make_server(runtime, options)
    log.info(
        "calltools-exporter listens",
        version=__version__,
        addresses=" ".join(server.urls),
        accounts=len(configuration.accounts),
        queues=sum(len(account.queues) for account in configuration.accounts),
    )
    for account in configuration.accounts:
        if account.tls.insecure_skip_verify:
            log.warning("certificate is not checked", account=account.name, host=account.host)
    server.run()
    log.info("calltools-exporter stopped")
    return exits.OK
