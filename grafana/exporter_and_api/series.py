"""Expressions that panels of Exporter and API share."""

from __future__ import annotations

from typing import Final

from prometheus.thresholds import Thresholds

__all__ = [
    "ACCOUNT",
    "ANSWERED",
    "BUCKETS",
    "BY_HOST",
    "ERRORS",
    "HOST",
    "LIMITS",
    "NO_EXPORTER",
    "RATE",
    "REQUESTS",
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
#: One host for each account, also while an account moves or two installations have one of its name;
#: the exporter's own, also if a target has a label `host`.
HOST: Final = (
    f"topk by (account) (1, label_replace(calltools_account_info{ACCOUNT},"
    ' "host", "$1", "exported_host", "(.+)"))'
)
BY_HOST: Final = f"* on (account) group_left (host) {HOST}"
ERRORS: Final = f"rate(calltools_api_errors_total{ACCOUNT}{RATE})"
REQUESTS: Final = f"rate(calltools_api_requests_total{ACCOUNT}{RATE})"
BUCKETS: Final = f"rate(calltools_api_request_duration_seconds_bucket{ACCOUNT}{RATE})"
SHARE_OF_TIME: Final = "calltools_scrape_duration_seconds / calltools_scrape_budget_seconds"
NO_EXPORTER: Final = "no exporter"


#: The share of scrapes in which each account got a valid answer, as the best exporter has it.
ANSWERED: Final = f"max by (account) (avg_over_time(calltools_up{ACCOUNT}[{LIMITS.silo_window}]))"


def ratio(by: str, errors: str = ERRORS, requests: str = REQUESTS) -> str:
    """Return the share of requests that failed, by labels; no series without requests."""
    return f"sum by ({by}) ({errors})\n/\n(sum by ({by}) ({requests}) > 0)"
