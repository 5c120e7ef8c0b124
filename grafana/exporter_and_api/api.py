"""The API: requests, errors, latencies, connections."""

from __future__ import annotations

from grafana.exporter_and_api.series import (
    ACCOUNT,
    ANSWERED,
    BUCKETS,
    BY_HOST,
    ERRORS,
    LIMITS,
    NO_EXPORTER,
    RATE,
    REQUESTS,
)
from grafana.panels import Panels, graph, query
from grafana.words import ACTIVITY, BAD, GOOD, WARNING, steps

__all__ = ["api"]


def api() -> Panels:
    """Return the rows about the API."""
    return (
        graph(
            "Requests and errors by code",
            "Requests a second, and those that failed, by status code or by a word where there is"
            " none.",
            (
                query(f"sum({REQUESTS})", "requests", over_time=True),
                query(
                    f"sum by (code) ({ERRORS}) > 0",
                    "{{code}}",
                    over_time=True,
                ),
            ),
            unit="reqps",
            empty="no requests",
            width=12,
            overrides={"requests": {"color": {"mode": "fixed", "fixedColor": "text"}, "fill": 5}},
        ),
        graph(
            "Without a valid answer, by silo",
            f"Share of the scrapes of {LIMITS.silo_window} in which an account got no valid answer,"
            " on average over the accounts of each silo. At 100 % the silo does not answer; less"
            " are single accounts, or part of the time.",
            (query(f"1 - avg by (host) ({ANSWERED} {BY_HOST})", "{{host}}", over_time=True),),
            unit="percentunit",
            empty=NO_EXPORTER,
            width=12,
            highest=1,
            levels=steps(GOOD, (1 - LIMITS.read_share, BAD)),
        ),
        graph(
            "Latency",
            "Duration of requests, including failed ones: the median, and the 95 % and 99 %"
            " quantiles. Buckets: 50 ms to 30 s.",
            tuple(
                query(f"histogram_quantile({share}, sum by (le) ({BUCKETS}))", name, over_time=True)
                for share, name in ((0.5, "half"), (0.95, "95 %"), (0.99, "99 %"))
            ),
            unit="s",
            empty="no requests",
            width=12,
            overrides={
                "half": {"color": {"mode": "fixed", "fixedColor": ACTIVITY}},
                "95 %": {"color": {"mode": "fixed", "fixedColor": WARNING}},
                "99 %": {"color": {"mode": "fixed", "fixedColor": BAD}},
            },
        ),
        graph(
            "Latency by silo",
            "The 95 % quantile of the duration of requests, by the host of the account."
            " CallToolsApiSlow fires for an account when it is more than half of a scrape's"
            " budget.",
            (
                query(
                    f"histogram_quantile({LIMITS.slow_quantile},"
                    f" sum by (le, host) (sum by (account, le) ({BUCKETS}) {BY_HOST}))",
                    "{{host}}",
                    over_time=True,
                ),
            ),
            unit="s",
            empty="no requests",
            width=12,
        ),
        graph(
            "Connections opened",
            "New connections to the API a second, with the requests. If both are close,"
            " connections are not kept: each request then costs a TLS handshake.",
            (
                query(
                    f"sum(rate(calltools_api_connections_total{ACCOUNT}{RATE}))",
                    "connections",
                    over_time=True,
                ),
                query(f"sum({REQUESTS})", "requests", over_time=True),
            ),
            unit="cps",
            empty="no requests",
            width=12,
            height=7,
        ),
        graph(
            "Shared fetches",
            "Fetches a second that a scrape shared with another one, or took from max_age, instead"
            " of sending its own request: the savings with a second Prometheus.",
            (
                query(
                    f"sum(rate(calltools_api_coalesced_fetches_total{ACCOUNT}{RATE}))",
                    "shared",
                    over_time=True,
                ),
            ),
            unit="ops",
            empty=NO_EXPORTER,
            width=12,
            height=7,
        ),
    )
