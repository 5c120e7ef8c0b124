"""The users who may ask `/available` only: what is right becomes what, and what is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from exporter.config import load
from exporter.errors import ConfigurationError
from exporter.web.available_users import load_available_users

FOLDER = Path(__file__).parent / "available_users"
CONFIGURATION = """
defaults: {url: https://east-2.calltools.io, token_env: TOKEN}
accounts:
  - {name: acme, queues: [{id: 1, team: sales}, 2]}
  - {name: globex, team: south, queues: [all, {name: night, team: night}, {id: 3, ignore: true}]}
"""


def test_each_user_may_ask_about_its_accounts_and_teams_only() -> None:
    loaded = load_available_users(FOLDER / "users.good.yml")

    partner, router, team = (loaded[name] for name in ("partner", "router", "team"))
    assert partner.may_ask("acme", "sales")
    assert not partner.may_ask("acme", "night")
    assert not partner.may_ask("acme", "")
    assert not partner.may_ask("globex", "sales")
    assert router.may_ask("anything", "")
    assert team.may_ask("anything", "sales")
    assert not team.may_ask("acme", "")


def test_the_example_in_the_documents_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs/available-users.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    users, configuration = tmp_path / "users.yml", tmp_path / "exporter.yml"
    users.write_text(example)
    configuration.write_text(CONFIGURATION)
    loaded = load_available_users(users, load(configuration, {}).configuration)
    assert loaded["partner"].may_ask("acme", "sales")
    assert not loaded["partner"].may_ask("globex", "sales")
    assert loaded["router"].may_ask("globex", "")


def test_each_user_has_a_limit_of_its_own() -> None:
    users = load_available_users(FOLDER / "users.good.yml")

    assert {name: user.questions_per_second for name, user in users.items()} == {
        "partner": 0.5,
        "router": 10,
        "team": 100,
    }


def test_a_hash_is_not_printed() -> None:
    users = load_available_users(FOLDER / "users.good.yml")

    assert users["partner"].password_hash.startswith("$2y$10$")
    assert "$2y$" not in repr(users)


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.bad.yml")))
def test_every_mistake_is_reported_at_its_place(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = tmp_path / "exporter.yml"
    configuration.write_text(CONFIGURATION)
    monkeypatch.chdir(FOLDER)

    with pytest.raises(ConfigurationError) as raised:
        load_available_users(Path(name), load(configuration, {}).configuration)

    expected = Path(name).with_suffix(".txt").read_text(encoding="utf-8")
    assert f"{raised.value}\n" == expected
    assert "hunter2" not in expected


def test_names_that_the_configuration_lacks_stop_no_server() -> None:
    users = load_available_users(FOLDER / "unknown_names.bad.yml")

    assert users["partner"].may_ask("acme", "sales")
