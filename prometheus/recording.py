"""The recording rules: what is known now of each queue, account and silo."""

from __future__ import annotations

from typing import Final

from prometheus.held import held
from prometheus.model import ACCOUNT, ANSWERED, QUEUE, REPLICA, Group, Record, indent, known, promql
from prometheus.thresholds import Thresholds, seconds

__all__ = ["now"]

_LOGGED_IN: Final = "calltools_queue_logged_in_agents"


def now(limits: Thresholds) -> Group:
    """Return the rules that the alerts rest on."""
    return Group(
        "calltools-now",
        limits.evaluation,
        (
            *_queues(limits),
            *_open_hours(limits),
            *held(limits),
            *_accounts(limits),
        ),
    )


def _queues(limits: Thresholds) -> tuple[Record, ...]:
    return (
        Record(f"{QUEUE}_up:max", "1 if some exporter read the queue.", _max("calltools_queue_up")),
        Record(
            f"{QUEUE}_info:max",
            "1 with the queue's team and host; two series while replicas say different things. What"
            " is read by /probe has no host.",
            promql(f"""
                max without ({REPLICA}, queue_id, status_id) (
                  calltools_queue_info
                  * ignoring (queue, queue_id, status_id, team, host) group_left (host)
                  calltools_account_info
                  or ignoring (host)
                  calltools_queue_info
                )
            """),
        ),
        Record(
            f"{QUEUE}_info:last",
            "The same as one series for each queue, to join: what it was before as long as it is"
            " still said, and through an outage of the exporter.",
            promql(f"""
                ({QUEUE}_info:max and {QUEUE}_info:last)
                or ignoring (team, host)
                topk without (team, host) (1, {QUEUE}_info:max)
                or ignoring (team, host)
                ({QUEUE}_info:last and ignoring (team, host) {known(limits)})
            """),
        ),
        Record(
            f"{QUEUE}_open:min",
            "1 inside the schedule; 0 if any exporter says closed.",
            f"min without ({REPLICA}) (calltools_queue_open)",
        ),
        Record(
            f"{QUEUE}_required_agents:max",
            "Agents that the queue needs.",
            _max("calltools_queue_required_agents"),
        ),
        Record(
            f"{QUEUE}_available_agents:max",
            "Available agents as some exporter read them just now; absent when none did. Replicas"
            " ask at different moments: nobody is available only where all say so.",
            _fresh("calltools_queue_available_agents", limits),
        ),
        Record(
            f"{QUEUE}_logged_in_agents:last",
            "Logged-in agents, through an outage as last read, and for some minutes where only this"
            " is not told; absent for `detail: count`.",
            promql(f"""
                {indent(_fresh(_LOGGED_IN, limits), 16)}
                or (
                  {QUEUE}_logged_in_agents:last
                  unless (
                    {QUEUE}_available_agents:max
                    unless {_max(f"last_over_time({_LOGGED_IN}[{limits.page_window}])")}
                  )
                  and {known(limits)}
                )
            """),
        ),
    )


def _open_hours(limits: Thresholds) -> tuple[Record, ...]:
    available = f"{QUEUE}_available_agents:max"
    return (
        Record(
            f"{QUEUE}_staffed:open_hours",
            "1 if somebody is available, 0 if nobody is; absent when closed or not read.",
            promql(f"""
                ({available} > bool 0)
                and {QUEUE}_open:min == 1
            """),
        ),
        Record(
            f"{QUEUE}_attended:open_hours",
            "1 if somebody is logged in, 0 if nobody is; absent when closed, not read or not told.",
            promql(f"""
                (
                  {indent(_fresh(_LOGGED_IN, limits), 18)}
                  > bool 0
                )
                and {available}
                and {QUEUE}_open:min == 1
            """),
        ),
        Record(
            f"{QUEUE}_sufficient:open_hours",
            "1 if as many as required are available, else 0; absent when closed or not read.",
            promql(f"""
                (
                  {available}
                  >= bool {QUEUE}_required_agents:max
                )
                and {QUEUE}_open:min == 1
            """),
        ),
    )


def _accounts(limits: Thresholds) -> tuple[Record, ...]:
    errors = limits.errors_window
    return (
        Record(
            f"{ACCOUNT}_account_info:max",
            "1 with the host of the account's silo; without it where only counters tell of it. One"
            " for each account: while exporters see it on two hosts, that on which it was before.",
            promql(f"""
                (
                  {_max("calltools_account_info")}
                  and {ACCOUNT}_account_info:max
                )
                or ignoring (host)
                topk without (host) (1, {_max("calltools_account_info")})
                or ignoring (host)
                {_max("calltools_api_requests_total")} * 0 + 1
            """),
        ),
        Record(
            f"{ACCOUNT}_up:max",
            "1 if the API gave some exporter a right answer for the account.",
            _max("calltools_up"),
        ),
        Record(
            f"{ACCOUNT}_queue_open:max",
            "1 if a queue of the account is open.",
            f"max without (queue) ({QUEUE}_open:min)",
        ),
        Record(
            "host:calltools_queue_open:max",
            "1 if a queue on the silo is open.",
            promql(f"""
                max without (account) (
                  {ACCOUNT}_queue_open:max
                  * ignoring (host) group_left (host) {ACCOUNT}_account_info:max
                )
            """),
        ),
        Record(
            "host:calltools_up:max",
            "1 if the silo gave a right answer for some account, 0 if none did and a failure is its"
            " own. What it answers for reasons of the account or the queue (key, ids, filters, told"
            " to wait) is not.",
            promql(f"""
                max without ({REPLICA}, account) (
                  (
                    calltools_up == 1
                    or calltools_up
                      and max without (queue, code) (
                        calltools_queue_failure{{code!~"{ANSWERED}"}}
                        or calltools_account_failure{{code!~"{ANSWERED}"}}
                      )
                      unless calltools_api_hold_until_timestamp_seconds
                  )
                  * ignoring (host) group_left (host) calltools_account_info
                )
            """),
        ),
        Record(
            f"{ACCOUNT}_api_hold_until_timestamp_seconds:max",
            "Until when the account is told to wait; absent when it is not.",
            _max("calltools_api_hold_until_timestamp_seconds"),
        ),
        Record(
            f"{ACCOUNT}_api_requests:rate{errors}",
            "Requests a second.",
            f"sum without ({REPLICA}) (rate(calltools_api_requests_total[{errors}]))",
        ),
        Record(
            f"{ACCOUNT}_api_errors:rate{errors}",
            "Failed requests a second, by code.",
            f"sum without ({REPLICA}) (rate(calltools_api_errors_total[{errors}]))",
        ),
        Record(
            f"{ACCOUNT}_api_errors:ratio_rate{errors}",
            "Failed requests of all; absent when nothing was asked.",
            promql(f"""
                sum without (code) ({ACCOUNT}_api_errors:rate{errors})
                / ({ACCOUNT}_api_requests:rate{errors} > 0)
            """),
        ),
        Record(
            f"{ACCOUNT}_api_request_duration_seconds:p{limits.slow_quantile * 100:g}",
            "How long all but the slowest requests take.",
            promql(f"""
                histogram_quantile(
                  {limits.slow_quantile},
                  sum without ({REPLICA}) (
                    rate(calltools_api_request_duration_seconds_bucket[{limits.slow_window}])
                  )
                ) >= 0
            """),
        ),
        *_counts(),
    )


def _counts() -> tuple[Record, ...]:
    """Return the queues of each account by state; a sum is read beside what could not be."""
    opened = f"{QUEUE}_open:min == 1"
    return (
        Record(
            f"{ACCOUNT}_queue_open:count",
            "Queues inside their schedule.",
            f"sum without (queue) ({QUEUE}_open:min)",
        ),
        Record(
            f"{ACCOUNT}_queue_staffed:count",
            "Open queues in which somebody is available.",
            f"sum without (queue) ({QUEUE}_staffed:open_hours)",
        ),
        Record(
            f"{ACCOUNT}_queue_unstaffed:count",
            "Open queues in which nobody is available.",
            f"sum without (queue) (1 - {QUEUE}_staffed:open_hours)",
        ),
        Record(
            f"{ACCOUNT}_queue_unreadable:count",
            "Open queues that could not be read: what the sums beside it leave out.",
            promql(f"""
                sum without (queue) (
                  (1 - {QUEUE}_up:max)
                  and {opened}
                )
            """),
        ),
        Record(
            f"{ACCOUNT}_queue_available_agents:sum",
            "Available agents of the open queues that could be read; an agent of two counts twice.",
            promql(f"""
                sum without (queue) (
                  {QUEUE}_available_agents:max
                  and {opened}
                )
            """),
        ),
    )


def _max(metric: str) -> str:
    return f"max without ({REPLICA}) ({metric})"


def _fresh(metric: str, limits: Thresholds) -> str:
    return promql(f"""
        max without ({REPLICA}) (
          {metric}
          and time() - timestamp({metric}) < {seconds(limits.fresh)}
        )
    """)
