"""Output that cannot be written, streams that are closed, readers that leave."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
import time
from typing import NoReturn

import pytest
import requests

from exporter.cli.terminal import progress
from exporter.simulator import SimulatedAccount
from tests.process_fixtures import (
    ENVIRON,
    PROGRAM,
    RunMain,
    WriteConfiguration,
    run_program,
)
from tests.simulator import FixedWorld, Simulator
from tests.simulator_fixtures import StartSimulator


def run_shell(line: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command line of a shell, in which `exporter` is the program."""
    program = f'exporter() {{ exec {shlex.join(PROGRAM)} "$@"; }}'
    return subprocess.run(
        ["sh", "-c", f"{program}; {line}"],
        env={**ENVIRON, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("command", "redirection", "reason", "code"),
    [
        ("ping", ">&-", "Bad file descriptor", 2),
        ("ping", ">/dev/full", "No space left on device", 2),
        ("ping --help", ">/dev/full", "No space left on device", 2),
        ("check", ">&-", "Bad file descriptor", 1),
        ("version", ">/dev/full", "No space left on device", 1),
    ],
)
def test_output_that_cannot_be_written_is_a_failure(
    command: str,
    redirection: str,
    reason: str,
    code: int,
    simulator: Simulator,
    write_configuration: WriteConfiguration,
) -> None:
    path = write_configuration(simulator)
    done = run_shell(f"exporter {command} {redirection}", CALLTOOLS_EXPORTER_CONFIG_FILE=str(path))
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("calltools-exporter: ")
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full"])
def test_standard_error_is_not_needed(
    redirection: str, simulator: Simulator, write_configuration: WriteConfiguration
) -> None:
    path = write_configuration(simulator, {5460: "support"})
    variable = {"CALLTOOLS_EXPORTER_CONFIG_FILE": str(path), "CALLTOOLS_QUEUE": "warned of"}
    done = run_shell(f"exporter ping {redirection}", **variable)
    assert done.returncode == 1  # nobody, which was read
    assert "acme     support" in done.stdout
    assert run_shell(f"exporter ping nobody {redirection}", **variable).returncode == 2
    assert run_shell(f"exporter pin {redirection}", **variable).returncode == 2


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_serve_needs_no_standard_streams(
    closed: str, simulator: Simulator, write_configuration: WriteConfiguration, free_port: int
) -> None:
    path = write_configuration(simulator)
    address = f"127.0.0.1:{free_port}"
    shell = f"exec {' '.join(PROGRAM)} --config.file={path} --web.listen-address={address} {closed}"
    process = subprocess.Popen(["sh", "-c", shell], env=ENVIRON)
    try:
        page = ""
        deadline = time.monotonic() + 30
        while not page and time.monotonic() < deadline:
            assert process.poll() is None
            with contextlib.suppress(requests.ConnectionError):
                page = requests.get(f"http://{address}/metrics", timeout=20).text
            time.sleep(0.05)
        assert 'queue="sales"} 3.0' in page
    finally:
        process.terminate()
        assert process.wait(20) == 0


def test_an_encoding_that_lacks_a_letter_is_no_failure(
    start_simulator: StartSimulator, write_configuration: WriteConfiguration
) -> None:
    simulator = start_simulator(SimulatedAccount(FixedWorld({5457: "ventes — été ☎"})))
    path = write_configuration(simulator, {5457: "ventes — été ☎"})
    said = run_program("ping", f"--config.file={path}", PYTHONIOENCODING="ascii")
    assert (said.code, said.err) == (1, "")
    assert "acme     ventes \\u2014 \\xe9t\\xe9 \\u260e " in said.out


def test_a_failure_that_nobody_thought_of_is_not_nobody(
    monkeypatch: pytest.MonkeyPatch,
    simulator: Simulator,
    write_configuration: WriteConfiguration,
    run_main: RunMain,
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise RuntimeError("not thought of")

    monkeypatch.setattr("exporter.runtime.Runtime.__init__", fail)
    said = run_main("ping", f"--config.file={write_configuration(simulator)}")
    assert said.code == 2
    assert "RuntimeError: not thought of" in said.err


@pytest.mark.parametrize("rows", [1, 2000])
def test_a_reader_who_has_seen_enough_is_no_error(
    rows: int, simulator: Simulator, write_configuration: WriteConfiguration
) -> None:
    queues = {number: f"queue-{number}" for number in range(1, rows + 1)}
    path = write_configuration(simulator, queues, token_env="NO_SUCH_VARIABLE")
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        done = subprocess.run(
            [*PROGRAM, "ping", f"--config.file={path}"],
            env={**ENVIRON, "CALLTOOLS_TOKEN": ""},
            stdout=closed,
            stderr=subprocess.PIPE,
            check=False,
        )
    # As a program ends that SIGPIPE ends: none of the codes that tell of agents.
    assert (done.returncode, done.stderr) == (141, b"")


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_that_cannot_overwrite_a_line_shows_no_progress(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "dumb")
    with progress("asking"):
        pass
    assert screen.getvalue() == ""


def test_progress_is_no_wider_than_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that wraps is written below itself, again and again."""

    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("COLUMNS", "24")
    monkeypatch.delenv("TERM", raising=False)
    deadline = time.monotonic() + 20
    with progress("asking for a long name"):
        while not screen.getvalue() and time.monotonic() < deadline:
            time.sleep(0.01)
    assert re.match("\rasking for a lo … [0-9] s", screen.getvalue())
