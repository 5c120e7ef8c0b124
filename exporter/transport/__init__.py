"""HTTPS to the API: `requests` with little overhead, within a strict deadline."""

from exporter.transport.deadline import Deadline
from exporter.transport.http1 import BODY_LIMIT, SMALL_BODY_LIMIT
from exporter.transport.session import HttpAnswer, StaleConnectionError, Transport, proxy_secrets
from exporter.transport.transports import Access, Transports

__all__ = [
    "BODY_LIMIT",
    "SMALL_BODY_LIMIT",
    "Access",
    "Deadline",
    "HttpAnswer",
    "StaleConnectionError",
    "Transport",
    "Transports",
    "proxy_secrets",
]
