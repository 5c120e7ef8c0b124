"""Exporter and API: what is asked of CallTools, how it answers, and how the exporter does."""

from __future__ import annotations

from typing import Final

from grafana.frame import Dashboard, dashboard
from grafana.panels import Panels, bars, count, graph, query, rows
from grafana.words import ACTIVITY, BAD, GOOD, UNKNOWN, WARNING, reasons, steps, words
from prometheus.thresholds import Thresholds

__all__ = ["UID", "exporter_and_api"]

UID: Final = "calltools-exporter"

_LIMITS: Final = Thresholds()
_ACCOUNT: Final = '{account=~"$account"}'
_RATE: Final = "[$__rate_interval]"
_UP: Final = "max by (account) (calltools_up" + _ACCOUNT + ")"
_HOST: Final = "group by (account, host) (calltools_account_info" + _ACCOUNT + ")"
_BY_HOST: Final = f"* on (account) group_left (host) {_HOST}"
_ERRORS: Final = f"rate(calltools_api_errors_total{_ACCOUNT}{_RATE})"
_REQUESTS: Final = f"rate(calltools_api_requests_total{_ACCOUNT}{_RATE})"
_BUCKETS: Final = f"rate(calltools_api_request_duration_seconds_bucket{_ACCOUNT}{_RATE})"
_SHARE_OF_TIME: Final = "calltools_scrape_duration_seconds / calltools_scrape_budget_seconds"
_NO_EXPORTER: Final = "no exporter"


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
            ("The API", _api()),
            ("The exporter", _exporter()),
        ),
        since="now-6h",
        queues=False,
    )


def _ratio(by: str, errors: str = _ERRORS, requests: str = _REQUESTS) -> str:
    return f"sum by ({by}) ({errors})\n/\n(sum by ({by}) ({requests}) > 0)"


def _first() -> Panels:
    return (
        count(
            "Exporters",
            "Exporters that Prometheus scrapes, by their build information.",
            "count(calltools_exporter_build_info)",
            empty=_NO_EXPORTER,
            levels=steps(BAD, (1, GOOD)),
        ),
        count(
            "Accounts answered",
            "Accounts to which the API gave at least one right answer in the last scrape.",
            f"sum({_UP})",
            empty=_NO_EXPORTER,
        ),
        count(
            "Accounts failing",
            "Accounts without one right answer in the last scrape: nothing is known of any of"
            " their queues.",
            f"sum({_UP} == bool 0)",
            levels=steps(GOOD, (1, UNKNOWN)),
            empty=_NO_EXPORTER,
        ),
        count(
            "Errors",
            "Failed requests of all, over 15 min as in the alert CallToolsApiErrors, which fires"
            " above 10 % for an account.",
            f"sum(rate(calltools_api_errors_total{_ACCOUNT}[{_LIMITS.errors_window}]))\n/\n"
            f"(sum(rate(calltools_api_requests_total{_ACCOUNT}[{_LIMITS.errors_window}])) > 0)",
            unit="percentunit",
            decimals=1,
            levels=steps(GOOD, (_LIMITS.errors_ratio / 2, WARNING), (_LIMITS.errors_ratio, BAD)),
            empty="nothing asked",
        ),
        count(
            "Budget used",
            "How much of its time the last scrape took. At 100 % the page goes without what is"
            " outstanding, and those queues are unknown.",
            f"max({_SHARE_OF_TIME})",
            unit="percentunit",
            decimals=0,
            levels=steps(GOOD, (_LIMITS.slow_share, WARNING), (0.95, BAD)),
            empty=_NO_EXPORTER,
        ),
        count(
            "Configuration",
            "Whether the configuration was accepted when it was last read. A refused one leaves"
            " the one before in force, but the next restart would fail.",
            "min(calltools_exporter_config_last_reload_successful)",
            unit="none",
            levels=steps(BAD, (1, GOOD)),
            mappings=words({"1": ("accepted", GOOD), "0": ("refused", BAD)}),
            empty=_NO_EXPORTER,
        ),
    )


def _accounts() -> Panels:
    return (
        rows(
            "Why accounts fail",
            "What concerns an account as a whole: its key, its filters, its lists. With a single"
            " bad queue the account is not in this list; Operations names the queue.",
            (
                f"max by (account, code) (calltools_account_failure{_ACCOUNT})\n{_BY_HOST}",
                f"{_UP}\nand on (account) calltools_account_failure{_ACCOUNT}",
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
                    f"{_ACCOUNT}) - time() > 0"
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
            + _ratio(
                "account",
                f"rate(calltools_api_errors_total{_ACCOUNT}[{_LIMITS.errors_window}])",
                f"rate(calltools_api_requests_total{_ACCOUNT}[{_LIMITS.errors_window}])",
            )
            + "\n))",
            "{{account}}",
            unit="percentunit",
            empty="nothing asked",
            width=6,
            height=8,
            levels=steps(GOOD, (_LIMITS.errors_ratio / 2, WARNING), (_LIMITS.errors_ratio, BAD)),
            highest=1,
        ),
    )


def _api() -> Panels:
    return (
        graph(
            "Requests and errors by code",
            "Requests a second, and those of them that failed by status code, or by a word for"
            " what has none.",
            (
                query(f"sum({_REQUESTS})", "requests", over_time=True),
                query(
                    f"sum by (code) ({_ERRORS})\nand on (code)\nsum by (code) (increase("
                    f"calltools_api_errors_total{_ACCOUNT}[$__range] @ end())) > 0",
                    "{{code}}",
                    over_time=True,
                ),
            ),
            unit="reqps",
            empty="nothing asked",
            width=12,
            overrides={"requests": {"color": {"mode": "fixed", "fixedColor": "text"}, "fill": 5}},
        ),
        graph(
            "Error ratio by silo",
            "Failed requests of all, by the host of the account. A whole silo at 100 % is"
            " CallTools' outage; one account is not seen here, but in the list above.",
            (
                query(
                    _ratio("host", f"{_ERRORS} {_BY_HOST}", f"{_REQUESTS} {_BY_HOST}"),
                    "{{host}}",
                    over_time=True,
                ),
            ),
            unit="percentunit",
            empty="nothing asked",
            width=12,
            highest=1,
            levels=steps(GOOD, (_LIMITS.errors_ratio, BAD)),
        ),
        graph(
            "Latency",
            "How long requests take, failed ones included: half of them, 95 % and 99 % take less."
            " Buckets: 50 ms to 30 s.",
            tuple(
                query(
                    f"histogram_quantile({share}, sum by (le) ({_BUCKETS}))", name, over_time=True
                )
                for share, name in ((0.5, "half"), (0.95, "95 %"), (0.99, "99 %"))
            ),
            unit="s",
            empty="nothing asked",
            width=12,
            overrides={
                "half": {"color": {"mode": "fixed", "fixedColor": ACTIVITY}},
                "95 %": {"color": {"mode": "fixed", "fixedColor": WARNING}},
                "99 %": {"color": {"mode": "fixed", "fixedColor": BAD}},
            },
        ),
        graph(
            "Latency by silo",
            "Under what 95 % of the requests stay, by the host of the account. CallToolsApiSlow"
            " fires for an account when that is more than half of a scrape's budget.",
            (
                query(
                    f"histogram_quantile({_LIMITS.slow_quantile},"
                    f" sum by (le, host) ({_BUCKETS} {_BY_HOST}))",
                    "{{host}}",
                    over_time=True,
                ),
            ),
            unit="s",
            empty="nothing asked",
            width=12,
        ),
        graph(
            "Connections opened",
            "New connections to the API a second, beside the requests. Near the requests means"
            " that connections are not kept: each then costs a TLS handshake.",
            (
                query(
                    f"sum(rate(calltools_api_connections_total{_ACCOUNT}{_RATE}))",
                    "connections",
                    over_time=True,
                ),
                query(f"sum({_REQUESTS})", "requests", over_time=True),
            ),
            unit="cps",
            empty="nothing asked",
            width=12,
            height=7,
        ),
        graph(
            "Shared fetches",
            "Fetches a second that a scrape shared with one under way, or took from max_age,"
            " instead of sending its own: what a second Prometheus costs less.",
            (
                query(
                    f"sum(rate(calltools_api_coalesced_fetches_total{_ACCOUNT}{_RATE}))",
                    "shared",
                    over_time=True,
                ),
            ),
            unit="ops",
            empty=_NO_EXPORTER,
            width=12,
            height=7,
        ),
    )


def _exporter() -> Panels:
    return (
        graph(
            "Scrape duration and budget",
            "How long a scrape takes to ask the API, and how long it may: at the budget the page"
            " goes without what is outstanding.",
            (
                query(
                    "max by (instance) (calltools_scrape_duration_seconds)",
                    "{{instance}}",
                    over_time=True,
                ),
                query("min(calltools_scrape_budget_seconds)", "budget", over_time=True),
            ),
            unit="s",
            empty=_NO_EXPORTER,
            width=8,
            height=8,
            overrides={
                "budget": {
                    "color": {"mode": "fixed", "fixedColor": BAD},
                    "dash": {"fill": "dash", "dash": [8, 6]},
                }
            },
        ),
        graph(
            "CPU",
            "Processor time that each exporter uses: 100 % is one core.",
            (
                query(
                    f"sum by (instance) (rate(process_cpu_seconds_total{_RATE})"
                    " and on (instance, job) calltools_exporter_build_info)",
                    "{{instance}}",
                    over_time=True,
                ),
            ),
            unit="percentunit",
            empty=_NO_EXPORTER,
            width=8,
            height=8,
        ),
        graph(
            "Memory",
            "Resident memory of each exporter.",
            (
                query(
                    "sum by (instance) (process_resident_memory_bytes"
                    " and on (instance, job) calltools_exporter_build_info)",
                    "{{instance}}",
                    over_time=True,
                ),
            ),
            unit="bytes",
            empty=_NO_EXPORTER,
            width=8,
            height=8,
        ),
        rows(
            "Versions and configuration",
            "Version, Python, when the configuration was last accepted, when the process was"
            " started, and its open files, for each exporter.",
            (
                "max by (instance, version, python_version) (calltools_exporter_build_info)",
                "max by (instance) (calltools_exporter_config_last_reload_successful)",
                (
                    "1000 * max by (instance) "
                    "(calltools_exporter_config_last_reload_success_timestamp_seconds)"
                ),
                (
                    "1000 * max by (instance) (process_start_time_seconds"
                    " and on (instance, job) calltools_exporter_build_info)"
                ),
                (
                    "max by (instance) (process_open_fds"
                    " and on (instance, job) calltools_exporter_build_info)"
                ),
            ),
            {
                "instance": "Exporter",
                "version": "Version",
                "python_version": "Python",
                "Value #B": "Configuration",
                "Value #C": "Accepted",
                "Value #D": "Started",
                "Value #E": "Open files",
            },
            empty=_NO_EXPORTER,
            width=16,
            height=6,
            overrides={
                "Configuration": {
                    "mappings": words({"1": ("accepted", GOOD), "0": ("refused", BAD)}),
                    "cell": {"type": "color-text"},
                },
                "/Accepted|Started/": {"unit": "dateTimeAsLocal", "width": 180},
            },
        ),
        graph(
            "Queues that come and go",
            "Queues that appeared in an account's list or vanished from it, where `queues: all`"
            " asks for all of them.",
            (
                query(
                    "sum by (change) ("
                    f"increase(calltools_account_queue_changes_total{_ACCOUNT}{_RATE}))",
                    "{{change}}",
                    over_time=True,
                ),
            ),
            unit="short",
            empty=_NO_EXPORTER,
            width=8,
            height=6,
        ),
    )
