"""The alerts about agents: a page rests on fresh zeros in open hours."""

from __future__ import annotations

from typing import Final

from prometheus.model import QUEUE, WHERE, Alert, Dashboard, Group, by_queue
from prometheus.thresholds import Thresholds

__all__ = ["queues"]

_UNREAD: Final = (
    "{{ if eq $value 2.0 }} At this moment the queue cannot be read; that was so when it last was."
    "{{ end }}"
)


def queues(limits: Thresholds) -> Group:
    """Return the alerts about agents: a page rests on fresh zeros in open hours."""
    page, short, settled = limits.page_window, limits.short_window, limits.settled
    most = f"{limits.read_share:.0%}"
    rests = (
        f"{page} of fresh zeros: at least {most} of the window read, of that at most"
        f" {limits.blink_share:.0%} (one scrape) not zero, open and required throughout. Short"
        " enough to miss no empty spell of six minutes and to be told within seven; long enough"
        " for the wrap-up after a call."
    )
    end = (
        f" Ends when somebody is there for {settled} (where reads fail: by every reading of"
        f" {page} or {limits.unreadable_window}), at closing time, not by being unreadable."
    )
    unstaffed, unattended = f"{QUEUE}_unstaffed:held", f"{QUEUE}_unattended:held"
    logged_in = f"{QUEUE}_logged_in_agents:last"
    staffed = f"{QUEUE}_staffed:open_hours"
    seen = f"max_over_time({QUEUE}_up:max[{settled}]) == 1"  # else the value becomes 2: held

    return Group(
        "calltools-queues",
        limits.evaluation,
        (
            Alert(
                "CallToolsNobodyAvailable",
                "critical",
                f"nobody is available in open hours for {page}; who is logged in is not told",
                rests + end,
                by_queue(
                    f"""
                    (
                      {unstaffed}
                      and {seen}
                      or {unstaffed} + 1
                    )
                    unless {logged_in}
                    """
                ),
                "Nobody is available in an open queue",
                f"{WHERE}: nobody has been available for about {page} or longer.{_UNREAD}"
                " Callers wait. Have somebody log in or become ready. Whether all are busy or"
                " nobody is logged in, what is read of this queue does not tell.",
                Dashboard.OPERATIONS,
            ),
            Alert(
                "CallToolsNobodyLoggedIn",
                "critical",
                f"nobody is logged in in open hours for {page}; for queues with `detail: agents`",
                rests + end,
                by_queue(
                    f"""
                    {unattended}
                    and {seen}
                    or {unattended} + 1
                    """
                ),
                "Nobody is logged in in an open queue",
                f"{WHERE}: no agent has been logged in for about {page} or longer.{_UNREAD}"
                " Callers wait. Have agents log in; ask the team's lead where they are.",
                Dashboard.OPERATIONS,
            ),
            Alert(
                "CallToolsAllAgentsBusy",
                "warning",
                f"agents are logged in, but none is available in open hours for {page}",
                "The same window. A warning: people are at work, and calls end. Have all logged out"
                f" since, it says so, until that is {page} ago: then CallToolsNobodyLoggedIn.",
                by_queue(
                    f"""
                    {logged_in}
                    and {unstaffed}
                    unless {unattended}
                    """
                ),
                "All agents of an open queue are busy or gone",
                f"{WHERE}: nobody has been available for about {page} or longer, "
                "{{ if eq $value 0.0 }}and when last read nobody was logged in any more. Have"
                " agents log in; ask the team's lead where they are{{ else }}with {{ $value }}"
                " logged in when last read: they are on calls, on a break or not ready. Call some"
                " back, or add agents{{ end }}.",
                Dashboard.OPERATIONS,
            ),
            Alert(
                "CallToolsTooFewAgents",
                "warning",
                f"fewer than `required_agents` are available in open hours for {short}",
                f"{short}, not {page}: somebody takes the calls, and shifts overlap by minutes."
                " Silent while nobody is available (told by itself), and where one is enough.",
                by_queue(
                    f"""
                    last_over_time({QUEUE}_required_agents:max[{limits.remembered}]) > 1
                    and {QUEUE}_insufficient:held
                    unless {unstaffed}
                    """
                ),
                "Too few agents are available in an open queue",
                f"{WHERE}: fewer agents than the required {{{{ $value }}}} have been available for"
                f" about {short} or longer. Have more become ready; or lower required_agents, if"
                " the number is too high.",
                Dashboard.OPERATIONS,
            ),
            Alert(
                "CallToolsQueueFlapping",
                "info",
                f"staffed and empty in turn more than {limits.flapping_changes} times in"
                f" {limits.flapping_window} of open hours",
                "More than one change every five minutes: each empty spell is too short for a"
                " page, but callers meet them. Nothing to wake anybody for.",
                by_queue(
                    f"""
                    changes({staffed}[{limits.flapping_window}]) > {limits.flapping_changes}
                    and {QUEUE}_open:min == 1
                    and {QUEUE}_required_agents:max > 0
                    """
                ),
                "A queue is staffed and empty in turn",
                f"{WHERE}: within {limits.flapping_window} it changed {{{{ $value }}}}"
                " times between staffed and empty. One agent more would end that.",
                Dashboard.COVERAGE,
                keep=limits.page_window,
            ),
        ),
    )
