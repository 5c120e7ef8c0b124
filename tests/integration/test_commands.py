"""The command line as a user meets it: words, exit codes, signals."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import pytest
import requests

from exporter import __version__
from exporter.cli.cli import calltools_exporter
from exporter.simulator import TOKEN, SimulatedAccount
from tests.process_fixtures import (
    ENVIRON,
    PROGRAM,
    ROOT,
    RunMain,
    StartCommand,
    WriteConfiguration,
    run_program,
)
from tests.simulator import FixedWorld, Simulator
from tests.simulator_fixtures import StartSimulator

ANYWHERE = "--web.listen-address=127.0.0.1:0"
#: Every command that there is.
COMMANDS = tuple(calltools_exporter.commands)


@pytest.fixture
def world() -> FixedWorld:
    """An account with three agents for sales, none for support."""
    made = FixedWorld()
    made.set_available(5457, 3)
    return made


@pytest.fixture
def simulator(start_simulator: StartSimulator, world: FixedWorld) -> Simulator:
    return start_simulator(SimulatedAccount(world))


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


# serve


def test_serve_answers_scrapes_and_says_where(
    simulator: Simulator, write_configuration: WriteConfiguration, start_command: StartCommand
) -> None:
    path = write_configuration(simulator, {5457: "sales", 5460: "support"})
    exporter = start_command("serve", f"--config.file={path}", ANYWHERE)
    page = exporter.get("/metrics").text
    assert 'calltools_queue_available_agents{account="acme",queue="sales"} 3.0' in page
    assert 'calltools_queue_available_agents{account="acme",queue="support"} 0.0' in page
    assert exporter.get("/-/ready").status_code == 200
    assert exporter.stop() == 0
    begun, ended = exporter.written().splitlines()
    assert 'level=info msg="calltools-exporter listens"' in begun
    assert f" addresses={exporter.url}/ accounts=1 queues=2" in begun
    assert 'msg="calltools-exporter stopped"' in ended


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_end_answers_what_is_in_flight_first(
    number: signal.Signals,
    simulator: Simulator,
    write_configuration: WriteConfiguration,
    start_command: StartCommand,
) -> None:
    simulator.faults.set("hang", seconds=1.0)
    exporter = start_command(f"--config.file={write_configuration(simulator)}", ANYWHERE)
    with ThreadPoolExecutor(1) as client:
        answer = client.submit(exporter.get, "/metrics")
        assert simulator.wait_until(lambda: simulator.requests_total > 0)
        exporter.process.send_signal(number)
        assert 'available_agents{account="acme",queue="sales"} 3.0' in answer.result().text
    assert exporter.process.wait(20) == 0
    assert "Traceback" not in exporter.written()


def test_a_taken_port_is_one_line(
    simulator: Simulator, write_configuration: WriteConfiguration, run_main: RunMain
) -> None:
    path = write_configuration(simulator)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        said = run_main("serve", "--config.file", path, "--web.listen-address", address)
    assert said.code == 1
    assert said.err == (
        f"calltools-exporter: cannot listen on '{address}': another program, or another address"
        " given here, already has the port\n"
    )


@pytest.mark.parametrize("way", ["flags", "variable"])
def test_serve_listens_on_several_addresses(
    way: str,
    simulator: Simulator,
    write_configuration: WriteConfiguration,
    start_command: StartCommand,
) -> None:
    config = f"--config.file={write_configuration(simulator)}"
    if way == "flags":
        exporter = start_command(config, ANYWHERE, "--web.listen-address", "[::1]:0")
    else:
        exporter = start_command(
            config, CALLTOOLS_EXPORTER_WEB_LISTEN_ADDRESS="127.0.0.1:0, [::1]:0"
        )
    assert [url.rpartition(":")[0] for url in exporter.urls] == ["http://127.0.0.1", "http://[::1]"]
    assert all(requests.get(f"{url}/-/healthy", timeout=20).ok for url in exporter.urls)


def test_each_flag_has_a_variable(
    simulator: Simulator, write_configuration: WriteConfiguration, start_command: StartCommand
) -> None:
    exporter = start_command(
        CALLTOOLS_EXPORTER_CONFIG_FILE=str(write_configuration(simulator)),
        CALLTOOLS_EXPORTER_WEB_LISTEN_ADDRESS="127.0.0.1:0",
        CALLTOOLS_EXPORTER_LOG_FORMAT="json",
        CALLTOOLS_EXPORTER_LOG_LEVEL="debug",
        CALLTOOLS_EXPORTER_SCRAPE_TIMEOUT_OFFSET="4s",
    )
    page = exporter.get("/metrics", X_Prometheus_Scrape_Timeout_Seconds="10").text
    budget = re.search("^calltools_scrape_budget_seconds (.*)$", page, re.MULTILINE)
    assert budget
    assert 5 < float(budget[1]) <= 6
    begun, read = (json.loads(line) for line in exporter.written().splitlines())
    assert begun["queues"] == 1
    assert (read["level"], read["msg"], read["available"]) == ("debug", "queue read", 3)


def test_a_flag_goes_before_its_variable(
    simulator: Simulator, write_configuration: WriteConfiguration, start_command: StartCommand
) -> None:
    exporter = start_command(
        f"--config.file={write_configuration(simulator)}",
        ANYWHERE,
        CALLTOOLS_EXPORTER_CONFIG_FILE="/nowhere/exporter.yml",
        CALLTOOLS_EXPORTER_WEB_LISTEN_ADDRESS="nonsense",
    )
    assert 'queue="sales"} 3.0' in exporter.get("/metrics").text


def test_one_account_needs_no_file(simulator: Simulator, start_command: StartCommand) -> None:
    exporter = start_command(
        ANYWHERE,
        CALLTOOLS_URL=simulator.url,
        CALLTOOLS_TOKEN=f" token {TOKEN}\n",
        CALLTOOLS_AVAILABLE_STATUS="20561",
        CALLTOOLS_QUEUES="5457,5460",
    )
    page = exporter.get("/metrics").text
    assert 'calltools_queue_available_agents{account="127.0.0.1",queue="5457"} 3.0' in page
    assert 'calltools_queue_available_agents{account="127.0.0.1",queue="5460"} 0.0' in page


def test_requests_at_a_time_can_be_limited(
    start_simulator: StartSimulator,
    write_configuration: WriteConfiguration,
    start_command: StartCommand,
) -> None:
    queues = {number: f"queue-{number}" for number in range(1, 9)}
    simulator = start_simulator(SimulatedAccount(FixedWorld(queues)), latency=0.05)
    most = 0

    def look(_: object) -> None:
        nonlocal most
        most = max(most, simulator.connections_open)

    simulator.before_answer = look
    path = write_configuration(simulator, queues)
    exporter = start_command(f"--config.file={path}", ANYWHERE, "--scrape.max-parallel-requests=2")
    assert exporter.get("/metrics").text.count("\ncalltools_queue_available_agents{") == 8
    assert most == 2


def test_serve_warns_of_certificates_that_are_not_checked(
    start_simulator: StartSimulator,
    write_configuration: WriteConfiguration,
    start_command: StartCommand,
) -> None:
    simulator = start_simulator(tls=True)
    path = write_configuration(simulator, tls={"insecure_skip_verify": True})
    exporter = start_command(f"--config.file={path}", ANYWHERE)
    assert 'queue="sales"} 0.0' in exporter.get("/metrics").text
    (warning,) = re.findall("level=warning .*", exporter.written())
    assert warning.startswith('level=warning msg="certificate is not checked" account=acme')


def test_serve_tells_all_mistakes_and_does_not_start(run_main: RunMain, tmp_path: Path) -> None:
    (tmp_path / "exporter.yml").write_text("accounts:\n  - nam: acme\n    queues: []\n")
    said = run_main()
    assert said.code == 1
    assert said.out == ""
    assert "exporter.yml:2:5: accounts[0].nam: unknown key, did you mean 'name'?\n" in said.err
    assert said.err.splitlines() == run_main("check").err.splitlines()[:-1]


# flags and commands


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
        (["-config.file=x"], " serve: unknown '-config.file'; did you mean '--config.file'?"),
        (["check", "x.yml", "y.yml"], " check: unexpected extra argument (y.yml)"),
        (["check", "x.yml", "--config.file=y.yml"], " check: found FILE and --config.file"),
        (["check", "--json"], " check: --json is only for --online"),
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
        (["ping", "--timeout=soon"], " ping: --timeout: found 'soon', expected seconds"),
        (
            ["check", "--log.level=loud"],
            " check: --log.level: found 'loud', expected debug or info or warn or error",
        ),
        (["check", "--log.format"], " check: option '--log.format' requires an argument"),
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


def test_a_switch_that_is_neither_on_nor_off_is_a_mistake(run_main: RunMain) -> None:
    said = run_main("serve", CALLTOOLS_EXPORTER_WEB_ENABLE_LIFECYCLE="maybe")
    assert said.code == 2
    assert (
        "--web.enable-lifecycle: found 'maybe', expected true or false"
        " (from $CALLTOOLS_EXPORTER_WEB_ENABLE_LIFECYCLE)\n"
    ) in said.err


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
        CALLTOOLS_EXPORTER_LOG_LEVL="debug",
        CALLTOOLS_QUEUE="5457",
        CALLTOOLS_EXPORTER_LOG_FORMAT="logfmt",
        # What Kubernetes sets for a service that is called calltools-exporter.
        CALLTOOLS_EXPORTER_SERVICE_HOST="10.0.0.1",
        CALLTOOLS_EXPORTER_SERVICE_PORT_HTTP="15457",
        CALLTOOLS_EXPORTER_PORT="tcp://10.0.0.1:15457",
        CALLTOOLS_EXPORTER_PORT_15457_TCP_ADDR="10.0.0.1",
    )
    assert said.code == 0
    assert [line.partition("msg=")[2] for line in said.err.splitlines()] == [
        f'"unknown environment variable" variable={found} did_you_mean={meant}'
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


def test_a_current_folder_that_cannot_be_read_has_no_configuration(
    run_main: RunMain, tmp_path: Path
) -> None:
    said = run_main("check")  # all that is needed is imported
    closed = tmp_path / "closed"
    closed.mkdir()
    os.chdir(closed)
    closed.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # root may read everything
    try:
        assert run_main("check") == said
    finally:
        if user == 0:
            os.seteuid(user)


# output


def run_shell(line: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command line of a shell, in which `exporter` is the program."""
    program = f'exporter() {{ exec {" ".join(PROGRAM)} "$@"; }}'
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


def test_the_committed_schema_is_what_the_command_prints(run_main: RunMain) -> None:
    said = run_main("schema")
    assert said.code == 0
    assert said.out == (ROOT / "exporter.schema.json").read_text()


# check


def test_check_lists_every_mistake(run_main: RunMain, tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text(
        "accounts:\n"
        "  - name: acme\n"
        "    url: ftp://example.com\n"
        "    token_env: TOKEN\n"
        "    available_status: 0\n"
        "    queus: [5457]\n"
    )
    said = run_main("check", "--config.file=mine.yml")
    assert (said.code, said.out) == (1, "")
    *mistakes, total = said.err.splitlines()
    assert total == f"{len(mistakes)} mistakes"
    places = [line.partition(" ")[0] for line in mistakes]
    assert {"mine.yml:3:10:", "mine.yml:5:23:", "mine.yml:6:5:"} <= set(places)
    assert "did you mean 'queues'?" in said.err


def test_check_reads_the_keys(
    simulator: Simulator, write_configuration: WriteConfiguration, run_main: RunMain
) -> None:
    path = write_configuration(simulator, token_env="NO_SUCH_VARIABLE")
    said = run_main("check", "--config.file", path)
    assert said.code == 1
    assert re.fullmatch(
        rf"{re.escape(str(path))}:\d+:\d+: accounts\[0\]\.token_env: "
        r"token_env NO_SUCH_VARIABLE is empty; expected the API key\n1 mistake\n",
        said.err,
    )


def test_check_accepts_the_example(run_main: RunMain) -> None:
    example = ROOT / "exporter.yml"
    said = run_main("check", "--config.file", example, CALLTOOLS_TOKEN=TOKEN)
    assert (said.code, said.err) == (0, "")
    assert said.out == f"{example}: 1 account, 2 queues, no mistakes\n"


def test_without_any_configuration_it_is_said_what_to_do(run_main: RunMain) -> None:
    for command, code in (("check", 1), ("serve", 1), ("ping", 2)):
        said = run_main(command)
        assert said.code == code
        assert said.err.startswith("exporter.yml: is not here; write one with ")
        assert "CALLTOOLS_URL" in said.err
        assert "demo" in said.err


# ping


def test_ping_prints_a_table(
    simulator: Simulator, write_configuration: WriteConfiguration, run_main: RunMain
) -> None:
    simulator.faults.set("status", queue=5461, code=502)
    path = write_configuration(simulator, {5457: "sales", 5460: "support", 5461: "billing"})
    said = run_main("ping", f"--config.file={path}", CALLTOOLS_TOKEN=TOKEN)
    assert said.code == 0  # somebody is available
    shown = re.sub(r" +\d\.\d\d", "  N.NN", said.out)
    assert shown == (
        "ACCOUNT  QUEUE    AVAILABLE  REQUIRED  SECONDS\n"
        "acme     sales            3         1  N.NN\n"
        "acme     support          0         1  N.NN\n"
        "acme     billing          -         1  N.NN"
        "  502: the API failed (502), it says: A simulated failure.\n"
    )


def test_ping_prints_json(
    simulator: Simulator, write_configuration: WriteConfiguration, run_main: RunMain
) -> None:
    simulator.faults.set("status", queue=5461, code=502)
    path = write_configuration(simulator, {5457: "sales", 5461: "billing"})
    said = run_main("ping", "--json", f"--config.file={path}", CALLTOOLS_TOKEN=TOKEN)
    sales, billing = json.loads(said.out)
    assert 0 < sales.pop("seconds") < 5
    assert sales == {
        "account": "acme",
        "queue": "sales",
        "queue_id": 5457,
        "available": 3,
        "required": 1,
        "failure": None,
    }
    assert billing["available"] is None
    assert billing["failure"]["code"] == "502"


@pytest.mark.parametrize(
    ("target", "code"), [("acme", 0), ("acme/sales", 0), ("acme/support", 1), ("acme/billing", 2)]
)
def test_ping_narrows_to_its_target_and_its_exit_code_tells(
    target: str,
    code: int,
    simulator: Simulator,
    write_configuration: WriteConfiguration,
    run_main: RunMain,
) -> None:
    simulator.faults.set("status", queue=5461, code=502)
    path = write_configuration(simulator, {5457: "sales", 5460: "support", 5461: "billing"})
    said = run_main("ping", target, "--json", f"--config.file={path}", CALLTOOLS_TOKEN=TOKEN)
    assert said.code == code
    named = {row["queue"] for row in json.loads(said.out)}
    assert named == (
        {target.partition("/")[2]} if "/" in target else {"sales", "support", "billing"}
    )


def test_nobody_counts_for_less_than_what_could_not_be_read(
    simulator: Simulator, write_configuration: WriteConfiguration, run_main: RunMain
) -> None:
    simulator.faults.set("status", queue=5461, code=502)
    path = write_configuration(simulator, {5460: "support", 5461: "billing"})
    assert run_main("ping", f"--config.file={path}", CALLTOOLS_TOKEN=TOKEN).code == 2


def test_ping_with_a_wrong_key_says_so(
    simulator: Simulator, write_configuration: WriteConfiguration, run_main: RunMain
) -> None:
    path = write_configuration(simulator)
    said = run_main("ping", f"--config.file={path}", CALLTOOLS_TOKEN="wrong")
    assert said.code == 2
    assert said.out.endswith("401: the API refuses the key (401), it says: Invalid token.\n")


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("acm", "account 'acm' is not configured; did you mean 'acme'?"),
        ("nobody", "account 'nobody' is not configured"),
        ("acme/sale", "account 'acme' has no queue 'sale'; did you mean 'sales'?"),
    ],
)
def test_ping_does_not_know_a_name(
    target: str,
    words: str,
    simulator: Simulator,
    write_configuration: WriteConfiguration,
    run_main: RunMain,
) -> None:
    path = write_configuration(simulator)
    said = run_main("ping", target, f"--config.file={path}", CALLTOOLS_TOKEN=TOKEN)
    assert (said.code, said.out) == (2, "")
    assert said.err == f"calltools-exporter: {words}\n"
    assert simulator.requests_total == 0


def test_ping_waits_no_longer_than_it_is_told(
    simulator: Simulator, write_configuration: WriteConfiguration
) -> None:
    simulator.faults.set("hang")
    path = write_configuration(simulator)
    said = run_program("ping", "--timeout=0.3s", f"--config.file={path}")
    assert said.code == 2
    assert "  timeout: no " in said.out


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
            env=ENVIRON,
            stdout=closed,
            stderr=subprocess.PIPE,
            check=False,
        )
    # As a program ends that SIGPIPE ends: none of the codes that tell of agents.
    assert (done.returncode, done.stderr) == (141, b"")


def test_progress_is_shown_on_a_terminal_and_wiped_out(
    simulator: Simulator, write_configuration: WriteConfiguration
) -> None:
    simulator.faults.set("hang", seconds=0.8)
    path = write_configuration(simulator, {5457: "sales", 5460: "support"})

    def ping(stderr: int) -> str:
        done = subprocess.run(
            [*PROGRAM, "ping", f"--config.file={path}"],
            env=ENVIRON,
            stdout=subprocess.PIPE,
            stderr=stderr,
            check=True,
            text=True,
        )
        return done.stdout

    ours, theirs = pty.openpty()
    table = ping(theirs)
    os.close(theirs)
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    assert shown.startswith("\rasking for 2 queues … 0 s")
    assert shown.endswith("\r\x1b[K")
    assert "asking" not in table
    assert "sales            3" in table


def test_without_a_terminal_no_progress_is_shown(
    simulator: Simulator, write_configuration: WriteConfiguration, run_main: RunMain
) -> None:
    simulator.faults.set("hang", seconds=0.5)
    said = run_main(
        "ping", f"--config.file={write_configuration(simulator)}", CALLTOOLS_TOKEN=TOKEN
    )
    assert (said.code, said.err) == (0, "")


def test_an_interrupt_ends_a_command_quietly(
    simulator: Simulator, write_configuration: WriteConfiguration
) -> None:
    simulator.faults.set("hang")
    process = subprocess.Popen(
        [*PROGRAM, "ping", f"--config.file={write_configuration(simulator)}"],
        env=ENVIRON,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert simulator.wait_until(lambda: simulator.requests_total > 0, 20)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20) == (b"", b"")
    assert process.returncode == 130


# demo


def test_the_demo_needs_nothing_and_says_what_to_open(start_command: StartCommand) -> None:
    demo = start_command("demo", ANYWHERE)
    written = demo.written()
    assert f"Open {demo.url}/; Prometheus reads /metrics there. Ctrl-C ends it.\n" in written
    page = demo.get("/metrics").text
    for queue in ("sales", "support", "retention"):
        assert f"{queue}" in written
        assert f'calltools_queue_available_agents{{account="demo",queue="{queue}"}}' in page
    assert 'calltools_queue_up{account="demo",queue="billing"} 0.0' in page
    assert 'calltools_queue_failure{account="demo",code="503",queue="billing"} 1.0' in page
    assert 'available_agents{account="demo",queue="billing"}' not in page
    assert demo.stop() == 0


def test_the_demo_shows_its_queues_before_anybody_scrapes_it(start_command: StartCommand) -> None:
    demo = start_command("demo", ANYWHERE)
    deadline = time.monotonic() + 20
    while "billing" not in (seen := demo.get("/").text) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert all(queue in seen for queue in ("sales", "support", "retention", "billing"))


def test_the_demo_listens_on_loopback_unless_it_is_told_otherwise(run_main: RunMain) -> None:
    assert "default: 127.0.0.1:15457]" in " ".join(run_main("demo", "--help").out.split())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        said = run_main("demo", CALLTOOLS_EXPORTER_WEB_LISTEN_ADDRESS=address)
    assert said.code == 1
    assert said.err.startswith(f"calltools-exporter: cannot listen on '{address}': another program")
