"""The committed JSON is what the source makes, and holds nothing that Grafana 10.4 lacks."""

import json
import re
from pathlib import Path
from typing import Any

from grafana.build import FOLDER, all_dashboards, main, text
from grafana.tables import README, with_tables

ALLOWED = Path(__file__).with_name("allowed_keys.txt")

# Below these, keys are names of columns, values and states: not the format's.
NAMES = {"indexByName", "renameByName", "excludeByName"}


def key_paths(value: object, path: str = "") -> set[str]:
    """Return every key with those above it, lists as `[]` and names from the data as `*`."""
    found: set[str] = set()
    if isinstance(value, list):
        for item in value:
            found |= key_paths(item, f"{path}[]")
    elif isinstance(value, dict):
        parts = path.replace("[]", "").split(".")
        free = parts[-1] in NAMES or (
            parts[-1] == "options" and ("mappings" in parts or "properties" in parts)
        )
        for key, item in value.items():
            name = "*" if free and key not in {"match", "result"} else key
            found |= {f"{path}.{name}".lstrip("."), *key_paths(item, f"{path}.{name}")}
    return found


def test_the_committed_files_are_what_the_source_makes() -> None:
    made = {f"{one['uid']}.json": text(one) for one in all_dashboards()}
    committed = {file.name: file.read_text() for file in FOLDER.glob("*")}
    assert committed == made, "run python -m grafana.build"


def test_the_readme_has_every_panel() -> None:
    document = README.read_text()
    assert document == with_tables(document, all_dashboards()), "run python -m grafana.build"
    assert all(
        f"| {panel['title']} |" in document
        for one in all_dashboards()
        for panel in one["panels"]
        if panel["type"] != "row"
    )


def test_every_picture_is_there_and_small() -> None:
    pictures = re.findall(r"\]\((\.\./docs/images/[^)]+)\)", README.read_text())
    assert len(pictures) >= 4
    assert all(README.parent.joinpath(one).stat().st_size < 300_000 for one in pictures)


def test_build_writes_into_another_folder(tmp_path: Path) -> None:
    main(tmp_path / "new")
    names = {file.name for file in (tmp_path / "new").iterdir()}
    assert names == {file.name for file in FOLDER.iterdir()}


def test_only_known_keys(dashboard: dict[str, Any]) -> None:
    allowed = set(ALLOWED.read_text().split())
    assert key_paths(dashboard) <= allowed


def test_no_key_is_allowed_in_vain() -> None:
    used = {
        path for file in FOLDER.glob("*.json") for path in key_paths(json.loads(file.read_text()))
    }
    assert set(ALLOWED.read_text().split()) == used
