"""What all tests share."""

from tests.e2e import tools

pytest_plugins = [
    "tests.simulator_fixtures",
    "tests.process_fixtures",
    "tests.terminal_fixtures",
]


def pytest_report_header() -> str:
    """Say which programs the end-to-end tests will run."""
    return "tools: " + ", ".join(f"{name} {tools.version(name)}" for name in tools.NAMES)
