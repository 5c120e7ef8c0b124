"""The recording rules for how the open hours were covered."""

from __future__ import annotations

from typing import Final

from prometheus.model import QUEUE, Group, Record, promql
from prometheus.thresholds import Thresholds, seconds

__all__ = ["coverage"]

#: What the coverage is taken over.
_PERIODS: Final = ("1h", "1d", "7d")


def coverage(limits: Thresholds) -> Group:
    """Return the rules for the coverage of open hours.

    Samples are first counted in pieces, and the pieces added up. Each range is a second shorter
    than its name says: so that what is on the border counts once, in every version of Prometheus.
    """

    def within(period: str) -> str:
        return f"[{seconds(period) - 1}s]"

    piece = within(limits.coverage_evaluation)
    name = limits.coverage_evaluation
    staffed, read, opened = (
        f"{QUEUE}_staffed:sum{name}",
        f"{QUEUE}_staffed:count{name}",
        f"{QUEUE}_open:sum{name}",
    )
    pieces = (
        Record(
            staffed,
            "Samples in open hours with somebody available.",
            f"sum_over_time({QUEUE}_staffed:open_hours{piece})",
        ),
        Record(
            read,
            "Samples in open hours that could be read.",
            f"count_over_time({QUEUE}_staffed:open_hours{piece})",
        ),
        Record(
            opened,
            "Samples in open hours, read or not.",
            f"sum_over_time({QUEUE}_open:min{piece})",
        ),
    )

    def of(period: str) -> tuple[Record, ...]:
        return (
            Record(
                f"{QUEUE}_staffed:ratio{period}",
                f"Part of the open hours of {period} in which somebody was available. What could"
                " not be read is left out and shown apart.",
                promql(f"""
                    sum_over_time({staffed}{within(period)})
                    / sum_over_time({read}{within(period)})
                """),
            ),
            Record(
                f"{QUEUE}_unreadable:ratio{period}",
                f"Part of the open hours of {period} in which the queue could not be read. What no"
                " exporter told of, because it was down, is not in it.",
                promql(f"""
                    1 - (
                      sum_over_time({read}{within(period)})
                      or 0 * sum_over_time({opened}{within(period)})
                    ) / (sum_over_time({opened}{within(period)}) > 0)
                """),
            ),
            Record(
                f"{QUEUE}_unstaffed_minutes:sum{period}",
                f"Minutes of {period} in open hours in which nobody was available, as read.",
                promql(f"""
                    (
                      sum_over_time({read}{within(period)})
                      - sum_over_time({staffed}{within(period)})
                    ) * {seconds(limits.evaluation) / 60:g}
                """),
            ),
        )

    summaries = tuple(rule for period in _PERIODS for rule in of(period))
    return Group("calltools-coverage", name, (*pieces, *summaries))
