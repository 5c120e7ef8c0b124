"""The landing page: every queue with its last result, worst first."""

from exporter.web.landing.page import HEADERS, render

__all__ = ["HEADERS", "render"]
