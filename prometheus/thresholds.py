"""Every threshold and window of the rules, each with its reason; the templates name no number."""

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
    """What the rules rest on. Times are text as in Prometheus; shares are between 0 and 1."""

    #: The rules are evaluated so often, whatever the server's own interval, so that the number of
    #: recorded samples in a window is known, with scrapes of 15 s as with 30 s.
    evaluation: str = "15s"
    #: Alerts that nobody needs within the minute are evaluated so often: they read long ranges.
    slow_evaluation: str = "1m"
    #: Open hours are added up in pieces of this length.
    coverage_evaluation: str = "5m"
    #: A number scraped longer ago is not the present: two scrapes of 30 s and some delay.
    fresh: str = "1m15s"

    #: An alert about missing agents rests on a window of this length. The aim is that it fires
    #: within five minutes: that leaves one for the scrape and the evaluation.
    page_window: str = "4m"
    #: So many samples of the window may show somebody: one scrape of 30 s. An agent who appears
    #: for a moment ends nothing, and one who just left delays nothing.
    blink_samples: int = 2
    #: So many samples of the window must be zero. The others may be missing: fetches fail.
    empty_samples: int = 9
    #: ... and one of them stands in the first part of the window: zeros that a passing outage lets
    #: through have to last as long as others.
    first_part: str = "1m"
    #: Somebody is there again when more than this share of what was read in the window says so ...
    staffed_share: float = 0.5
    #: ... in at least so many samples: more than one scrape of 30 s makes.
    staffed_samples: int = 3
    #: A text says that the queue cannot be read when it was not in this time: not for each failed
    #: fetch.
    just_now: str = "1m"
    #: That nobody is logged in is believed when this share of the window says so.
    logged_out_share: float = 0.8
    #: Too few agents is no emergency, and shift changes take minutes.
    short_window: str = "10m"
    #: Of what could have been read in that window, this much was: most.
    read_share: float = 0.6
    #: For so much of that window too few are there; the rest is an agent who appears for a moment.
    short_share: float = 0.87
    #: A queue is remembered, with its team and an alert about its agents, while some exporter has
    #: named it in this time.
    remembered: str = "1h"

    #: A queue that could not be read in most of this time is blind: one passing fault of the
    #: API is not.
    unreadable_window: str = "10m"
    #: ... or of which less than this part was read: a little more than an alert about agents needs
    #: of its window. Reads that fail in a row leave no window with enough, though there are enough
    #: over all.
    unreadable_share: float = 0.66
    #: It has to last so long: any cause that has an alert of its own comes first.
    unreadable_for: str = "3m"
    #: A queue that was read throughout this time is readable again, whatever was before. Not
    #: longer, so that what follows from a cause ends before the cause does.
    readable_again: str = "2m"
    #: A silo is reported before its queues are, and silences them.
    silo_window: str = "5m"
    #: What stays until a person fixes it (a key, an id, filters) is reported after this time: one
    #: odd answer passes, and it comes before the queues are reported as unreadable.
    cause_for: str = "2m"
    #: A cause stays so long after it was fixed: longer than all that follows from it, which is
    #: `readable_again` or `errors_recent`, and then `keep`.
    cause_keep: str = "12m"
    #: A refused reload, one exporter of a pair that fails, and slow or failing requests need not
    #: be reported at once.
    lasting: str = "5m"
    #: A configured queue may be missing through a restart, but not longer.
    gone: str = "10m"
    #: After its condition has ended, an alert about reading stays so long: failures come and go.
    keep: str = "5m"

    #: Over this window the ratio of errors is taken: a single queue makes 30 requests in it.
    errors_window: str = "15m"
    #: ... while there were any in this one, so that an outage that is over is not reported.
    errors_recent: str = "5m"
    #: A tenth of the requests failing is not yet seen in the numbers, but leads there.
    errors_ratio: float = 0.1
    #: Over this window it is taken how long requests last.
    slow_window: str = "10m"
    #: This quantile of the requests ...
    slow_quantile: float = 0.95
    #: ... takes more than this part of what a scrape has: twice as slow, and queues are missing.
    slow_share: float = 0.5
    #: Over this window it is taken how often the API told the exporter to wait ...
    wait_window: str = "30m"
    #: ... and in this part of it: a fifth of the time blind ...
    wait_share: float = 0.2
    #: ... or so many refusals (429): one every three minutes.
    wait_refusals: int = 10

    #: Over this window changes between staffed and empty are counted ...
    flapping_window: str = "1h"
    #: ... and more of them than this are too many: one every five minutes.
    flapping_changes: int = 12

    #: An exporter that is scraped in less than `read_share` of this time, and that for `down_for`.
    down_window: str = "5m"
    down_for: str = "2m"
    #: No exporter at all for so long: longer than a restart of everything.
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
