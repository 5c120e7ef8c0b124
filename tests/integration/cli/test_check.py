"""`check` lists every mistake."""

from __future__ import annotations

import re
from pathlib import Path

import bcrypt
import pytest

from exporter.simulator import TOKEN
from tests.process_fixtures import (
    ROOT,
    RunMain,
    WriteConfiguration,
)
from tests.simulator import Simulator


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


@pytest.mark.parametrize(
    ("queues", "words"),
    [
        (["all"], "1 account, all queues"),
        (["all", "all"], "2 accounts, all queues"),
        (["[5457]"], "1 account, 1 queue"),
        (["[5457, 5460]", "all"], "2 accounts, 2 queues and all of 1 account"),
    ],
)
def test_check_says_how_many_queues_there_are(
    run_main: RunMain, tmp_path: Path, queues: list[str], words: str
) -> None:
    (tmp_path / "exporter.yml").write_text(
        "defaults: {url: https://east-2.calltools.io, token_env: CALLTOOLS_TOKEN}\naccounts:\n"
        + "".join(f"  - {{name: a{at}, queues: {some}}}\n" for at, some in enumerate(queues))
    )
    said = run_main("check", CALLTOOLS_TOKEN=TOKEN)
    assert (said.code, said.err) == (0, "")
    assert said.out == f"exporter.yml: {words}, no mistakes\n"


def test_check_warns_like_serve_where_only_available_needs_a_password(
    run_main: RunMain, tmp_path: Path
) -> None:
    hashed = bcrypt.hashpw(b"hunter2", bcrypt.gensalt(4)).decode()
    (tmp_path / "users.yml").write_text(
        f"users: {{partner: {{password_hash: '{hashed}', accounts: all}}}}\n"
    )
    (tmp_path / "web.yml").write_text(f"basic_auth_users: {{admin: '{hashed}'}}\n")
    flags = ("check", str(ROOT / "exporter.yml"), "--web.available-users.file=users.yml")
    said = run_main(*flags, CALLTOOLS_TOKEN=TOKEN)
    assert said.code == 0
    assert "Only /available requires a password" in said.err
    said = run_main(*flags, "--web.config.file=web.yml", CALLTOOLS_TOKEN=TOKEN)
    assert (said.code, said.err) == (0, "")


def test_without_any_configuration_it_is_said_what_to_do(run_main: RunMain) -> None:
    for command, code in (("check", 1), ("serve", 1), ("ping", 2)):
        said = run_main(command)
        assert said.code == code
        assert said.err.startswith("exporter.yml: does not exist; write it with ")
        assert "CALLTOOLS_URL" in said.err
        assert "demo" in said.err


def test_a_link_to_nowhere_in_the_place_of_the_file_is_a_file_that_cannot_be_read(
    run_main: RunMain, tmp_path: Path
) -> None:
    (tmp_path / "exporter.yml").symlink_to("nowhere.yml")
    said = run_main("check", CALLTOOLS_URL="https://localhost", CALLTOOLS_QUEUES="5457")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("exporter.yml: cannot be read: No such file or directory\n")


def test_check_without_the_secrets(run_main: RunMain, tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text(
        "accounts:\n"
        "  - name: acme\n"
        "    url: https://east-2.calltools.io\n"
        "    token_file: /run/secrets/not-here\n"
        "    tls: {ca_file: not-here.pem}\n"
        "    available_status: 20561\n"
        "    queues: [5457]\n"
    )
    (tmp_path / "web.yml").write_text(
        "tls_server_config: {cert_file: not-here.pem, key_file: not-here.pem}\n"
    )
    flags = ("mine.yml", "--web.config.file=web.yml")
    said = run_main("check", *flags)
    assert said.code == 1
    assert said.err.endswith("\n4 mistakes\n")
    said = run_main("check", "--no-secrets", *flags)
    assert (said.code, said.err) == (0, "")
    assert said.out == "mine.yml: 1 account, 1 queue, no mistakes\n"
    (tmp_path / "web.yml").write_text("tls_server_config: {cert_file: 1}\n")
    assert run_main("check", "--no-secrets", *flags).code == 1
    said = run_main("check", "--no-secrets", "--online", *flags)
    assert said.code == 2
    assert "--online reads the keys and --no-secrets does not, expected one of them" in said.err


def test_schedules_show_what_is_always_open(run_main: RunMain, tmp_path: Path) -> None:
    (tmp_path / "exporter.yml").write_text(
        "schedules: {office: {timezone: UTC, open: {mon-fri: '09:00-17:00'}}}\n"
        "defaults: {url: https://east-2.calltools.io, token_env: CALLTOOLS_TOKEN}\n"
        "accounts:\n"
        "  - {name: all, queues: all}\n"
        "  - {name: some, queues: [all, {name: day, schedule: office}]}\n"
        "  - {name: listed, queues: [5457, {id: 5460, name: sales, schedule: office}]}\n"
    )
    said = run_main("check", "--schedules", CALLTOOLS_TOKEN=TOKEN)
    assert (said.code, said.err) == (0, "")
    assert re.search("^schedule office .*: some/day, listed/sales$", said.out, re.MULTILINE)
    always = "all/all queues, some/all queues, listed/5457"
    assert f"\nalways open, without a schedule: {always}\n" in said.out
