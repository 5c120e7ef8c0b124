"""The exporter itself: scrapes, process, version."""

from __future__ import annotations

from grafana.exporter_and_api.series import (
    ACCOUNT,
    NO_EXPORTER,
    RATE,
)
from grafana.panels import Panels, graph, query
from grafana.rows import rows
from grafana.words import BAD, GOOD, words

__all__ = ["exporter"]


def exporter() -> Panels:
    """Return the rows about the exporter."""
    return (
        graph(
            "Scrape duration and budget",
            "How long a scrape takes, and its time budget: at the end of the budget, outstanding"
            " queues are left out.",
            (
                query(
                    "max by (instance) (calltools_scrape_duration_seconds)",
                    "{{instance}}",
                    over_time=True,
                ),
                query("min(calltools_scrape_budget_seconds)", "budget", over_time=True),
            ),
            unit="s",
            empty=NO_EXPORTER,
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
            "CPU time that each exporter uses: 100 % is one core.",
            (
                query(
                    f"sum by (instance) (rate(process_cpu_seconds_total{RATE})"
                    " and on (instance, job) calltools_exporter_build_info)",
                    "{{instance}}",
                    over_time=True,
                ),
            ),
            unit="percentunit",
            empty=NO_EXPORTER,
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
            empty=NO_EXPORTER,
            width=8,
            height=8,
        ),
        rows(
            "Versions and configuration",
            "For each exporter: version, Python, last successful reload of the configuration,"
            " start of the process, and open files.",
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
            empty=NO_EXPORTER,
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
            "Queues appeared and vanished",
            "Queues that appeared in an account's list or vanished from it, with `queues: all`.",
            (
                query(
                    "sum by (change) ("
                    f"increase(calltools_account_queue_changes_total{ACCOUNT}{RATE}))",
                    "{{change}}",
                    over_time=True,
                ),
            ),
            unit="short",
            empty=NO_EXPORTER,
            width=8,
            height=6,
        ),
        graph(
            "Connections and log lines dropped",
            "Client connections that the exporter closed because of one of its limits, by reason,"
            " and log lines dropped because their reader was too slow. If there are any, check who"
            " connects, or where the log goes.",
            (
                query(
                    "sum by (reason) ("
                    f"increase(calltools_exporter_dropped_connections_total{RATE}))",
                    "connections: {{reason}}",
                    over_time=True,
                ),
                query(
                    f"sum(increase(calltools_exporter_dropped_log_lines_total{RATE}))",
                    "log lines",
                    over_time=True,
                ),
            ),
            unit="short",
            empty=NO_EXPORTER,
            width=12,
            height=7,
        ),
        graph(
            "Requests to /available",
            "Requests to /available a second, by answer, and how fast 95 % of them are answered.",
            (
                query(
                    f"sum by (answer) (rate(calltools_exporter_available_requests_total{RATE}))",
                    "{{answer}}",
                    over_time=True,
                ),
                query(
                    "histogram_quantile(0.95, sum by (le) (rate("
                    f"calltools_exporter_available_request_duration_seconds_bucket{RATE})))",
                    "95 % within",
                    over_time=True,
                ),
            ),
            unit="reqps",
            empty=NO_EXPORTER,
            width=12,
            height=7,
            overrides={"95 % within": {"unit": "s", "axis": "right"}},
        ),
    )
