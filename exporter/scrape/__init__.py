"""The fan-out: asking for queues in parallel, within a budget, shared by scrapes."""

from exporter.scrape.catalog import Catalog, queue_labels
from exporter.scrape.jobs import ScrapeObserver
from exporter.scrape.scraper import Scraper
from exporter.scrape.state import AccountState
from exporter.scrape.workers import HostBoundedPool

__all__ = [
    "AccountState",
    "Catalog",
    "HostBoundedPool",
    "ScrapeObserver",
    "Scraper",
    "queue_labels",
]
