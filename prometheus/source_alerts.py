"""The alerts about what cannot be read, and why."""

from __future__ import annotations

from prometheus.model import (
    ACCOUNT,
    QUEUE,
    REPLICA,
    WHERE,
    Alert,
    Dashboard,
    Group,
    by_queue,
    promql,
)
from prometheus.thresholds import Thresholds

__all__ = ["sources"]


def sources(limits: Thresholds) -> Group:
    """Return the alerts about what cannot be read, and why."""
    most, read = f"{limits.read_share:.0%}", f"{100 * limits.read_share:g}"
    unreadable, mended, page = limits.unreadable_window, limits.mended, limits.page_window
    silo = limits.silo_window
    lasting, keep = limits.lasting, limits.keep
    cause, cause_keep = limits.cause_for, limits.cause_keep
    errors, slow = limits.errors_window, limits.slow_window
    wait = limits.wait_window
    ratio = f"{limits.errors_ratio:.0%}"
    return Group(
        "calltools-sources",
        limits.evaluation,
        (
            Alert(
                "CallToolsQueueUnreadable",
                "warning",
                f"a queue in its open hours was read in less than {limits.unreadable_share:.0%} of"
                f" {unreadable}",
                f"A little more than the {most} that a page needs, as reads fail in a row; of the"
                " scrapes that were due, as a lost one read nothing. Either pages can be relied on,"
                " or this is told."
                f" Two page windows long, and {limits.unreadable_for} more, so that a passing fault"
                " is none, and a cause with an alert of its own comes first and silences this. Not"
                " at night: a queue that stays unreadable is told of when it opens.",
                by_queue(
                    f"""
                    100 * sum_over_time({QUEUE}_up:max[{unreadable}])
                      / {limits.samples(unreadable)} < {100 * limits.unreadable_share:g}
                    and sum_over_time({QUEUE}_up:max[{mended}]) < {limits.samples(mended)}
                    and last_over_time({QUEUE}_up:max[{page}] offset {unreadable})
                    and last_over_time({QUEUE}_open:min[{mended}]) == 1
                    """
                ),
                "A queue cannot be read",
                f"{WHERE}: only {{{{ printf `%.0f%%` $value }}}} of the scrapes due in"
                f" {unreadable} read it. Whether somebody is available is not known, and no"
                " page for it can be relied on. calltools_queue_failure has the reason.",
                Dashboard.OPERATIONS,
                wait=limits.unreadable_for,
                keep=keep,
            ),
            Alert(
                "CallToolsUnknownId",
                "warning",
                f"an id of the configuration is not in the account for {cause}",
                "A mistake in the configuration or a queue deleted in CallTools: it stays until"
                f" mended, so {cause} cost nothing and a passing wrong answer is none.",
                by_queue(
                    f"""
                    max without ({REPLICA}, code) (
                      calltools_queue_failure{{code="unknown_id"}}
                    )
                    """
                ),
                "A configured id does not exist in CallTools",
                f"{WHERE}: the id of the queue or of its status is not in the account. Correct"
                " exporter.yml; `calltools-exporter check --online` lists what there is.",
                Dashboard.OPERATIONS,
                wait=cause,
                keep=cause_keep,
            ),
            Alert(
                "CallToolsQueueGone",
                "warning",
                f"the series of a configured queue are gone for {limits.gone}",
                "Longer than a restart. It ends by itself after"
                f" {limits.remembered}, for queues removed on purpose.",
                by_queue(
                    f"""
                    last_over_time({QUEUE}_up:max[{limits.remembered}])
                    unless last_over_time({QUEUE}_up:max[{limits.gone}])
                    """
                ),
                "A queue is no longer watched",
                f"{WHERE}: no exporter has told of it for {limits.gone}. If it was"
                " removed from exporter.yml on purpose there is nothing to do; if not, nobody will"
                " be paged for it: restore it and reload, or start the exporter that is down.",
                Dashboard.OPERATIONS,
            ),
            Alert(
                "CallToolsFilterIgnored",
                "critical",
                f"the API ignores the filters of an account for {cause}",
                "All counts of the account are worthless until a person looks, but none is shown"
                f" meanwhile: {cause} let one odd answer pass. Not while all its queues are"
                " closed.",
                promql(f"""
                    max without ({REPLICA}, queue, code) (
                      calltools_queue_failure{{code="filter_ignored"}}
                      or calltools_account_failure{{code="filter_ignored"}}
                    )
                    unless {ACCOUNT}_queue_open:max == 0
                """),
                "The API ignores the exporter's filters",
                "Account {{ $labels.account }}: CallTools answers with agents that were not asked"
                " for, so none of its counts can be believed and its queues are not read. Look"
                " whether the API has changed; update the exporter.",
                Dashboard.ACCOUNT,
                wait=cause,
                keep=cause_keep,
            ),
            Alert(
                "CallToolsKeyRejected",
                "critical",
                f"the API key of an account is refused for {cause}",
                "The account is blind until a person brings a new key. Not while all of its queues"
                " are closed: it is told when the first one opens. What /probe shows has only the"
                " queues' reasons; a 403 there may be the queue's own.",
                promql(f"""
                    max without ({REPLICA}, queue, code) (
                      calltools_queue_failure{{code=~"401|token"}}
                      or calltools_account_failure{{code=~"401|403|token"}}
                    )
                    and {ACCOUNT}_up:max == 0
                    unless {ACCOUNT}_queue_open:max == 0
                """),
                "An API key is rejected",
                "Account {{ $labels.account }}: its API key is refused or cannot be read, and none"
                " of its queues is watched. Make a key under Integrations > API Keys and put it"
                " where token_file or token_env says.",
                Dashboard.ACCOUNT,
                wait=cause,
                keep=cause_keep,
            ),
            Alert(
                "CallToolsToldToWait",
                "warning",
                f"the API tells an account to wait {limits.wait_share:.0%} of {wait}, or"
                f" refuses {limits.wait_refusals} requests (429) in it",
                "One 429 now and then costs one scrape. A fifth of the time costs pages their"
                " window; a refusal every three minutes leads there.",
                promql(f"""
                    (
                      count_over_time({ACCOUNT}_api_hold_until_timestamp_seconds:max[{wait}])
                        >= {int(limits.wait_share * limits.samples(wait))}
                      or sum without ({REPLICA}, code) (
                        increase(calltools_api_errors_total{{code="429"}}[{wait}])
                      ) >= {limits.wait_refusals}
                    )
                    * ignoring (host) group_left (host) {ACCOUNT}_account_info:max
                """),
                "The API tells an account to wait",
                "Account {{ $labels.account }}: CallTools refuses requests because there are too"
                " many (429), and its queues are not read meanwhile. Scrape less often, set"
                " max_age where two servers scrape, or ask CallTools for a higher limit.",
                Dashboard.ACCOUNT,
                keep=keep,
            ),
            Alert(
                "CallToolsSiloUnreachable",
                "critical",
                f"a silo gave no right answer in {1 - limits.read_share:.0%} or"
                f" more of the scrapes of {silo}",
                f"One alert by host in place of one for each queue; {silo} is half of what queues"
                " need to be unreadable, so that it comes first and silences them. Not while all"
                " queues on it are closed.",
                promql(f"""
                    100 * avg_over_time(host:calltools_up:max[{silo}]) < {read}
                    and count_over_time(host:calltools_up:max[{silo}]) >= {limits.most(silo)}
                    and host:calltools_up:max
                    unless host:calltools_queue_open:max == 0
                """),
                "A CallTools silo is not reachable",
                "Silo {{ $labels.host }}: only {{ printf `%.0f%%` $value }} of the scrapes of"
                f" {silo} got any answer that is right. Its queues are not known. See CallTools'"
                " status page; try the address from the exporter's machine.",
                Dashboard.EXPORTER,
                keep=cause_keep,
            ),
            Alert(
                "CallToolsApiErrors",
                "warning",
                f"more than {ratio} of an account's requests failed over {errors}",
                f"Queues are still read, as a page needs {most} of the scrapes; there is time to"
                f" look. {errors} are 30 requests for an account of one queue. Not if the last was"
                f" {limits.errors_recent} ago, and not while all queues are closed.",
                promql(f"""
                    (
                      100 * {ACCOUNT}_api_errors:ratio_rate{errors}
                      > {100 * limits.errors_ratio:g}
                      and sum without ({REPLICA}, code) (
                        increase(calltools_api_errors_total[{limits.errors_recent}])
                      ) > 0
                      unless {ACCOUNT}_queue_open:max == 0
                    )
                    * ignoring (host) group_left (host) {ACCOUNT}_account_info:max
                """),
                "Requests to the API fail",
                "Account {{ $labels.account }}: {{ printf `%.0f%%` $value }} of the requests"
                f" of {errors} failed. calltools_api_errors_total tells by code why.",
                Dashboard.ACCOUNT,
                wait=lasting,
                keep=keep,
            ),
            Alert(
                "CallToolsApiSlow",
                "warning",
                f"{1 - limits.slow_quantile:.0%} of an account's requests take more than"
                f" {limits.slow_share:.0%} of a scrape's budget over {slow}",
                "At twice as slow a part of the queues is cut off at the end of the budget. It is"
                " held against that, not an account's `timeout`: what ends by a shorter one is an"
                " error, and CallToolsApiErrors tells of it. Not while all queues are closed.",
                promql(f"""
                    (
                      {ACCOUNT}_api_request_duration_seconds:p{limits.slow_quantile * 100:g}
                      > ignoring (account) group_left ()
                        {limits.slow_share} * min without ({REPLICA}) (
                          calltools_scrape_budget_seconds
                        )
                      unless {ACCOUNT}_queue_open:max == 0
                    )
                    * ignoring (host) group_left (host) {ACCOUNT}_account_info:max
                """),
                "The API is slow",
                f"Account {{{{ $labels.account }}}}: {1 - limits.slow_quantile:.0%} of the requests"
                " take {{ $value | humanizeDuration }} or longer; a scrape has not much more than"
                " twice that. Raise scrape_timeout, or ask CallTools.",
                Dashboard.ACCOUNT,
                wait=lasting,
            ),
        ),
    )
