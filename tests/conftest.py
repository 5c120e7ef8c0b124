"""What all tests share."""

import signal

from tests.e2e import tools

pytest_plugins = [
    "tests.simulator_fixtures",
    "tests.process_fixtures",
    "tests.terminal_fixtures",
]


def pytest_configure() -> None:
    """Heed Ctrl-C, and so whatever is started from here, also as a job in a shell's background.

    There it is ignored, which processes inherit, and what it does is tested.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    """Say which programs the end-to-end tests will run."""
    return "tools: " + ", ".join(f"{name} {tools.version(name)}" for name in tools.NAMES)
