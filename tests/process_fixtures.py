"""The command line under test: called in this process, or run in one of its own."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import coverage
import pytest
import requests
import structlog
import yaml

from exporter import logs
from exporter.cli.run import main
from exporter.simulator import AVAILABLE, TOKEN
from tests.simulator import Simulator
from tests.simulator_fixtures import TlsAuthority

ROOT = Path(__file__).parents[1]
PROGRAM = (sys.executable, "-m", "exporter")

#: What is set where the exporter runs: nothing of the developer's own, and the simulator's key.
ENVIRON: Mapping[str, str] = {
    "PATH": os.environ["PATH"],
    "PYTHONPATH": str(ROOT),
    "CALLTOOLS_TOKEN": TOKEN,
    **{name: word for name, word in os.environ.items() if name.startswith("COVERAGE_")},
}
#: The same without coverage, which makes a start half as dear again, where others cover the lines.
UNTRACED: Mapping[str, str] = {
    name: word for name, word in ENVIRON.items() if not name.startswith("COVERAGE_")
}


@pytest.fixture(scope="module")
def untraced() -> Iterator[None]:
    """Run a module's tests, and the programs that they start, without coverage.

    Python runs half as long again, or twice, while it is traced. For modules that are dear and run
    lines that others cover.
    """
    tracing = coverage.Coverage.current()
    with pytest.MonkeyPatch.context() as patch:
        for name in ENVIRON.keys() - UNTRACED.keys():
            patch.delenv(name)
        patch.setattr(sys.modules[__name__], "ENVIRON", UNTRACED)
        if tracing is not None:
            tracing.stop()
        yield
        if tracing is not None:
            tracing.start()


@dataclass(frozen=True)
class Said:
    """What a command wrote, and how it ended."""

    code: int
    out: str
    err: str


def run_program(*arguments: str | Path, cwd: Path | None = None, **environ: str) -> Said:
    """Run a command in a process of its own until it ends."""
    done = subprocess.run(
        [*PROGRAM, *arguments],
        cwd=cwd,
        env={**ENVIRON, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Said(done.returncode, done.stdout, done.stderr)


class WriteLogs(Protocol):
    def __call__(self, level: str, style: str) -> io.StringIO: ...


class RunMain(Protocol):
    def __call__(self, *arguments: str | Path, **environ: str) -> Said: ...


class WriteConfiguration(Protocol):
    def __call__(
        self, simulator: Simulator, queues: Mapping[int, str] | None = None, **account: object
    ) -> Path: ...


class StartCommand(Protocol):
    def __call__(self, *arguments: str | Path, **environ: str) -> Command: ...


class Command:
    """A running command that serves HTTP, with what it has written so far."""

    def __init__(self, folder: Path, arguments: tuple[str | Path, ...], **environ: str) -> None:
        self._written = folder / "written"
        with self._written.open("wb") as written:
            self.process = subprocess.Popen(
                [*PROGRAM, *arguments],
                cwd=folder,
                env={**ENVIRON, **environ},
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=written,
            )
        self.urls = [url.rstrip("/") for url in self._wait_for_urls()]
        self.session = requests.Session()
        self.session.trust_env = False

    @property
    def url(self) -> str:
        """Where it answers, without a slash at the end."""
        return self.urls[0]

    def written(self) -> str:
        """Return what it has written to standard output and error."""
        return self._written.read_text()

    def get(self, path: str, **headers: str) -> requests.Response:
        """Ask for a path; `_` in a header's name stands for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.session.get(self.url + path, headers=named, timeout=30)

    def stop(self) -> int:
        """End it by SIGTERM and return its exit code."""
        self.session.close()
        self.process.terminate()
        try:
            return self.process.wait(20)
        finally:
            self.process.kill()
            self.process.wait()

    def _wait_for_urls(self) -> list[str]:
        """Wait until it has said where it listens; from then on it can be asked."""
        deadline = time.monotonic() + 30
        while not (said := re.search(r"(?:listens|Open|addresses).*", self.written())):
            assert self.process.poll() is None, self.written()
            assert time.monotonic() < deadline, self.written()
            time.sleep(0.02)
        return re.findall(r"https?://[^\s\";]+?/(?=[\s\";m]|$)", said[0])


@pytest.fixture
def restore_logging() -> Iterator[None]:
    """Give the logs back to pytest when the test ends."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def write_logs(restore_logging: None) -> WriteLogs:  # noqa: ARG001
    """Write the logs into what is returned."""

    def write(level: str, style: str) -> io.StringIO:
        stream = io.StringIO()
        logs.configure(level, style, stream)
        return stream

    return write


@pytest.fixture
def run_main(
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    restore_logging: None,  # noqa: ARG001
) -> RunMain:
    """Run a command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path, **environ: str) -> Said:
        for name, word in environ.items():
            monkeypatch.setenv(name, word)
        capfd.readouterr()
        code = main([str(word) for word in arguments])
        if logs._writer is not None:
            logs._writer.close()  # as at the end of a process
        return Said(code, *capfd.readouterr())

    return run


@contextlib.contextmanager
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartCommand]:
    """Start commands that are ended, if they still run, with the ``with`` block."""
    with contextlib.ExitStack() as running:

        def start(*arguments: str | Path, **environ: str) -> Command:
            command = Command(tmp_path_factory.mktemp("command"), arguments, **environ)
            running.callback(command.stop)
            return command

        yield start


@pytest.fixture
def start_command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartCommand]:
    """Start commands that are ended, if they still run, with the test."""
    with commands(tmp_path_factory) as start:
        yield start


@pytest.fixture(scope="module")
def start_shared_command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartCommand]:
    """Start commands that the tests of a module share: each start costs more than a second.

    They are for tests that ask, and leave the process as it was.
    """
    with commands(tmp_path_factory) as start:
        yield start


def account_settings(simulator: Simulator, queues: Mapping[int, str]) -> dict[str, object]:
    """Return the account `acme` of a simulator with these queues, as exporter.yml has it."""
    return {
        "name": "acme",
        "url": simulator.url,
        "token_env": "CALLTOOLS_TOKEN",
        "available_status": AVAILABLE,
        "queues": [{"id": id_, "name": name} for id_, name in queues.items()],
    }


@pytest.fixture
def write_configuration(tmp_path: Path, tls_authority: TlsAuthority) -> WriteConfiguration:
    """Write an exporter.yml for a simulator: the account `acme` with the queue `sales`."""

    def write(
        simulator: Simulator, queues: Mapping[int, str] | None = None, **account: object
    ) -> Path:
        settings = account_settings(simulator, queues or {5457: "sales"})
        if simulator.tls:
            settings["tls"] = {"ca_file": str(tls_authority.ca_file)}
        path = tmp_path / "exporter.yml"
        path.write_text(yaml.safe_dump({"accounts": [{**settings, **account}]}, sort_keys=False))
        return path

    return write
