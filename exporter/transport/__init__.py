"""HTTPS to the API: `requests` used lean, within a deadline that nothing can stretch."""

from exporter.transport.deadline import Deadline
from exporter.transport.session import (
    BODY_LIMIT,
    HttpAnswer,
    StaleConnectionError,
    Transport,
    Transports,
)

__all__ = [
    "BODY_LIMIT",
    "Deadline",
    "HttpAnswer",
    "StaleConnectionError",
    "Transport",
    "Transports",
]
