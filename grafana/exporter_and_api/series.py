"""Expressions that panels of Exporter and API share."""

from __future__ import annotations

from typing import Final

from prometheus.thresholds import Thresholds

__all__ = [
    "ACCOUNT",
    "BUCKETS",
    "BY_HOST",
    "ERRORS",
    "ERRORS_BY_HOST",
    "HOST",
    "LIMITS",
    "NO_EXPORTER",
    "RATE",
    "REQUESTS",
    "REQUESTS_BY_HOST",
    "SHARE_OF_TIME",
    "UID",
    "UP",
    "ratio",
]

UID: Final = "calltools-exporter"

LIMITS: Final = Thresholds()
ACCOUNT: Final = '{account=~"$account"}'
RATE: Final = "[$__rate_interval]"
UP: Final = "max by (account) (calltools_up" + ACCOUNT + ")"
HOST: Final = "group by (account, host) (calltools_account_info" + ACCOUNT + ")"
BY_HOST: Final = f"* on (account) group_left (host) {HOST}"
ERRORS: Final = f"rate(calltools_api_errors_total{ACCOUNT}{RATE})"
REQUESTS: Final = f"rate(calltools_api_requests_total{ACCOUNT}{RATE})"
BUCKETS: Final = f"rate(calltools_api_request_duration_seconds_bucket{ACCOUNT}{RATE})"
SHARE_OF_TIME: Final = "calltools_scrape_duration_seconds / calltools_scrape_budget_seconds"
NO_EXPORTER: Final = "no exporter"


#: Requests and errors by account, with the host of each account's silo.
ERRORS_BY_HOST: Final = f"sum by (account) ({ERRORS}) {BY_HOST}"
REQUESTS_BY_HOST: Final = f"sum by (account) ({REQUESTS}) {BY_HOST}"


def ratio(by: str, errors: str = ERRORS, requests: str = REQUESTS) -> str:
    """Return the share of requests that failed, by labels; no series without requests."""
    return f"sum by ({by}) ({errors})\n/\n(sum by ({by}) ({requests}) > 0)"
