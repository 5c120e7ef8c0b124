"""The API: requests, errors, latencies, connections."""

from __future__ import annotations

from grafana.exporter_and_api.series import (
    ACCOUNT,
    BUCKETS,
    BY_HOST,
    ERRORS,
    ERRORS_BY_HOST,
    LIMITS,
    NO_EXPORTER,
    RATE,
    REQUESTS,
    REQUESTS_BY_HOST,
    ratio,
)
from grafana.panels import Panels, graph, query
from grafana.words import ACTIVITY, BAD, GOOD, WARNING, steps

__all__ = ["api"]


def api() -> Panels:
    """Return what the API does."""
    return (
        graph(
            "Requests and errors by code",
            "Requests a second, and those of them that failed by status code, or by a word for"
            " what has none.",
            (
                query(f"sum({REQUESTS})", "requests", over_time=True),
                query(
                    f"sum by (code) ({ERRORS}) > 0",
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
                    ratio("host", ERRORS_BY_HOST, REQUESTS_BY_HOST),
                    "{{host}}",
                    over_time=True,
                ),
            ),
            unit="percentunit",
            empty="nothing asked",
            width=12,
            highest=1,
            levels=steps(GOOD, (LIMITS.errors_ratio, BAD)),
        ),
        graph(
            "Latency",
            "How long requests take, failed ones included: half of them, 95 % and 99 % take less."
            " Buckets: 50 ms to 30 s.",
            tuple(
                query(f"histogram_quantile({share}, sum by (le) ({BUCKETS}))", name, over_time=True)
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
                    f"histogram_quantile({LIMITS.slow_quantile},"
                    f" sum by (le, host) (sum by (account, le) ({BUCKETS}) {BY_HOST}))",
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
                    f"sum(rate(calltools_api_connections_total{ACCOUNT}{RATE}))",
                    "connections",
                    over_time=True,
                ),
                query(f"sum({REQUESTS})", "requests", over_time=True),
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
