"""A plugin for pytest: today is a year from now, in the process of the tests.

Waits with a time-out keep the real clock, as they would in a year.
"""

import time

import time_machine

YEAR_SECONDS = 365 * 86400


def pytest_configure() -> None:
    """Move the wall clock, which goes on from there."""
    time_machine.travel(time.time() + YEAR_SECONDS, tick=True).start()
