"""Prometheus exporter for the agents available in CallTools queues."""

__version__ = "0.2.0"
