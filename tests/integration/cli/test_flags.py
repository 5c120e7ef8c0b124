"""Flags, their variables and the words of the command line: help, suggestions, completion."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter import __version__
from exporter.cli.cli import calltools_exporter
from exporter.simulator import TOKEN
from tests.process_fixtures import (
    ROOT,
    RunMain,
    StartCommand,
    WriteConfiguration,
    run_program,
)
from tests.simulator import Simulator

ANYWHERE = "--web.listen-address=127.0.0.1:0"
#: Every command that there is.
COMMANDS = tuple(calltools_exporter.commands)


def test_flags_may_stand_before_the_command(
    simulator: Simulator, write_configuration: WriteConfiguration, run_main: RunMain
) -> None:
    path = write_configuration(simulator)
    for arguments in (
        ("check", f"--config.file={path}"),
        (f"--config.file={path}", "check"),
        ("--config.file", path, "--log.level", "debug", "check"),
    ):
        said = run_main(*arguments, CALLTOOLS_TOKEN=TOKEN)
        assert said.code == 0
        assert said.out == f"{path}: 1 account, 1 queue, no mistakes\n"
    assert run_main("--timeout", "5", "ping", f"--config.file={path}", "acme").code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["chek"], ": unknown command 'chek'; did you mean 'check'?"),
        (["--config.file=x", "run"], ": unknown command 'run'; the commands are serve, check,"),
        (["--config-file=x"], " serve: unknown '--config-file'; did you mean '--config.file'?"),
        (["--config.fil", "x.yml"], ": unknown '--config.fil'; did you mean '--config.file'?"),
        (["--config.file="], " serve: --config.file: found nothing, expected a path"),
        (["check", ""], " check: file: found nothing, expected a path"),
        (["check", "--web.config.file="], " check: --web.config.file: found nothing, expected"),
        (["-config.file=x"], " serve: unknown '-config.file'; did you mean '--config.file'?"),
        (["check", "x.yml", "y.yml"], " check: unexpected extra argument (y.yml)"),
        (["check", "x.yml", "--config.file=y.yml"], " check: found FILE and --config.file"),
        (["check", "--json"], " check: --json needs --online"),
        (["check", "--jsn"], " check: unknown '--jsn'"),
        (["ping", "--jsn"], " ping: unknown '--jsn'; did you mean '--json'?"),
        (["ping", "a", "b"], " ping: unexpected extra argument (b)"),
        (
            ["--web.max-requests=0"],
            " serve: --web.max-requests: found '0', expected a whole number from 1",
        ),
        (
            ["--scrape.timeout-offset=-1"],
            " serve: --scrape.timeout-offset: found '-1', expected seconds, from 0",
        ),
        (["ping", "--timeout=0"], " ping: --timeout: found '0', expected seconds, from 0.05 to"),
        (["ping", "--timeout="], " ping: --timeout: found '', expected seconds"),
        (["ping", "--timeout=1m-5s"], " ping: --timeout: found '1m-5s', expected seconds"),
        (["ping", "--timeout=1.2.3s"], " ping: --timeout: found '1.2.3s', expected seconds"),
        (["ping", "--timeout=61m"], " ping: --timeout: found '61m', expected seconds"),
        (["ping", "--timeout=soon"], " ping: --timeout: found 'soon', expected seconds"),
        (
            ["check", "--log.level=loud"],
            " check: --log.level: 'loud' is not one of 'debug', 'info', 'warn', 'error'",
        ),
        (["check", "--log.format"], " check: option '--log.format' requires an argument"),
        (["files"], " files: missing option '-o' / '--output'"),
        (["completion"], " completion: missing argument '{bash|zsh|fish}'"),
        (["completion", "tcsh"], " completion: shell: 'tcsh' is not one of 'bash', 'zsh', 'fish'"),
    ],
)
def test_a_mistake_on_the_command_line_is_named(
    arguments: list[str], words: str, run_main: RunMain
) -> None:
    said = run_main(*arguments)
    first, second = said.err.splitlines()
    assert first.startswith("calltools-exporter" + words)
    assert second.startswith("Try 'calltools-exporter")
    assert second.endswith(" --help'.")
    assert (said.code, said.out) == (2, "")


def test_a_mistake_in_a_variable_names_the_variable(run_main: RunMain) -> None:
    variable = {"CALLTOOLS_EXPORTER_WEB_MAX_REQUESTS": "many"}
    said = run_main("serve", **variable)
    assert said.code == 2
    assert (
        "--web.max-requests: found 'many', expected a whole number from 1"
        " (from $CALLTOOLS_EXPORTER_WEB_MAX_REQUESTS)\n"
    ) in said.err
    # The flag is what counts, and then what is told of.
    said = run_main("serve", "--web.max-requests=0", **variable)
    assert "found '0', expected" in said.err


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["--config.file=x", "--help"]])
def test_help_names_every_command(arguments: list[str], run_main: RunMain) -> None:
    said = run_main(*arguments)
    assert said.code == 0
    assert all(re.search(rf"^ +{command} +\S", said.out, re.MULTILINE) for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_names_its_flags_with_their_variables(
    command: str, run_main: RunMain
) -> None:
    said = run_main(command, "--help")
    assert said.code == 0
    text = " ".join(said.out.split())
    for name in re.findall(r"^  --([a-z]+\.[a-z.-]+)", said.out, re.MULTILINE):
        assert "env var: CALLTOOLS_EXPORTER_" + re.sub("[.-]", "_", name).upper() in text
    assert re.search("Exit codes: 0 .* 2 ", text)


@pytest.mark.parametrize("arguments", [["--version"], ["check", "--version"], ["version"]])
def test_version(arguments: list[str], run_main: RunMain) -> None:
    said = run_main(*arguments)
    assert (said.code, said.out) == (0, f"calltools-exporter {__version__}\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_as_a_word_is_the_help_of_a_command(command: str, run_main: RunMain) -> None:
    assert run_main("help", command).out == run_main(command, "--help").out
    assert run_main("help").out == run_main("--help").out


def test_help_of_an_unknown_command_suggests_one(run_main: RunMain) -> None:
    said = run_main("help", "pin")
    assert said.code == 2
    assert "unknown command 'pin'; did you mean 'ping'?" in said.err


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        (["pi"], ["ping"]),
        ([""], list(COMMANDS)),
        (["--web.en"], ["--web.enable-lifecycle"]),
        (["check", "--on"], ["--online"]),
        (["--log.level", "w"], ["warn"]),
        (["ping", "--log.format", ""], ["logfmt", "json"]),
    ],
)
def test_a_shell_completes_commands_and_flags(
    words: list[str], completed: list[str], run_main: RunMain
) -> None:
    said = run_main(
        COMP_WORDS=" ".join(["calltools-exporter", *words]),
        COMP_CWORD=str(len(words)),
        _CALLTOOLS_EXPORTER_COMPLETE="bash_complete",
    )
    assert (said.code, said.err) == (0, "")
    assert [line.partition(",")[2] for line in said.out.splitlines()] == completed


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_printed(shell: str, run_main: RunMain) -> None:
    said = run_main("completion", shell)
    assert said.code == 0
    assert f"_CALLTOOLS_EXPORTER_COMPLETE={shell}_complete" in said.out


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        *((word, True) for word in ("on", "ON", "yes", "true", "True", "1")),
        *((word, False) for word in ("off", "no", "FALSE", "0", "")),
    ],
)
def test_a_switch_in_the_environment(
    word: str, *, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLTOOLS_EXPORTER_WEB_ENABLE_LIFECYCLE", word)
    serve = calltools_exporter.commands["serve"]
    for arguments, value in (([], expected), (["--no-web.enable-lifecycle"], False)):
        with serve.make_context("serve", list(arguments)) as context:
            assert context.params["web_enable_lifecycle"] is value


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1m30s", 90), ("2m", 120), ("500ms", 0.5), ("1h", 3600), ("7", 7), ("0.5s", 0.5), ("0", 0)],
)
def test_durations_of_flags_are_written_as_those_of_the_file(text: str, seconds: float) -> None:
    serve = calltools_exporter.commands["serve"]
    with serve.make_context("serve", [f"--config.auto-reload-interval={text}"]) as context:
        assert context.params["config_auto_reload_interval"] == seconds


def test_a_switch_that_is_neither_on_nor_off_is_a_mistake(run_main: RunMain) -> None:
    said = run_main("serve", CALLTOOLS_EXPORTER_WEB_ENABLE_LIFECYCLE="maybe")
    assert said.code == 2
    assert (
        "--web.enable-lifecycle: found 'maybe', expected true or false"
        " (from $CALLTOOLS_EXPORTER_WEB_ENABLE_LIFECYCLE)\n"
    ) in said.err


@pytest.mark.parametrize("command", ["check", "ping"])
def test_variables_of_an_account_are_warned_of_beside_a_file(
    command: str, simulator: Simulator, write_configuration: WriteConfiguration
) -> None:
    path = write_configuration(simulator)
    said = run_program(
        command,
        f"--config.file={path}",
        CALLTOOLS_ACCOUNT="x",
        CALLTOOLS_QUEUES="5460",
        CALLTOOLS_URL="",
    )
    assert said.code == 0
    (line,) = said.err.splitlines()
    assert line.endswith(
        'msg="Environment variables without effect, as a file has the accounts"'
        f' variables="CALLTOOLS_QUEUES CALLTOOLS_ACCOUNT" file={path}'
    )


@pytest.mark.parametrize("command", ["check", "ping"])
def test_unknown_variables_are_warned_of(
    command: str,
    simulator: Simulator,
    write_configuration: WriteConfiguration,
) -> None:
    path = write_configuration(simulator, token_env="CALLTOOLS_TOKEN_ACME")
    said = run_program(
        command,
        f"--config.file={path}",
        CALLTOOLS_TOKEN_ACME=TOKEN,
        CALLTOOLS_TOKEN="",
        CALLTOOLS_EXPORTER_LOG_LEVL="debug",
        CALLTOOLS_QUEUE="5457",
        CALLTOOLS_EXPORTER_LOG_FORMAT="logfmt",
        # What Kubernetes sets for services that are called calltools and calltools-exporter.
        CALLTOOLS_SERVICE_HOST="10.0.0.1",
        CALLTOOLS_PORT="tcp://10.0.0.1:15457",
        CALLTOOLS_PORT_15457_TCP="tcp://10.0.0.1:15457",
        CALLTOOLS_EXPORTER_SERVICE_HOST="10.0.0.1",
        CALLTOOLS_EXPORTER_SERVICE_PORT_HTTP="15457",
        CALLTOOLS_EXPORTER_PORT="tcp://10.0.0.1:15457",
        CALLTOOLS_EXPORTER_PORT_15457_TCP_ADDR="10.0.0.1",
    )
    assert said.code == 0
    assert [line.partition("msg=")[2] for line in said.err.splitlines()] == [
        f'"Unknown environment variable" variable={found} did_you_mean={meant}'
        for found, meant in (
            ("CALLTOOLS_EXPORTER_LOG_LEVL", "CALLTOOLS_EXPORTER_LOG_LEVEL"),
            ("CALLTOOLS_QUEUE", "CALLTOOLS_QUEUES"),
        )
    ]


def test_a_folder_for_several_processes_is_not_needed(
    simulator: Simulator, write_configuration: WriteConfiguration, start_command: StartCommand
) -> None:
    exporter = start_command(
        f"--config.file={write_configuration(simulator)}",
        ANYWHERE,
        PROMETHEUS_MULTIPROC_DIR="/nowhere",
        prometheus_multiproc_dir="/nowhere",
    )
    assert 'calltools_api_requests_total{account="acme"}' in exporter.get("/metrics").text


@contextlib.contextmanager
def without_rights() -> Iterator[None]:
    """Run as a user who may read only what everybody may; root may read everything."""
    is_root = os.geteuid() == 0
    if is_root:
        os.setresuid(65534, 65534, 0)
    try:
        yield
    finally:
        if is_root:
            os.setresuid(0, 0, 0)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["check", "closed.yml"], 1),
        (["check", "--config.file=closed.yml"], 1),
        (["check", "--web.config.file=closed.yml", "closed.yml"], 1),
        (["serve", "--config.file=closed.yml"], 1),
        (["ping", "--config.file=closed.yml"], 2),
    ],
)
def test_a_given_file_that_cannot_be_read_is_a_mistake_like_any_other(
    arguments: list[str], code: int, run_main: RunMain, tmp_path: Path
) -> None:
    (tmp_path / "closed.yml").touch(mode=0)
    tmp_path.chmod(0o755)
    run_main(*arguments)  # all that is needed is imported
    with without_rights():
        said = run_main(*arguments)
    assert (said.code, said.out) == (code, "")
    assert said.err.startswith("closed.yml: cannot be read: Permission denied\n")


def test_a_current_folder_that_cannot_be_read_is_named(run_main: RunMain, tmp_path: Path) -> None:
    run_main("check")  # all that is needed is imported
    closed = tmp_path / "closed"
    closed.mkdir()
    os.chdir(closed)
    closed.chmod(0)
    with without_rights():
        said = run_main("check")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("exporter.yml: cannot be read: Permission denied; ")


def test_the_committed_schema_is_what_the_command_prints(run_main: RunMain) -> None:
    said = run_main("schema")
    assert said.code == 0
    assert said.out == (ROOT / "exporter.schema.json").read_text()
