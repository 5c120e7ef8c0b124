"""The fan-out: which queues are asked, in parallel, within a budget, shared by scrapes."""

from exporter.scrape.page import Memory
from exporter.scrape.scraper import Scraper
from exporter.scrape.standing import Standing
from exporter.scrape.tally import ScrapeObserver
from exporter.scrape.workers import Workers

__all__ = ["Memory", "ScrapeObserver", "Scraper", "Standing", "Workers"]
