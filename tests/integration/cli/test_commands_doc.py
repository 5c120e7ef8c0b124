"""docs/commands.md: the JSON has the fields of its tables, and its examples do what it says."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from exporter.cli import exits
from exporter.simulator import TOKEN
from tests.process_fixtures import ENVIRON, PROGRAM, ROOT, RunMain, WriteConfiguration
from tests.simulator import Simulator

PAGE = (ROOT / "docs/commands.md").read_text()


def fields(section: str, head: str) -> set[str]:
    """Return the fields of a table of a section."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    table = text.partition(f"| {head} | value |\n")[2].partition("\n\n")[0]
    assert table, head
    return set(re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (.+?) \|", table, re.MULTILINE))))


def test_ping_has_the_fields(
    simulator: Simulator, write_configuration: WriteConfiguration, run_main: RunMain
) -> None:
    read = f"--config.file={write_configuration(simulator)}"
    found = json.loads(run_main("ping", "--json", read, CALLTOOLS_TOKEN=TOKEN).out)
    one = json.loads(run_main("ping", "--json", "acme/sales", read, CALLTOOLS_TOKEN=TOKEN).out)
    assert set(found) == fields("`ping --json`", "field")
    (queue,) = found["queues"]
    assert set(queue) == set(one) == fields("`ping --json`", "field of a queue")

    unread = f"--config.file={write_configuration(simulator, token_env='NOT_SET')}"
    (account,) = json.loads(run_main("ping", "--json", unread).out)["accounts"]
    assert set(account) == fields("`ping --json`", "field of an account")
    assert set(account["failure"]) == {"code", "message"}


def test_check_has_the_fields(
    simulator: Simulator, write_configuration: WriteConfiguration, run_main: RunMain
) -> None:
    file = f"--config.file={write_configuration(simulator)}"
    said = run_main("check", "--online", "--json", file, CALLTOOLS_TOKEN=TOKEN)
    (account,) = json.loads(said.out)
    section = "`check --online --json`"
    assert set(account) == fields(section, "field")
    assert all(set(one) == fields(section, "field of a finding") for one in account["findings"])
    assert all(f"`{one['check']}`" in PAGE for one in account["findings"])


def test_every_command_is_in_the_one_table() -> None:
    table = PAGE.partition("<!-- exits:")[2].partition("<!-- /exits -->")[0]
    named = re.findall(r"`(\w+)`", " ".join(re.findall(r"^\| (.+?) \|", table, re.MULTILINE)))
    assert sorted(named) == sorted(exits.MEANINGS)


@pytest.mark.parametrize(
    ("available", "said"),
    [(1, "transfer\n"), (0, "do not: closed, or nobody is available\n"), (None, "not known: ")],
)
def test_the_script_has_three_ways(
    simulator: Simulator,
    write_configuration: WriteConfiguration,
    available: int | None,
    said: str,
) -> None:
    if available is None:
        simulator.faults.set("status", code=503)
    path = write_configuration(simulator, {5457 if available else 5460: "sales"})
    (script,) = (text for text in blocks("sh") if "case $?" in text)
    done = subprocess.run(
        ["bash", "-c", script.replace("calltools-exporter", shlex.join(PROGRAM))],
        cwd=path.parent,
        env={**ENVIRON, "CALLTOOLS_TOKEN": TOKEN},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.startswith(said)


def test_a_folder_is_checked_without_its_keys(
    run_main: RunMain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare, docker = (text for text in blocks("sh") if "--no-secrets" in text)
    arguments = bare.split()[1:]
    assert docker.endswith(f"calltools-exporter {' '.join(arguments)}\n")
    folder = tmp_path / arguments[-1]
    folder.mkdir()
    account = "accounts: [{name: %s, url: 'https://x.calltools.io', token_file: %s, queues: all}]"
    for name in ("acme", "globex"):
        (folder / f"{name}.yml").write_text(account % (name, "not-there"))
    monkeypatch.chdir(tmp_path)
    assert run_main(*arguments).code == 0
    (folder / "globex.yml").write_text(account % ("globex", "not-there, quees: 1"))
    wrong = run_main(*arguments)
    assert wrong.code == 1
    assert re.search(r"globex\.yml:1:\d+: .*quees", wrong.out + wrong.err)


def blocks(language: str) -> list[str]:
    """Return the page's blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
