"""Exporter and API: requests to CallTools, its answers, and the state of the exporter."""

from __future__ import annotations

from grafana.exporter_and_api.api import api
from grafana.exporter_and_api.process import exporter
from grafana.exporter_and_api.series import (
    ACCOUNT,
    BY_HOST,
    LIMITS,
    NO_EXPORTER,
    SHARE_OF_TIME,
    UID,
    UP,
    ratio,
)
from grafana.frame import Dashboard, dashboard
from grafana.panels import Panels, bars, count
from grafana.rows import rows
from grafana.words import BAD, GOOD, UNKNOWN, WARNING, reasons, steps, words

__all__ = ["UID", "exporter_and_api"]


def exporter_and_api() -> Dashboard:
    """Return the dashboard."""
    return dashboard(
        UID,
        "CallTools / Exporter and API",
        "Requests to the CallTools API and its answers, by account and silo, and the state of the"
        " exporter itself.",
        (
            (None, _first()),
            ("Accounts that fail or back off", _accounts()),
            ("The API", api()),
            ("The exporter", exporter()),
        ),
        since="now-6h",
        queues=False,
    )


def _first() -> Panels:
    return (
        count(
            "Exporters",
            "Exporters that Prometheus scrapes, by their build information.",
            "count(calltools_exporter_build_info)",
            empty=NO_EXPORTER,
            levels=steps(BAD, (1, GOOD)),
        ),
        count(
            "Accounts answered",
            "Accounts with at least one valid answer from the API in the last scrape.",
            f"sum({UP})",
            empty=NO_EXPORTER,
        ),
        count(
            "Accounts failing",
            "Accounts without a valid answer in the last scrape: the state of their queues is not"
            " known.",
            f"sum({UP} == bool 0)",
            levels=steps(GOOD, (1, UNKNOWN)),
            empty=NO_EXPORTER,
        ),
        count(
            "Errors",
            "Share of requests that failed, over 15 min; those that verify filters or read lists"
            " count only as requests. CallToolsApiErrors fires above 10 % for an account.",
            f"sum(rate(calltools_api_errors_total{ACCOUNT}[{LIMITS.errors_window}]))\n/\n"
            f"(sum(rate(calltools_api_requests_total{ACCOUNT}[{LIMITS.errors_window}])) > 0)",
            unit="percentunit",
            decimals=1,
            levels=steps(GOOD, (LIMITS.errors_ratio / 2, WARNING), (LIMITS.errors_ratio, BAD)),
            empty="no requests",
        ),
        count(
            "Budget used",
            "Share of its time budget that the last scrape used. At 100 %, outstanding queues are"
            " left out of the scrape, and are not known.",
            f"max({SHARE_OF_TIME})",
            unit="percentunit",
            decimals=0,
            levels=steps(GOOD, (LIMITS.slow_share, WARNING), (0.95, BAD)),
            empty=NO_EXPORTER,
        ),
        count(
            "Configuration",
            "Whether the last reload of the configuration succeeded. If it was refused, the"
            " previous one stays in use, but the next restart would fail.",
            "min(calltools_exporter_config_last_reload_successful)",
            unit="none",
            levels=steps(BAD, (1, GOOD)),
            mappings=words({"1": ("accepted", GOOD), "0": ("refused", BAD)}),
            empty=NO_EXPORTER,
        ),
    )


def _accounts() -> Panels:
    return (
        rows(
            "Why accounts fail",
            "Failures of an account as a whole: its key, its filters, its lists. An account with"
            " only a failing queue is not listed; Operations shows the queue.",
            (
                f"max by (account, code) (calltools_account_failure{ACCOUNT})\n{BY_HOST}",
                f"{UP}\nand on (account) calltools_account_failure{ACCOUNT}",
            ),
            {"account": "Account", "host": "Silo", "code": "Reason", "Value #B": "Queues"},
            empty="No account fails as a whole (if an exporter is scraped)",
            width=12,
            height=8,
            overrides={
                "Reason": {"cell": {"type": "color-text"}, "mappings": reasons()},
                "Queues": {
                    "mappings": words({"0": ("none read", UNKNOWN), "1": ("some read", WARNING)}),
                    "cell": {"type": "color-text"},
                    "noValue": "-",
                },
            },
        ),
        rows(
            "Backing off",
            "Accounts that the exporter backs off from, as the API asked (429 with Retry-After),"
            " and the remaining time. Until then, their queues are not read, and not known.",
            (
                (
                    "max by (account) (calltools_api_hold_until_timestamp_seconds"
                    f"{ACCOUNT}) - time() > 0"
                ),
            ),
            {"account": "Account", "Value": "Remaining"},
            empty="No back-off (if an exporter is scraped)",
            width=6,
            height=8,
            overrides={"Remaining": {"unit": "s", "decimals": 0}},
        ),
        bars(
            "Errors by account",
            "Share of requests that failed over 15 min, worst 10 accounts. The alert fires above"
            " 10 %.",
            "sort_desc(topk(10,\n"
            + ratio(
                "account",
                f"rate(calltools_api_errors_total{ACCOUNT}[{LIMITS.errors_window}])",
                f"rate(calltools_api_requests_total{ACCOUNT}[{LIMITS.errors_window}])",
            )
            + "\n))",
            "{{account}}",
            unit="percentunit",
            empty="no requests",
            width=6,
            height=8,
            levels=steps(GOOD, (LIMITS.errors_ratio / 2, WARNING), (LIMITS.errors_ratio, BAD)),
            highest=1,
        ),
    )
