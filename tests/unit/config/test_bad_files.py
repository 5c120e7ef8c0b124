"""One bad file for each rule; its exact mistakes stand beside it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.config import json_schema, load
from exporter.errors import ConfigurationError

ROOT = Path(__file__).parents[3]
FOLDER = Path(__file__).parent / "bad"
FILES = sorted(path.name for path in FOLDER.glob("*.yml"))

#: What no JSON Schema can see: rules that span keys, and what a pattern cannot hold.
UNSEEN_BY_EDITORS = {
    "accounts_missing.yml",
    "cert_without_key.yml",
    "day_twice.yml",
    "day_twice_over_sunday.yml",
    "defaults_http.yml",
    "doubled_account.yml",
    "doubled_by_an_alias.yml",
    "doubled_queue.yml",
    "doubled_queue_name.yml",
    "everything_missing.yml",
    "hours_empty.yml",
    "hours_overlap.yml",
    "hours_overlap_past_midnight.yml",
    "hours_overlap_past_sunday.yml",
    "key_without_cert.yml",
    "max_age_too_long.yml",
    "proxy_with_path.yml",
    "schedule_in_defaults.yml",
    "schedule_name_a_number.yml",
    "schedule_unknown.yml",
    "schedule_without_any.yml",
    "status_doubled.yml",
    "status_float.yml",
    "status_twice_by_name.yml",
    "timeout_too_long.yml",
    "timeout_zero.yml",
    "token_env_clash.yml",
    "token_pasted_into_file.yml",
    "token_twice.yml",
    "url_bad_port.yml",
    "url_http.yml",
    "url_marketing.yml",
    "url_placeholder.yml",
    "url_port_zero.yml",
    "url_with_fragment.yml",
    "url_with_password.yml",
    "url_with_path.yml",
    "url_wrong_api.yml",
    "zone_city.yml",
    "zone_nonsense.yml",
    "zone_unknown.yml",
}

#: What check-jsonschema unfolds without end.
TOO_MUCH_FOR_EDITORS = {"alias_bomb.yml", "recursive_alias.yml"}


@pytest.mark.parametrize("name", FILES)
def test_every_mistake_is_told_with_its_place(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    expected = Path(name).with_suffix(".txt").read_text(encoding="utf-8")

    with pytest.raises(ConfigurationError) as caught:
        load(Path(name), {})

    assert f"{caught.value}\n" == expected


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r", "\x85", "\u2028", "\u2029"])
@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("accounts:~  - queues: [1~    name: x~", ":3:"),
        ("accounts:~\t- name: x~", ":2:1: found a tab"),
        ("accounts:~  - name: \x07~", ":2:11: found the control character"),
    ],
)
def test_lines_are_counted_alike_by_whoever_finds_the_mistake(
    tmp_path: Path, text: str, place: str, line_end: str
) -> None:
    """A syntax error after other line ends than newlines was an IndexError."""
    path = tmp_path / "exporter.yml"
    path.write_bytes(text.replace("~", line_end).encode())
    with pytest.raises(ConfigurationError, match=rf"exporter\.yml{place}"):
        load(path, {})


def test_no_message_holds_a_key_or_a_password() -> None:
    for path in FOLDER.glob("*.txt"):
        text = path.read_text(encoding="utf-8")
        assert "9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b" not in text
        assert "hunter2" not in text
        assert "secret" not in text


def test_editors_see_what_a_schema_can_see(tmp_path: Path) -> None:
    schema = ROOT / "exporter.schema.json"
    names = set(FILES) - TOO_MUCH_FOR_EDITORS
    files = [str(FOLDER / name) for name in sorted(names)]
    command = [sys.executable, "-m", "check_jsonschema", "--output-format", "json"]
    run = subprocess.run(
        [*command, "--schemafile", str(schema), *files],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    answer = json.loads(run.stdout)
    found = [error["filename"] for error in answer["errors"]]
    found += [error["filename"] for error in answer["parse_errors"]]

    assert {Path(name).name for name in found} == names - UNSEEN_BY_EDITORS


def test_the_published_schema_is_the_model_s() -> None:
    published = (ROOT / "exporter.schema.json").read_text(encoding="utf-8")

    assert json.loads(published) == json_schema(), "write it anew with: make schema"


def test_every_key_of_the_schema_is_described() -> None:
    schema = json_schema()
    for mapping in (schema, *schema["$defs"].values()):
        assert mapping["description"]
        for key, value in mapping["properties"].items():
            assert value.get("description"), key
