"""Exporter and API: what is asked of CallTools, how it answers, and how the exporter does."""

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
        "What the exporter asks of the CallTools API, how that answers, by account and silo, and"
        " how the exporter itself does.",
        (
            (None, _first()),
            ("Accounts that fail or are told to wait", _accounts()),
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
            "Accounts to which the API gave at least one right answer in the last scrape.",
            f"sum({UP})",
            empty=NO_EXPORTER,
        ),
        count(
            "Accounts failing",
            "Accounts without one right answer in the last scrape: nothing is known of any of"
            " their queues.",
            f"sum({UP} == bool 0)",
            levels=steps(GOOD, (1, UNKNOWN)),
            empty=NO_EXPORTER,
        ),
        count(
            "Errors",
            "Failed requests of all, over 15 min as in the alert CallToolsApiErrors, which fires"
            " above 10 % for an account.",
            f"sum(rate(calltools_api_errors_total{ACCOUNT}[{LIMITS.errors_window}]))\n/\n"
            f"(sum(rate(calltools_api_requests_total{ACCOUNT}[{LIMITS.errors_window}])) > 0)",
            unit="percentunit",
            decimals=1,
            levels=steps(GOOD, (LIMITS.errors_ratio / 2, WARNING), (LIMITS.errors_ratio, BAD)),
            empty="nothing asked",
        ),
        count(
            "Budget used",
            "How much of its time the last scrape took. At 100 % the page goes without what is"
            " outstanding, and those queues are unknown.",
            f"max({SHARE_OF_TIME})",
            unit="percentunit",
            decimals=0,
            levels=steps(GOOD, (LIMITS.slow_share, WARNING), (0.95, BAD)),
            empty=NO_EXPORTER,
        ),
        count(
            "Configuration",
            "Whether the configuration was accepted when it was last read. A refused one leaves"
            " the one before in force, but the next restart would fail.",
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
            "What concerns an account as a whole: its key, its filters, its lists. With a single"
            " bad queue the account is not in this list; Operations names the queue.",
            (
                f"max by (account, code) (calltools_account_failure{ACCOUNT})\n{BY_HOST}",
                f"{UP}\nand on (account) calltools_account_failure{ACCOUNT}",
            ),
            {"account": "Account", "host": "Silo", "code": "Reason", "Value #B": "Queues"},
            empty="No account fails as a whole",
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
            "Told to wait",
            "Accounts that the API has told to come back later (429 with Retry-After), and how"
            " long it is still to go. Their queues are not asked, and unknown, until then.",
            (
                (
                    "max by (account) (calltools_api_hold_until_timestamp_seconds"
                    f"{ACCOUNT}) - time() > 0"
                ),
            ),
            {"account": "Account", "Value": "Still to wait"},
            empty="No account is told to wait",
            width=6,
            height=8,
            overrides={"Still to wait": {"unit": "s", "decimals": 0}},
        ),
        bars(
            "Errors by account",
            "Failed requests of all over 15 min, the ten worst accounts. The alert fires at 10 %.",
            "sort_desc(topk(10,\n"
            + ratio(
                "account",
                f"rate(calltools_api_errors_total{ACCOUNT}[{LIMITS.errors_window}])",
                f"rate(calltools_api_requests_total{ACCOUNT}[{LIMITS.errors_window}])",
            )
            + "\n))",
            "{{account}}",
            unit="percentunit",
            empty="nothing asked",
            width=6,
            height=8,
            levels=steps(GOOD, (LIMITS.errors_ratio / 2, WARNING), (LIMITS.errors_ratio, BAD)),
            highest=1,
        ),
    )
