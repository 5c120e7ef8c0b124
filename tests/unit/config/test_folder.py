"""A folder of files, a file for each client."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from exporter.config import Loaded, load
from exporter.errors import ConfigurationError
from exporter.settings import TokenFile

LoadFolder: TypeAlias = "Callable[..., Loaded]"

DEFAULTS = """
defaults:
  url: https://east-2.calltools.io
  token_file: keys/{account}
  available_status: 1
  schedule: office
  queues: [1]
"""
OFFICE = "schedules: {office: {timezone: UTC, open: {mon-fri: 09:00-18:00}}}\n"


@pytest.fixture
def load_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoadFolder:
    """Return a function that loads a folder of files, given as name and text."""

    def loaded(files: dict[str, str]) -> Loaded:
        monkeypatch.chdir(tmp_path)
        for name, text in files.items():
            path = Path("clients") / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return load(Path("clients"), {})

    return loaded


def mistakes_of(load_folder: LoadFolder, files: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_folder(files)
    return str(caught.value).splitlines()


def test_accounts_of_all_files_share_defaults_and_schedules(load_folder: LoadFolder) -> None:
    loaded = load_folder(
        {
            "b.yml": "accounts: [{name: b}, {name: b2, schedule: night}]\n",
            "a.yml": "accounts: [{name: a}]\n" + OFFICE,
            "z.yml": DEFAULTS,
            "night.YAML": "schedules: {night: {timezone: UTC, open: {sat: 22:00-06:00}}}\n",
            ".a.yml.swp.yml": "not: [read",
            "below/c.yml": "not: [read",
            "notes.txt": "not read",
        }
    )

    accounts = loaded.configuration.accounts
    assert [account.name for account in accounts] == ["a", "b", "b2"]
    assert [account.token for account in accounts] == [
        TokenFile(Path("clients/keys") / account.name) for account in accounts
    ]
    schedules = loaded.schedules
    assert [account.queues[0].schedule for account in accounts] == [
        schedules["office"],
        schedules["office"],
        schedules["night"],
    ]
    assert [path.name for path in loaded.files] == ["a.yml", "b.yml", "night.YAML", "z.yml"]


def test_each_mistake_has_its_own_file_s_name(load_folder: LoadFolder) -> None:
    assert mistakes_of(
        load_folder,
        {
            "a.yml": "accounts: [{name: a, timeout: 5}]\nother: 1\n",
            "b.yml": "accounts: [{name: b, schedule: ofice, queues: [{id: 0}]}]\n",
            "z.yml": DEFAULTS + OFFICE,
        },
    ) == [
        (
            "clients/a.yml:1:31: accounts[0].timeout: found the number 5, "
            "expected a duration above 0 and up to 1h, such as 10s, 1m30s or 500ms"
        ),
        "clients/a.yml:2:1: other: unknown key, expected accounts, defaults, schedules",
        (
            "clients/b.yml:1:32: accounts[0].schedule: "
            "found 'ofice', which is not a schedule, did you mean 'office'?"
        ),
        (
            "clients/b.yml:1:53: accounts[0].queues[0].id: "
            "found the number 0, expected an id, a whole number above 0"
        ),
    ]


def test_what_is_in_two_files_is_a_mistake(load_folder: LoadFolder) -> None:
    assert mistakes_of(
        load_folder,
        {
            "a.yml": "accounts: [{name: a}]\n" + OFFICE,
            "b.yml": "accounts: [{name: b}, {name: a}]\n" + OFFICE,
            "y.yml": "defaults: {timeout: 5s}\n",
            "z.yml": DEFAULTS.replace("available_status: 1", ""),
        },
    ) == [
        (
            "clients/b.yml:1:30: accounts[1].name: found 'a', "
            "which is already the name of an account in clients/a.yml on line 1, expected each once"
        ),
        (
            "clients/b.yml:2:13: schedules.office: found 'office', "
            "which is already the name of a schedule in clients/a.yml on line 2, expected each once"
        ),
        (
            "clients/z.yml:2:1: defaults: found 'defaults', "
            "which is already the key in clients/y.yml on line 1, expected each once"
        ),
    ]


def test_a_file_that_cannot_be_read_is_told_beside_the_mistakes_of_the_others(
    load_folder: LoadFolder,
) -> None:
    assert mistakes_of(
        load_folder,
        {"a.yml": "accounts: [{nme: a}]\n", "b.yml": "accounts: [\n", "z.yml": "# nothing\n"},
    ) == [
        "clients/a.yml:1:13: accounts[0].nme: unknown key, did you mean 'name'?",
        (
            "clients/b.yml:2:1: is not YAML: while parsing a flow node, did not find expected node "
            "content (close what [ or { begins; quote text that begins with one)"
        ),
        "clients/z.yml:1:1: the file is empty, expected 'accounts'",
    ]


@pytest.mark.parametrize(
    ("files", "mistakes"),
    [
        (
            {"notes.txt": ""},
            ["clients: is a folder without *.yml or *.yaml, expected at least one"],
        ),
        (
            {"a.yml": DEFAULTS + OFFICE},
            ["clients/a.yml:2:1: has no key 'accounts', which is required"],
        ),
        (
            {"a.yml": DEFAULTS, "b.yml": OFFICE},
            ["clients: has no key 'accounts', which is required"],
        ),
    ],
    ids=["nothing", "one file without accounts", "no accounts in any"],
)
def test_a_folder_must_hold_accounts(
    load_folder: LoadFolder, files: dict[str, str], mistakes: list[str]
) -> None:
    assert mistakes_of(load_folder, files) == mistakes


def test_a_path_that_cannot_be_looked_at_is_a_mistake() -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: File name too long"):
        load(Path("x" * 5000), {})
