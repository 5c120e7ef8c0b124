"""`init` writes a configuration from what the API tells, on a terminal and in a pipe."""

from __future__ import annotations

import io
import re
import resource
import socket
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import pytest
import yaml

from exporter import config
from exporter.cli.init import write_new_file
from exporter.cli.template import ConfigTemplate
from exporter.errors import ExporterError
from exporter.simulator import AVAILABLE, TOKEN, SimulatedAccount
from exporter.simulator.world import STATUSES, Status
from tests.process_fixtures import RunMain, run_program
from tests.simulator import Dialect, FixedWorld, Simulator
from tests.simulator_fixtures import StartSimulator, TlsAuthority
from tests.terminal_fixtures import OpenTerminal

FORTY = {5000 + number: f"queue {number}" for number in range(40)}


@pytest.fixture
def simulator(start_simulator: StartSimulator) -> Simulator:
    return start_simulator(SimulatedAccount(FixedWorld(FORTY)))


@pytest.fixture
def init(run_main: RunMain, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """Run `init` where nobody is to ask, with the key in the environment."""
    monkeypatch.setattr("sys.stdin", io.StringIO())

    def run(*arguments: str | Path, **environ: str) -> tuple[int, str, str]:
        said = run_main("init", *arguments, **{"CALLTOOLS_TOKEN": TOKEN, **environ})
        assert TOKEN not in said.out + said.err
        return said.code, said.out, said.err

    return run


def test_an_account_of_40_queues_in_a_pipe(
    simulator: Simulator, init: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    code, out, err = init("--url", simulator.url, "--account", "acme")
    assert (code, err) == (0, "")
    assert out.startswith("wrote exporter.yml: 40 queues, available status 20561\n")
    assert "\n1 account OK\n" in out
    assert "calltools-exporter ping  #" in out
    (account,) = config.load(tmp_path / "exporter.yml", {}).configuration.accounts
    assert account.name == "acme"
    assert {queue.id: queue.name for queue in account.queues} == FORTY
    assert {queue.available_status for queue in account.queues} == {(AVAILABLE,)}
    assert account.token.describe() == "token_env CALLTOOLS_TOKEN"
    assert TOKEN not in (tmp_path / "exporter.yml").read_text()
    # Only GET was sent.
    assert {request.method for request in simulator.requests} == {"GET"}
    # What was written is what the other commands take.
    assert run_program("check", cwd=tmp_path).code == 0
    assert run_program("ping", cwd=tmp_path).code == 1


def test_the_second_account_goes_into_a_folder(
    simulator: Simulator, init: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(f"Token {TOKEN}\n")
    for name in ("first", "second"):
        flags = ("--account", name, "-o", f"accounts.d/{name}.yml", "--token-file", "key")
        code, out, err = init("--url", simulator.url, *flags)
        assert (code, err) == (0, "")
        assert "calltools-exporter --config.file=accounts.d  #" in out
    loaded = config.load(tmp_path / "accounts.d", {})
    assert [one.name for one in loaded.configuration.accounts] == ["first", "second"]
    assert config.unreadable_files(loaded) == ()


def test_a_name_that_another_file_has_is_refused_as_the_folder_would_be(
    simulator: Simulator, init: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    for file in ("one", "two"):
        flags = ("--account", "acme", "-o", f"accounts.d/{file}.yml")
        code, _, err = init("--url", simulator.url, "--token-env", "CALLTOOLS_TOKEN", *flags)
    assert code == 1
    assert (
        "--account: found 'acme', which is already an account in accounts.d/one.yml, expected"
        " another name\n"
    ) in err
    assert len(config.load(tmp_path / "accounts.d", {}).files) == 1


def test_what_else_is_in_the_folder_is_not_read_as_accounts(
    simulator: Simulator, init: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    (tmp_path / "stack").mkdir()
    (tmp_path / "stack/compose.yml").write_text("services: {}\n")
    code, out, err = init("--url", simulator.url, "-o", "stack/calltools.yml")
    assert (code, err) == (0, "")
    assert "calltools-exporter --config.file=stack/calltools.yml  #" in out


def test_two_accounts_are_not_given_one_key(
    simulator: Simulator, init: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    def run(name: str, *flags: str, **environ: str) -> tuple[int, str, str]:
        output = f"accounts.d/{name}.yml"
        return init("--url", simulator.url, "--account", name, "-o", output, *flags, **environ)

    assert run("first")[0] == 0
    code, _, err = run("second")
    assert code == 1
    assert "$CALLTOOLS_TOKEN is already the key of account 'first' in accounts.d" in err
    assert not (tmp_path / "accounts.d/second.yml").exists()
    # A place to fill in, or any other mistake, hides nothing.
    first = tmp_path / "accounts.d/first.yml"
    first.write_text(first.read_text() + "mistake: true\n")
    assert run("second")[0] == 1
    # Named, it is used; whoever shares it is named too.
    code, _, err = run("second", "--token-env", "CALLTOOLS_TOKEN")
    assert "note: account 'first' uses token_env CALLTOOLS_TOKEN as well\n" in err
    assert (tmp_path / "accounts.d/second.yml").exists()


def test_the_account_in_the_name_of_a_key(
    simulator: Simulator, init: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/a-1").write_text(TOKEN)
    for name, flags in (
        ("a-1", ("--token-file", "secrets/{account}")),
        ("b-2", ("--token-env", "KEY_{account}")),
    ):
        output = ("--account", name, "-o", f"accounts.d/{name}.yml")
        code, out, _ = init("--url", simulator.url, *output, *flags, KEY_B_2=TOKEN)
        assert code == 0, out
    loaded = config.load(tmp_path / "accounts.d", {})
    assert config.unreadable_files(loaded) == ()
    written = [(tmp_path / f"accounts.d/{name}.yml").read_text() for name in ("a-1", "b-2")]
    assert 'token_file: "../secrets/{account}"' in written[0]
    assert 'token_env: "KEY_{account}"' in written[1]


def test_a_ca_and_a_proxy_are_used_and_written(
    start_simulator: StartSimulator,
    tls_authority: TlsAuthority,
    init: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
) -> None:
    simulator = start_simulator(SimulatedAccount(FixedWorld(FORTY)), tls=True)
    code, _, err = init("--url", simulator.url)
    assert (code, "nothing was written: tls: " in err) == (1, True)
    (tmp_path / "ca.pem").write_bytes(tls_authority.ca_file.read_bytes())
    output = ("--account", "acme", "-o", "accounts.d/acme.yml", "--ca-file", "ca.pem")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        proxy = f"http://someone:secret@127.0.0.1:{closed.getsockname()[1]}"
    code, _, err = init("--url", simulator.url, *output, "--proxy-url", proxy)
    assert code == 1
    assert "nothing was written: connection: " in err
    assert "secret" not in err

    code, _, err = init("--url", simulator.url, *output)
    assert (code, err) == (0, "")
    (account,) = config.load(tmp_path / "accounts.d", {}).configuration.accounts
    assert account.tls.ca_file == tmp_path / "accounts.d/../ca.pem"


def test_a_proxy_is_written_into_the_file(tmp_path: Path) -> None:
    template = ConfigTemplate(
        name="acme",
        url="https://east-2.calltools.io",
        token=("token_env", "CALLTOOLS_TOKEN"),
        status=20561,
        candidates={},
        status_words="",
        queues={5457: "sales"},
        queues_words="",
        proxy_url="http://someone:secret@proxy:3128",
    )
    path = tmp_path / "exporter.yml"
    path.write_text(template.text())
    (account,) = config.load(path, {}).configuration.accounts
    assert account.proxy == "http://someone:secret@proxy:3128"


@pytest.mark.parametrize("kind", ["file", "dangling link"])
def test_nothing_is_overwritten(
    simulator: Simulator,
    init: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
    kind: str,
) -> None:
    path = tmp_path / "exporter.yml"
    if kind == "file":
        path.write_text("mine")
    else:
        path.symlink_to(tmp_path / "elsewhere")
    code, out, err = init("--url", simulator.url)
    assert (code, out) == (1, "")
    assert "exporter.yml already exists and is not overwritten" in err
    assert "-o accounts.d/NAME.yml" in err
    assert not (tmp_path / "elsewhere").exists()
    assert kind == "dangling link" or path.read_text() == "mine"
    assert simulator.requests == []


@pytest.mark.parametrize(
    ("dialect", "words"),
    [
        (
            Dialect(forbidden=frozenset({"queues"})),
            "/api/queues/ cannot be read with this key (403)",
        ),
        (Dialect(missing=frozenset({"queues"})), "/api/queues/ cannot be read with this key (404)"),
    ],
)
def test_without_the_list_of_queues(
    start_simulator: StartSimulator,
    init: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
    dialect: Dialect,
    words: str,
) -> None:
    simulator = start_simulator(dialect=dialect)
    code, out, _ = init("--url", simulator.url, "--account", "acme")
    assert code == 1
    assert words in out
    assert "the last part of the URL of its settings page" in out
    assert "check --online  # once it is fixed" in out
    written = (tmp_path / "exporter.yml").read_text()
    assert f"# TO FILL IN: {words}" in written
    assert f"available_status: {AVAILABLE}" in written
    # The mistake is told with its line, and filling it in is enough.
    assert re.search(r"exporter\.yml:\d+:\d+: accounts\[0\]\.queues", out)
    (tmp_path / "exporter.yml").write_text(
        written.replace("      # - id: 5457\n      #   name: sales", "      - id: 5457")
    )
    assert run_program("check", "--online", cwd=tmp_path).code == 0


def test_without_the_list_of_statuses(
    start_simulator: StartSimulator, init: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    simulator = start_simulator(dialect=Dialect(forbidden=frozenset({"statuses"})))
    code, out, _ = init("--url", simulator.url)
    assert code == 1
    assert "/api/statuses/ cannot be read with this key (403)" in out
    written = (tmp_path / "exporter.yml").read_text()
    assert "Contact Center > Agent Statuses" in written
    assert "- id: 5457" in written


def test_several_statuses_could_be_the_available_one(
    start_simulator: StartSimulator, init: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    statuses = (Status(1, "Sales Calls", "Set Ready"), Status(2, "All Calls", "Set Ready"))
    simulator = start_simulator(SimulatedAccount(FixedWorld(statuses=statuses)))
    code, out, _ = init("--url", simulator.url)
    assert code == 1
    assert "Sales Calls (1), All Calls (2)" in out
    written = (tmp_path / "exporter.yml").read_text()
    assert "# available_status: 2  # All Calls" in written
    (tmp_path / "exporter.yml").write_text(
        written.replace("    available_status:\n", "    available_status: 2\n")
    )
    assert run_program("check", "--online", cwd=tmp_path).code == 0


def test_an_account_without_queues(
    start_simulator: StartSimulator, init: Callable[..., tuple[int, str, str]]
) -> None:
    code, out, _ = init("--url", start_simulator(SimulatedAccount(FixedWorld({}))).url)
    assert code == 1
    assert "the account has no queues" in out


@pytest.mark.parametrize("bad_key", [401, 403])
def test_a_wrong_key_writes_nothing(
    start_simulator: StartSimulator,
    init: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
    bad_key: Literal[401, 403],
) -> None:
    simulator = start_simulator(dialect=Dialect(bad_key=bad_key))
    code, _, err = init("--url", simulator.url, CALLTOOLS_TOKEN="wrong")
    assert code == 1
    assert f"nothing was written: {bad_key}: the API" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ((), "--url is needed"),
        (("--url", "http://east-2.calltools.io"), "found http://"),
        (("--url", "https://east-2.calltools.io/queues"), "found more than a host"),
        (("--url", "https://localhost", "--account", "a/b"), "--account: expected text of"),
        (("--url", "https://localhost", "--token-file", "a" * 40), "what looks like the API key"),
        (("--url", "https://localhost", "--token-env", "a" * 40), "what looks like the API key"),
        (("--url", "https://localhost", "--token-file", "gone"), "token_file gone cannot be read"),
        (("--url", "https://localhost:1"), "nothing was written: connection"),
        # The folder's reader would not find it.
        (("--url", "https://localhost", "-o", "accounts.d/acme"), "'accounts.d/acme', expected"),
        (("--url", "https://localhost", "-o", "accounts.d/"), "'accounts.d', expected a name"),
    ],
)
def test_what_is_wrong_on_the_command_line(
    init: Callable[..., tuple[int, str, str]], tmp_path: Path, flags: Sequence[str], words: str
) -> None:
    code, _, err = init(*flags)
    assert code == 1
    assert words in err
    assert "a" * 40 not in err
    assert list(tmp_path.iterdir()) == []


def test_without_a_key_and_without_a_terminal(
    init: Callable[..., tuple[int, str, str]],
) -> None:
    code, _, err = init("--url", "https://localhost", CALLTOOLS_TOKEN="")
    assert code == 1
    assert "--token-file or --token-env is needed" in err


def test_a_folder_that_cannot_be_made(
    simulator: Simulator, init: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    (tmp_path / "accounts.d").write_text("a file")
    code, _, err = init("--url", simulator.url, "-o", "accounts.d/acme.yml")
    assert code == 1
    assert "accounts.d/acme.yml cannot be written" in err


def test_a_file_that_cannot_be_written_whole_is_not_left_behind(tmp_path: Path) -> None:
    """As on a full disk; it would stop the next attempt."""
    path = tmp_path / "exporter.yml"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(ExporterError, match=r"exporter.yml cannot be written: File too large"):
            write_new_file(path, "x" * 100, 0o644)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not path.exists()


def test_a_path_that_yaml_cannot_hold_is_a_mistake_in_words(tmp_path: Path) -> None:
    path = tmp_path / "exporter.yml"
    with pytest.raises(ExporterError, match="found a path that is not UTF-8"):
        write_new_file(path, "ca_file: caf\udce9.pem", 0o644)
    assert not path.exists()


def test_a_key_that_cannot_be_stored_is_a_next_step(
    simulator: Simulator, open_terminal: OpenTerminal, tmp_path: Path
) -> None:
    (tmp_path / "keys").write_text("a file")
    screen = open_terminal("init", "--url", simulator.url, "--token-file", "keys/acme")
    screen.answer("A name for the account", "acme")
    screen.answer("The API key", TOKEN)
    screen.answer("Write the key to keys/acme", "y")
    assert screen.end() == 0, screen.everything
    assert "keys/acme cannot be written: " in screen.everything
    assert "(umask 077; cat > keys/acme)" in screen.everything


@pytest.mark.parametrize("write", ["y", "", "n"])
def test_a_person_is_asked(
    simulator: Simulator, open_terminal: OpenTerminal, tmp_path: Path, write: str
) -> None:
    screen = open_terminal("init")
    screen.answer("The URL you log in to", "https://east-2.calltools.io/queues/5457")
    screen.answer("found more than a host", simulator.url)
    screen.answer("A name for the account", "acme")
    screen.answer("The API key", f"token {TOKEN}")
    screen.answer("Write the key to acme.token, readable only by you? [y/N]", write)
    assert screen.end() == 0, screen.everything
    assert TOKEN not in screen.everything
    assert "wrote exporter.yml: 40 queues" in screen.everything
    (account,) = config.load(tmp_path / "exporter.yml", {}).configuration.accounts
    assert account.token.describe() == f"token_file {tmp_path / 'acme.token'}"
    if write == "y":
        path = tmp_path / "acme.token"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_text() == f"{TOKEN}\n"
        assert "umask" not in screen.everything
    else:
        assert sorted(path.name for path in tmp_path.iterdir()) == ["exporter.yml"]
        assert "(umask 077; cat > acme.token)" in screen.everything


def test_a_person_is_asked_again_for_a_host_that_does_not_answer(
    simulator: Simulator, open_terminal: OpenTerminal
) -> None:
    screen = open_terminal("init", "--account", "acme")
    screen.answer("The URL you log in to", "https://127.0.0.1:1")
    screen.wait_for("connection: ")
    assert "API key" not in screen.everything
    screen.answer("is it the host you log in to?", simulator.url)
    screen.wait_for("The API key")
    # That the host answers was found out without a key.
    assert [request.headers.get("Authorization") for request in simulator.requests] == [None]


def test_a_person_is_asked_again_for_a_key_that_is_refused(
    simulator: Simulator, open_terminal: OpenTerminal, tmp_path: Path
) -> None:
    screen = open_terminal("init", "--url", simulator.url, "--account", "acme")
    screen.answer("The API key", "two words")
    screen.wait_for("the answer holds more than one word")
    screen.answer("The API key", "wrong")
    screen.wait_for("401: the API refuses the key")
    screen.answer("The API key", TOKEN)
    screen.answer("Write the key to acme.token", "y")
    assert screen.end() == 0, screen.everything
    assert (tmp_path / "acme.token").read_text() == f"{TOKEN}\n"


def test_a_person_is_asked_for_a_key_that_is_not_another_account_s(
    simulator: Simulator,
    init: Callable[..., tuple[int, str, str]],
    open_terminal: OpenTerminal,
    tmp_path: Path,
) -> None:
    first = ("--account", "first", "-o", "accounts.d/first.yml")
    assert init("--url", simulator.url, *first)[0] == 0
    second = ("--account", "second", "-o", "accounts.d/second.yml")
    screen = open_terminal("init", "--url", simulator.url, *second, CALLTOOLS_TOKEN=TOKEN)
    screen.wait_for("$CALLTOOLS_TOKEN is not used: it is the key of account 'first'")
    screen.answer("The API key", TOKEN)
    screen.answer("Write the key to accounts.d/second.token", "y")
    assert screen.end() == 0, screen.everything
    assert 'token_file: "second.token"' in (tmp_path / "accounts.d/second.yml").read_text()


def test_a_person_knows_ids_that_the_api_does_not_tell(
    start_simulator: StartSimulator, open_terminal: OpenTerminal, tmp_path: Path
) -> None:
    simulator = start_simulator(dialect=Dialect(forbidden=frozenset({"queues", "statuses"})))
    screen = open_terminal(
        "init", "--url", simulator.url, "--account", "acme", CALLTOOLS_TOKEN=TOKEN
    )
    screen.answer("Id of the status of available agents", "Available")
    screen.answer("expected ids, such as 5457", str(AVAILABLE))
    screen.answer("Ids of queues (Enter: fill in later)", "5457, 5460")
    assert screen.end() == 0, screen.everything
    text = (tmp_path / "exporter.yml").read_text()
    (account,) = yaml.safe_load(text)["accounts"]
    assert account["available_status"] == AVAILABLE
    assert [queue["id"] for queue in account["queues"]] == [5457, 5460]


def test_a_person_chooses_among_statuses(
    start_simulator: StartSimulator, open_terminal: OpenTerminal, tmp_path: Path
) -> None:
    statuses = (*STATUSES, Status(7, "Overflow", "Set Ready"), Status(8, "Available", "Set Ready"))
    simulator = start_simulator(SimulatedAccount(FixedWorld(statuses=statuses)))
    screen = open_terminal(
        "init", "--url", simulator.url, "--account", "acme", CALLTOOLS_TOKEN=TOKEN
    )
    screen.wait_for("Overflow (7)")
    screen.answer("Id of the status of available agents", "99")
    screen.answer("expected one id of: 20561", "7")
    assert screen.end() == 0, screen.everything
    assert "available_status: 7  # Overflow" in (tmp_path / "exporter.yml").read_text()


def test_bytes_that_are_no_text_are_answered_with_words(
    simulator: Simulator, open_terminal: OpenTerminal
) -> None:
    """Each ended with a traceback; none is sent as a key."""
    screen = open_terminal("init", PYTHONIOENCODING="utf-8")
    screen.answer("The URL you log in to", "\udce4")
    screen.answer("found no host name", simulator.url)
    screen.answer("A name for the account", "acme")
    screen.answer("The API key", "\udce4")
    screen.answer("that no API key has; expected the API key alone\nThe API key", "\x04")
    assert screen.end() == 1
    assert "no key; nothing was written" in screen.everything
    assert not any("e4" in one.headers.get("authorization", "") for one in simulator.requests)


def test_a_terminal_that_is_closed_writes_nothing(
    open_terminal: OpenTerminal, tmp_path: Path
) -> None:
    screen = open_terminal("init")
    screen.answer("The URL you log in to", "\x04")
    assert screen.end() == 1
    assert "nothing was written" in screen.everything
    assert list(tmp_path.iterdir()) == []
