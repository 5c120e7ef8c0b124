"""Defaults under accounts: wherever a key is written, it means the same and is reported there."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from exporter.config import load
from exporter.errors import ConfigurationError
from exporter.settings import Account

TOKEN_KEYS = ("token_file", "token_env")
KEYS = {
    "url": st.sampled_from(["https://east-2.calltools.io", "https://west-4.calltools.io"]),
    "token_file": st.sampled_from(["keys/{account}", "key"]),
    "token_env": st.sampled_from(["KEY_{account}", "KEY"]),
    "available_status": st.sampled_from([20561, "auto", [1, "Ready"]]),
    "required_agents": st.integers(0, 5),
    "team": st.sampled_from(["north", "south"]),
    "schedule": st.sampled_from(["office", "night"]),
    "detail": st.sampled_from(["count", "agents"]),
    "timeout": st.sampled_from(["5s", "1m"]),
    "max_parallel_requests": st.integers(1, 9),
    "max_age": st.sampled_from(["0s", "30s"]),
    "proxy_url": st.sampled_from(["http://proxy:3128"]),
    "allow_http": st.booleans(),
    "tls": st.sampled_from([{"ca_file": "ca.pem"}, {"insecure_skip_verify": True}]),
    "queues": st.sampled_from(
        [[1], [1, {"id": 2, "team": "east"}], "all", ["all", {"id": 3, "required_agents": 9}]]
    ),
}
#: Anything that may be written at one place, but for one key at most.
SOME = st.fixed_dictionaries(
    {},
    optional={key: values for key, values in KEYS.items() if key not in TOKEN_KEYS},
).flatmap(
    lambda keys: st.sampled_from(TOKEN_KEYS).flatmap(
        lambda key: KEYS[key].map(lambda value: keys | {key: value}) | st.just(keys)
    )
)
NEEDED = {"url": "https://east-2.calltools.io", "token_env": "KEY", "queues": [1]}
SCHEDULES = {
    "office": {"timezone": "UTC", "open": {"mon-fri": "09:00-17:00"}},
    "night": {"timezone": "UTC", "open": {"mon-sun": "22:00-06:00"}},
}


def complete(own: Mapping[str, object], defaults: Mapping[str, object]) -> dict[str, object]:
    """Return what an account says with the defaults: here by hand, each key in one line."""
    has_token = any(key in own for key in TOKEN_KEYS)
    return {
        key: value
        for key, value in {**defaults, **own}.items()
        if key in own or not (has_token and key in TOKEN_KEYS)
    }


def with_needed(defaults: Mapping[str, object]) -> dict[str, object]:
    """Return defaults that lack nothing that is needed."""
    return complete(defaults, NEEDED)


def write(folder: Path, name: str, value: object) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(value, sort_keys=False), encoding="utf-8")
    return path


def accounts(path: Path) -> tuple[Account, ...]:
    return load(path, {}).configuration.accounts


@given(own=SOME, other=SOME, defaults=SOME.map(with_needed))
def test_a_key_means_the_same_wherever_it_is_written(
    tmp_path_factory: pytest.TempPathFactory,
    own: dict[str, object],
    other: dict[str, object],
    defaults: dict[str, object],
) -> None:
    folder = tmp_path_factory.getbasetemp() / "merging"
    short = write(
        folder,
        "short.yml",
        {
            "accounts": [{"name": "one", **own}, {"name": "two", **other}],
            "defaults": defaults,
            "schedules": SCHEDULES,
        },
    )
    long = write(
        folder,
        "long.yml",
        {
            "accounts": [
                {"name": "one", **complete(own, defaults)},
                {"name": "two", **complete(other, defaults)},
            ],
            "schedules": SCHEDULES,
        },
    )

    assert accounts(short) == accounts(long)


@given(
    own=st.lists(SOME, min_size=1, max_size=4),
    defaults=SOME.map(with_needed),
    files=st.lists(st.integers(0, 2), min_size=4, max_size=4),
    defaults_in=st.integers(0, 3),
)
def test_a_folder_is_one_file_in_parts(
    tmp_path_factory: pytest.TempPathFactory,
    own: list[dict[str, object]],
    defaults: dict[str, object],
    files: list[int],
    defaults_in: int,
) -> None:
    folder = tmp_path_factory.getbasetemp() / "folder"
    shutil.rmtree(folder, ignore_errors=True)
    every = [{"name": f"account {index}", **keys} for index, keys in enumerate(own)]
    shared = {"defaults": defaults, "schedules": SCHEDULES}
    for number in {*files[: len(every)], defaults_in}:
        inside = [one for one, file in zip(every, files, strict=False) if file == number]
        part = {"accounts": inside} if inside else {}
        write(folder, f"{number}.yml", part | (shared if number == defaults_in else {}))
    order = sorted(range(len(every)), key=lambda index: files[index])
    one_file = write(
        folder.parent / "one", "one.yml", {"accounts": [every[index] for index in order], **shared}
    )
    one_file = one_file.rename(folder.parent / "one.yml")

    def shown(found: tuple[Account, ...], path: Path) -> list[str]:
        return [repr(account).replace(str(path), "") for account in found]

    assert shown(accounts(folder), folder) == shown(accounts(one_file), one_file.parent)


@given(
    own=SOME,
    defaults=SOME.map(with_needed),
    in_defaults=st.booleans(),
    data=st.data(),
)
def test_a_mistake_is_reported_once_and_where_it_is_written(
    tmp_path_factory: pytest.TempPathFactory,
    own: dict[str, object],
    defaults: dict[str, object],
    in_defaults: bool,
    data: st.DataObject,
) -> None:
    at_fault = defaults if in_defaults or not own else own
    key = data.draw(st.sampled_from(sorted(at_fault)))
    # Never right, and long enough that nothing else is on its line.
    at_fault[key] = {"wrong": [0] * 40}
    path = write(
        tmp_path_factory.getbasetemp(),
        "mistake.yml",
        {
            "accounts": [{"name": "one", **own}, {"name": "two"}],
            "defaults": defaults,
            "schedules": SCHEDULES,
        },
    )

    with pytest.raises(ConfigurationError) as caught:
        load(path, {})

    where = f"defaults.{key}" if at_fault is defaults else f"accounts[0].{key}"
    lines = path.read_text(encoding="utf-8").splitlines()
    found = {mistake.path.removesuffix(".wrong") for mistake in caught.value.mistakes}
    assert found == {where}
    assert len(caught.value.mistakes) == 1
    (mistake,) = caught.value.mistakes
    assert "wrong" in lines[mistake.line - 1]
