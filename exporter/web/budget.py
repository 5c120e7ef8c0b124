"""How long a page may take."""

from __future__ import annotations

from typing import Final

__all__ = ["DEFAULT_BUDGET_SECONDS", "TIMEOUT_HEADER", "budget_seconds"]

#: What Prometheus says of its own patience, in seconds, with each scrape.
TIMEOUT_HEADER: Final = "X-Prometheus-Scrape-Timeout-Seconds"
#: For who does not say it: a person with a browser, a script.
DEFAULT_BUDGET_SECONDS: Final = 10.0

_SENSIBLE_SECONDS: Final = (0.001, 3600.0)


def budget_seconds(timeout: str | None, *, offset: float, rendering: float) -> float:
    """Return the seconds that a scrape may take, from the header's text.

    The offset, for the way back, and the rendering are taken off; but at least half of the
    time-out is used, so that a short one still leaves a scrape something. A header that is
    missing, no number, under a millisecond or above an hour counts as none.
    """
    try:
        seconds = float(timeout or "nan")
    except ValueError:
        return DEFAULT_BUDGET_SECONDS
    shortest, longest = _SENSIBLE_SECONDS
    if not shortest <= seconds <= longest:
        return DEFAULT_BUDGET_SECONDS
    return max(seconds - offset - rendering, seconds / 2)
