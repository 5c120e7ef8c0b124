"""A key that is pasted into a wrong place of the configuration is in no message."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import TypeAlias

import pytest
import yaml

from exporter.config import VARIABLES, load
from exporter.errors import ConfigurationError

KEY = "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b"
PASTED = (KEY, KEY.upper(), f"Token {KEY}", f"a {KEY}", f"https://{KEY}@x/y", "1" * 40)
Path_: TypeAlias = tuple[str | int, ...]

CONFIGURATION = {
    "defaults": {"token_env": "KEY", "schedule": "office", "tls": {"ca_file": "ca.pem"}},
    "accounts": [
        {
            "name": "acme",
            "url": "https://east-2.calltools.io",
            "token_file": "key",
            "available_status": [1, "Ready"],
            "required_agents": 1,
            "team": "north",
            "detail": "count",
            "timeout": "5s",
            "max_parallel_requests": 4,
            "max_age": "5s",
            "proxy_url": "http://proxy:3128",
            "allow_http": False,
            "queues": [5457, {"id": 5460, "name": "sales", "team": "south"}],
        },
        {
            "name": "globex",
            "url": "https://east-2.calltools.io",
            "queues": ["all", {"name": "sales", "ignore": True}, {"id": 7, "required_agents": 3}],
        },
    ],
    "schedules": {
        "office": {
            "timezone": "UTC",
            "open": {"mon-fri": "09:00-18:00", "sat": ["09:00-12:00"]},
            "closed": ["2026-12-24"],
        }
    },
}


def places(value: object, path: Path_ = ()) -> Iterator[Path_]:
    """Iterate over the path of every value."""
    items: Iterable[tuple[str | int, object]] = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for step, inner in items:
        yield (*path, step)
        yield from places(inner, (*path, step))


def messages(path: Path) -> str:
    try:
        load(path, {})
    except ConfigurationError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("pasted", PASTED)
@pytest.mark.parametrize("path", list(places(CONFIGURATION)), ids=str)
def test_as_a_value_or_as_a_key(tmp_path: Path, path: Path_, pasted: str) -> None:
    file = tmp_path / "exporter.yml"
    for as_key in (False, True):
        value = deepcopy(CONFIGURATION)
        inner: object = value
        for step in path[:-1]:
            inner = inner[step]  # type: ignore[index]
        if as_key and isinstance(inner, dict):
            inner[pasted] = inner.pop(path[-1])
        elif as_key:
            continue
        else:
            inner[path[-1]] = pasted  # type: ignore[index]
        file.write_text(
            yaml.dump(value, Dumper=yaml.CSafeDumper, sort_keys=False), encoding="utf-8"
        )

        assert pasted.rpartition(" ")[2].lower() not in messages(file).lower()


@pytest.mark.parametrize("pasted", PASTED)
@pytest.mark.parametrize(
    "text",
    [
        "accounts: *{}",
        "accounts: !{} []",
        "{}: 1\n{}: 2",
        "? [{}]\n: 1",
        "accounts: [{{name: '{}'}}, {{name: '{}'}}]",
        "accounts: [{{queues: [{{id: 1, name: '{}'}}, {{id: 2, name: '{}'}}]}}]",
        "accounts: [{{available_status: ['{}', '{}']}}]",
        (
            "accounts: [{{token_env: 'K{{account}}{}', name: a b}},"
            " {{token_env: 'K{{account}}{}', name: a-b}}]"
        ),
        "schedules: {{s: {{timezone: UTC, open: {{}}, closed: ['{}']}}}}",
        "{}",
        "'{}",
        "accounts: {}: {}",
    ],
)
def test_as_yaml_that_is_wrong(tmp_path: Path, text: str, pasted: str) -> None:
    file = tmp_path / "exporter.yml"
    file.write_text(text.format(pasted, pasted), encoding="utf-8")

    found = messages(file)

    assert found
    assert pasted.rpartition(" ")[2].lower() not in found.lower()


@pytest.mark.parametrize("pasted", PASTED)
@pytest.mark.parametrize("name", [name for name in VARIABLES if name != "CALLTOOLS_TOKEN"])
def test_in_a_variable(name: str, pasted: str) -> None:
    with contextlib.suppress(ConfigurationError):
        load(None, {name: f'"{pasted}"'})
    with pytest.raises(ConfigurationError) as caught:
        load(None, {name: pasted})

    assert pasted.rpartition(" ")[2].lower() not in str(caught.value).lower()


def test_what_was_found_is_cut_where_it_is_long(tmp_path: Path) -> None:
    file = tmp_path / "exporter.yml"
    long = "x " * 5000
    for path in places(CONFIGURATION):
        value = deepcopy(CONFIGURATION)
        inner: object = value
        for step in path[:-1]:
            inner = inner[step]  # type: ignore[index]
        inner[path[-1]] = long  # type: ignore[index]
        file.write_text(
            yaml.dump(value, Dumper=yaml.CSafeDumper, sort_keys=False), encoding="utf-8"
        )

        assert all(len(line) < 600 for line in messages(file).splitlines()), path
