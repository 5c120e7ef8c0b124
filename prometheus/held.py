"""The recording rules that are 1 while something is missing: they read their own last value."""

from __future__ import annotations

from prometheus.model import QUEUE, Record, indent, known, promql
from prometheus.thresholds import Thresholds, seconds

__all__ = ["held"]


def held(limits: Thresholds) -> tuple[Record, ...]:
    """Return what the pages are: 1 from when a window shows it until there is proof of an end."""
    told = f"and {QUEUE}_logged_in_agents:last"
    return (
        Record(
            f"{QUEUE}_unstaffed:held",
            "1 while nobody is available in open hours, by a window of fresh zeros. Not being able"
            " to read the queue ends it as little as a blink does; being staffed, closed or no"
            " longer required does.",
            _hold("staffed", "unstaffed", limits.page_window, limits),
        ),
        Record(
            f"{QUEUE}_unattended:held",
            "1 while nobody is logged in in open hours; likewise.",
            promql(f"""
                {indent(_hold("attended", "unattended", limits.page_window, limits), 16)}
                {told}
            """),
        ),
        Record(
            f"{QUEUE}_insufficient:held",
            "1 while fewer than required are available in open hours; likewise.",
            _hold("sufficient", "insufficient", limits.short_window, limits),
        ),
    )


def _hold(good: str, bad: str, window: str, limits: Thresholds) -> str:
    """Return an expression that is 1 from a window without `good` until `good` has settled.

    It begins when it reads 0 at this moment, the window's fresh samples are most of those that
    there could be and begin with a 0 in its first minute, all but a blink are 0, and the queue was
    open and required throughout. It goes on from the evaluation before (the rule reads its own last
    value, which a restart of Prometheus under five minutes keeps) until the queue is read as good,
    is closed, is not required, or has not been heard of for long.

    Good are all samples of the last minute, and more of them than one reading makes. Where reads
    fail in between there never are: then they are looked for in a longer time, all of which has to
    be good. One reading that is not starts that time anew.
    """
    series = f"{QUEUE}_{good}:open_hours"
    settled = limits.settled
    first = seconds(window) - seconds(settled)
    ends = "\nor ".join(
        f"min_over_time({series}[{last}]) == 1\n"
        f"  and count_over_time({series}[{last}]) >= {limits.most(settled)}"
        for last in (settled, limits.page_window, limits.unreadable_window)
    )
    return promql(f"""
        (
          (
            {series} == 0
            and avg_over_time({series}[{window}]) <= {limits.blink_share}
            and count_over_time({series}[{window}]) >= {limits.most(window)}
            and last_over_time({series}[{settled}] offset {first}s) == 0
            and min_over_time({QUEUE}_open:min[{window}]) == 1
            and last_over_time({QUEUE}_open:min[{limits.page_window}] offset {window}) == 1
            and min_over_time({QUEUE}_required_agents:max[{window}]) > 0
          ) + 1
          or (
            {QUEUE}_{bad}:held
            unless (
              {indent(ends, 14)}
            )
            unless {QUEUE}_open:min == 0
            unless {QUEUE}_required_agents:max == 0
            and {known(limits)}
          )
        )
    """)
