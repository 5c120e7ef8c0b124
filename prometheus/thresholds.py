"""Every threshold and window of the rules, each with its reason; the templates have no numbers."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields, replace
from typing import Any, Self

__all__ = ["Thresholds", "duration", "seconds"]

_PART = re.compile(r"(\d+)(ms|[smhd])")
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The numbers of the rules. Times are text as in Prometheus; shares are between 0 and 1."""

    #: How often the rules are evaluated, whatever the server's own interval, so that the number of
    #: recorded samples in a window is known, whether scrapes come every 15 s or every 30 s.
    evaluation: str = "15s"
    #: How often that is evaluated which nobody needs within a minute: long ranges, what waits for
    #: minutes anyway, and what changes only with the configuration.
    slow_evaluation: str = "1m"
    #: The length of the pieces in which open hours are added up, and how often that is evaluated
    #: which nobody is notified of.
    coverage_evaluation: str = "5m"
    #: How old a number may be to count as current: two scrapes of 30 s and some delay.
    fresh: str = "1m15s"

    #: The window of readings behind an alert about missing agents. The aim is that it fires within
    #: five minutes: that leaves one for the scrape and the evaluation.
    page_window: str = "4m"
    #: How many samples of the window may show somebody: one scrape of 30 s. An agent who appears
    #: for a moment ends no alert, and one who has just left delays none.
    blink_samples: int = 2
    #: How many samples of the window must be zero. The others may be missing: fetches fail.
    empty_samples: int = 9
    #: ... and one of them must be in the first part of the window: after an outage, zeros have to
    #: last as long as others.
    first_part: str = "1m"
    #: Somebody is available again when more than this share of the window's readings shows it ...
    staffed_share: float = 0.5
    #: ... in at least this many samples: more than one scrape of 30 s gives.
    staffed_samples: int = 3
    #: A text says that the queue cannot be read if it was not read in this time: a single failed
    #: fetch does not count.
    just_now: str = "1m"
    #: Nobody counts as logged in if this share of the window shows it.
    logged_out_share: float = 0.8
    #: Too few agents is no emergency, and shift changes take minutes.
    short_window: str = "10m"
    #: How much of that window has to be read: most of it.
    read_share: float = 0.6
    #: For how much of that window there are too few; the rest allows for an agent who appears for a
    #: moment.
    short_share: float = 0.87
    #: A queue is remembered, with its team and an alert about its agents, as long as some exporter
    #: has reported it within this time.
    remembered: str = "1h"

    #: A queue that could not be read in most of this time is unreadable; a short fault of the API
    #: is not enough.
    unreadable_window: str = "10m"
    #: The share below which it is unreadable: a little more than an alert about agents needs of its
    #: window, because failures in a row can leave a window with too few readings, although there
    #: are enough overall.
    unreadable_share: float = 0.66
    #: How long that has to last: any cause that has its own alert fires first.
    unreadable_for: str = "3m"
    #: A queue that was read throughout this time is readable again, whatever was before. It is not
    #: longer, so that what follows from a cause ends before the cause does.
    readable_again: str = "2m"
    #: A silo is reported before its queues, and silences them.
    silo_window: str = "5m"
    #: What lasts until somebody fixes it (a key, an id, filters) is reported after this time: long
    #: enough to let one odd answer pass, and before the queues are reported as unreadable.
    cause_for: str = "2m"
    #: How long the alert for a cause stays after the cause was fixed: longer than everything that
    #: follows from it, which is `readable_again` or `errors_recent`, and then `keep`.
    cause_keep: str = "12m"
    #: A refused reload, one exporter of a pair that fails, and slow or failing requests need not
    #: be reported at once.
    lasting: str = "5m"
    #: A configured queue may be missing during a restart, but not longer.
    gone: str = "10m"
    #: How long an alert about reading stays after its condition has ended: failures come and go.
    keep: str = "5m"

    #: The window for the ratio of errors: a single queue makes 30 requests in it.
    errors_window: str = "15m"
    #: There must be errors in this time, too, so that an outage that is over is not reported.
    errors_recent: str = "5m"
    #: If a tenth of the requests fails, the numbers do not show it yet, but soon will.
    errors_ratio: float = 0.1
    #: The window for the duration of requests.
    slow_window: str = "10m"
    #: This quantile of the requests ...
    slow_quantile: float = 0.95
    #: ... takes more than this share of a scrape's budget: if twice as slow, queues are missing.
    slow_share: float = 0.5
    #: The window for how often the API asked the exporter to back off ...
    wait_window: str = "30m"
    #: ... the share of it: a fifth of the time without readings ...
    wait_share: float = 0.2
    #: ... or in how many scrapes it refused requests (429): one every three minutes.
    wait_refusals: int = 10

    #: The window for changes between staffed and empty ...
    flapping_window: str = "1h"
    #: ... and how many are allowed: one every five minutes.
    flapping_changes: int = 12

    #: An exporter is down if it was scraped in less than `read_share` of this time, for `down_for`.
    down_window: str = "5m"
    down_for: str = "2m"
    #: How long there may be no exporter at all: longer than a restart of everything.
    absent_for: str = "5m"

    def samples(self, window: str, share: float = 1) -> int:
        """Return how many samples the rules record in a window, or in a share of it."""
        return math.ceil(share * (seconds(window) // seconds(self.evaluation)))

    def within(self, window: str) -> str:
        """Return a range that holds `samples(window)`, whether or not it includes its left end.

        Prometheus 2 includes it, Prometheus 3 does not. This is so for what the same group records.
        """
        return duration(seconds(window) - seconds(self.evaluation) / 3)

    def hurried(self, times: int) -> Self:
        """Return the same with every time divided, for tests that cannot wait."""
        shorter: dict[str, Any] = {
            field.name: f"{max(1, int(seconds(value)) // times)}s"
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), str)
        }
        return replace(self, **shorter)


def seconds(text: str) -> float:
    """Return the seconds of a time in Prometheus' notation, such as `1m15s`."""
    return sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(text))


def duration(length: float) -> str:
    """Return seconds in Prometheus' notation."""
    left = round(length * 1000)
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        number, left = divmod(left, round(_UNITS[unit] * 1000))
        parts.append(f"{number}{unit}" if number else "")
    return "".join(parts)
