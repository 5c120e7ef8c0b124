"""Fixtures that start real servers, and end them with the test."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from tests.e2e import tools
from tests.e2e.browser import Browser
from tests.e2e.servers import Alertmanager, Config, Prometheus
from tests.e2e.shell import Bash

RunsTool = Callable[..., subprocess.CompletedProcess[str]]


class StartsPrometheus(Protocol):
    """Starts a Prometheus with a configuration (a mapping, YAML text or a file) and flags."""

    def __call__(self, config: Config, *flags: str) -> Prometheus: ...


class StartsAlertmanager(Protocol):
    """Starts an Alertmanager with a configuration (a mapping, YAML text or a file) and flags."""

    def __call__(self, config: Config, *flags: str) -> Alertmanager: ...


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder, so that `-m "not e2e"` leaves them out."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="module", autouse=True)
def uncovered(untraced: None) -> None:
    """Leave coverage to the other tests."""


@pytest.fixture
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartsPrometheus]:
    """Start Prometheus servers that end with the test."""
    binary = tools.require("prometheus")
    with ExitStack() as running:

        def start(config: Config, *flags: str) -> Prometheus:
            server = Prometheus(binary, config, tmp_path_factory.mktemp("prometheus"), flags)
            running.callback(server.stop)
            return server

        yield start


@pytest.fixture
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartsAlertmanager]:
    """Start Alertmanagers that end with the test."""
    binary = tools.require("alertmanager")
    with ExitStack() as running:

        def start(config: Config, *flags: str) -> Alertmanager:
            server = Alertmanager(binary, config, tmp_path_factory.mktemp("alertmanager"), flags)
            running.callback(server.stop)
            return server

        yield start


@pytest.fixture
def promtool() -> RunsTool:
    """Return a callable that runs promtool; `stdin` is text for it."""
    return _runner("promtool")


@pytest.fixture
def amtool() -> RunsTool:
    """Return a callable that runs amtool; `stdin` is text for it."""
    return _runner("amtool")


@pytest.fixture
def chromium(tmp_path: Path) -> Browser:
    """Return a headless browser with an empty profile."""
    return Browser(tools.require("chromium"), tmp_path / "chromium")


@pytest.fixture
def bash(tmp_path: Path) -> Bash:
    """Return a shell in an empty folder."""
    return Bash(tmp_path)


def _runner(name: str) -> RunsTool:
    binary = tools.require(name)

    def run(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [binary, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run
