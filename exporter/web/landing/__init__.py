"""The landing page: every queue as the last scrapes left it, worst first."""

from exporter.web.landing.page import HEADERS, render

__all__ = ["HEADERS", "render"]
