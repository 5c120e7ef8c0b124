"""What all tests share."""

import os
import re
import signal
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings

from tests.e2e import tools

pytest_plugins = [
    "tests.simulator_fixtures",
    "tests.process_fixtures",
    "tests.terminal_fixtures",
]

# How often Hypothesis tries each property: some tens of other examples in every run, and thousands
# after a change of what is tested. No test has a number of its own.
settings.register_profile("quick", max_examples=40, deadline=None, print_blob=True)
settings.register_profile(
    "thorough",
    settings.get_profile("quick"),
    max_examples=2000,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or "quick")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-docs",
        action="store_true",
        help="write the tables of docs/ that tests make, in place of comparing them",
    )


@pytest.fixture
def check_table(pytestconfig: pytest.Config) -> Callable[[str, str, str], None]:
    """Compare a table of a page of docs/ with the tests' own, or write it with ``--write-docs``.

    It stands between `<!-- NAME: made by make docs -->` and `<!-- /NAME -->`.
    """
    folder = pytestconfig.rootpath / "docs"

    def check(page: str, name: str, table: str) -> None:
        path = folder / page
        text = path.read_text(encoding="utf-8")
        pattern = rf"(<!-- {name}: made by make docs -->\n\n).*?(\n\n<!-- /{name} -->)"
        made, found = re.subn(
            pattern, lambda mark: mark[1] + table + mark[2], text, flags=re.DOTALL
        )
        assert found == 1, f"docs/{page} has no place for {name}"
        if pytestconfig.getoption("write_docs"):
            path.write_text(made, encoding="utf-8")
        else:
            assert text == made, f"write docs/{page} anew: make docs"

    return check


def pytest_configure() -> None:
    """Prepare what the programs that tests start inherit: how they heed Ctrl-C, and their cost.

    In a shell's background Ctrl-C is ignored, and what it does is tested.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Prometheus and its tools are Go programs. As the tests already run beside each other, one
    # processor for each, and less tidying of their memory, save a third of what promtool costs.
    os.environ.setdefault("GOMAXPROCS", "1")
    os.environ.setdefault("GOGC", "400")


def pytest_report_header() -> str:
    """Say which programs the end-to-end tests will run."""
    return "tools: " + ", ".join(f"{name} {tools.version(name)}" for name in tools.NAMES)
