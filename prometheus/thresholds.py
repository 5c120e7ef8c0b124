"""Every threshold and window of the rules, each with its reason; the rules name no number."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Self

__all__ = ["Thresholds", "seconds"]


_PART: Final = re.compile(r"(\d+)([smhd])")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What the rules rest on. Times are text as in Prometheus; shares are between 0 and 1."""

    #: The rules are evaluated so often, whatever the server's own interval, so that the number of
    #: recorded samples in a window is known, with scrapes of 15 s as with 30 s.
    evaluation: str = "15s"
    #: The coverage is evaluated so often: it looks back days, not seconds.
    coverage_evaluation: str = "5m"
    #: A number scraped longer ago is not the present: two scrapes of 30 s and some delay.
    fresh: str = "1m15s"

    #: A page rests on a window of this length. The aim is to miss no empty spell of six minutes:
    #: that leaves two for the scrape, the evaluation, and a restart in between.
    page_window: str = "4m"
    #: Too few agents is no emergency, and shift changes take minutes.
    short_window: str = "10m"
    #: Of what could have been read in a window, this much was: most.
    read_share: float = 0.6
    #: An agent who is there for so small a part of a window ended nothing: one scrape of 30 s in
    #: the page's window, two samples of 16.
    blink_share: float = 0.13
    #: A queue is staffed again when all that was read in this time says so: longer than a blink.
    #: Where too little of it was read, all of the page's window says so, or of the unreadable one.
    settled: str = "1m"
    #: A page is held through what cannot be read, and a team remembered, while some exporter
    #: has told of the queue in this time. It ends the page of a queue that was removed.
    remembered: str = "1h"

    #: A queue that could not be read in the most of this time is blind: one passing fault of the
    #: API is not, and the page's window fits twice.
    unreadable_window: str = "10m"
    #: ... or of which less than this part was read: a little more than a page needs of its window.
    #: Reads that fail in a row leave no window with enough, though there are enough over all.
    unreadable_share: float = 0.66
    #: While that is so for so long it is told: after any cause that has an alert of its own.
    unreadable_for: str = "3m"
    #: A queue that was read throughout this time is readable again, whatever was before. Not
    #: longer, so that what follows from a cause ends before the cause does.
    mended: str = "2m"
    #: A silo is told of before its queues are, and silences them.
    silo_window: str = "5m"
    #: What stays until a person mends it (a key, an id, filters) is told of after this time: one
    #: odd answer passes, and it is told before the queues are told to be unreadable.
    cause_for: str = "2m"
    #: A cause stays so long after it was mended: longer than all that follows from it, which is
    #: `mended` or `errors_recent`, and then `keep`.
    cause_keep: str = "12m"
    #: A refused reload and slow or failing requests need not be told at once.
    lasting: str = "5m"
    #: A configured queue may be missing through a restart, but not longer.
    gone: str = "10m"
    #: After its condition has ended, an alert about reading stays so long: failures come and go.
    keep: str = "5m"

    #: Over this window the ratio of errors is taken: a single queue makes 30 requests in it.
    errors_window: str = "15m"
    #: ... while there were any in this one, so that an outage is not told of when it is over.
    errors_recent: str = "5m"
    #: A tenth of the requests failing is not yet seen in the numbers, but leads there.
    errors_ratio: float = 0.1
    #: Over this window it is taken how long requests last.
    slow_window: str = "10m"
    #: This quantile of the requests ...
    slow_quantile: float = 0.95
    #: ... takes more than this part of what a scrape has: twice as slow, and queues are missing.
    slow_share: float = 0.5
    #: Over this window it is taken how often the API told to wait ...
    wait_window: str = "30m"
    #: ... and in this part of it: a fifth of the time blind ...
    wait_share: float = 0.2
    #: ... or so many refusals (429): one every three minutes.
    wait_refusals: int = 10

    #: Over this window changes between staffed and empty are counted ...
    flapping_window: str = "1h"
    #: ... and more of them than this are too many: one every five minutes.
    flapping_changes: int = 12

    #: An exporter that is scraped in less than the most of this time, and that for `down_for`.
    down_window: str = "5m"
    down_for: str = "2m"
    #: No exporter at all for so long: longer than a restart of everything.
    absent_for: str = "5m"

    def samples(self, window: str) -> int:
        """Return how many samples the rules record in a window."""
        return seconds(window) // seconds(self.evaluation)

    def most(self, window: str) -> int:
        """Return how many samples are the most of a window."""
        return math.ceil(self.read_share * self.samples(window))

    def hurried(self, times: int) -> Self:
        """Return the same with every time divided, for tests that cannot wait."""
        shorter: dict[str, Any] = {
            field.name: f"{max(1, seconds(value) // times)}s"
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), str)
        }
        return replace(self, **shorter)


def seconds(duration: str) -> int:
    """Return the seconds of a time in Prometheus' notation, such as `1m15s`."""
    return sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(duration))
