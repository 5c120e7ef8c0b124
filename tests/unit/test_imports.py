"""Every module can be imported first, so that a circle of imports shows at once."""

import ast
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import exporter

ROOT = Path(exporter.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in ROOT.rglob("*.py")
)

#: Which way imports point: a room imports those above it here, and none beside or below it.
RANKS: tuple[set[str], ...] = (
    {
        *(
            "__init__",
            "clock",
            "errors",
            "files",
            "logs",
            "schedule",
        ),
        *("settings", "signals", "snapshot", "systemd", "text"),
    },
    {"availability", "config", "counters", "history", "metrics", "simulator", "transport"},
    {"calltools"},
    {"scrape"},
    {"runtime"},
    {"web"},
    {"cli"},
    {"__main__"},
)
RANK = {room: rank for rank, rooms in enumerate(RANKS) for room in rooms}


def room_of(module: str) -> str:
    """Return the room of a module; those at the ground, which may import each other, are one."""
    room = (*module.split("."), "__init__")[1]
    return room if RANK[room] else "ground"


# One interpreter for all. Before each module it forgets those with which it may form a circle, its
# room: that rooms form none is tested below. Other rooms and libraries stay loaded.
IMPORT_EACH = """
import importlib, json, sys
failures = {}
for module, room in json.load(sys.stdin).items():
    for name in room:
        sys.modules.pop(name, None)
    try:
        importlib.import_module(module)
    except ImportError as error:
        failures[module] = str(error)
print(json.dumps(failures))
"""


def failures_to_import(modules: Sequence[str], folder: Path) -> dict[str, str]:
    """Import each module before the others of its room; return those that cannot be, and why."""
    rooms = {
        module: [other for other in modules if room_of(other) == room_of(module)]
        for module in modules
    }
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_EACH],
        cwd=folder,
        env={"PYTHONPATH": str(folder)},  # whoever traces coverage need not trace all of it again
        input=json.dumps(rooms),
        capture_output=True,
        text=True,
        check=True,
    )
    failures: dict[str, str] = json.loads(done.stdout)
    return failures


def test_each_module_can_be_imported_by_itself() -> None:
    assert len(MODULES) > 50
    assert failures_to_import(MODULES, ROOT.parent) == {}


def test_a_circle_within_a_room_is_found(tmp_path: Path) -> None:
    """Whichever of its modules the circle needs first."""
    files = {
        "__init__": "",
        "errors": "from exporter.files import two\none = 1",
        "files": "from exporter.errors import one\ntwo = 2",
        "web/__init__": "",
        "web/app": "from exporter.web.auth import check\ncreate = check",
        "web/auth": "def check(): ...\nfrom exporter.web.app import create",
        "web/tls": "from exporter.web.app import create",
    }
    (tmp_path / "exporter/web").mkdir(parents=True)
    for name, text in files.items():
        (tmp_path / f"exporter/{name}.py").write_text(text)
    modules = [f"exporter.{name}".replace("/", ".").removesuffix(".__init__") for name in files]
    assert set(failures_to_import(modules, tmp_path)) == {
        *("exporter.errors", "exporter.files"),
        *("exporter.web.app", "exporter.web.tls"),
    }


def imported(text: str) -> set[str]:
    """Return the rooms of the package that a module imports, in functions as well."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names = [f"{node.module}.{name.name}" for name in node.names]
        for package, *parts in (name.split(".") for name in names):
            if package == "exporter":
                # `from exporter import __version__` names no module
                found.add(parts[0] if parts and parts[0] in RANK else "__init__")
    return found


def upwards(room: str, text: str) -> set[str]:
    """Return the rooms that a module imports though they stand beside or below its own."""
    others = imported(text) - {room}
    return {other for other in others if RANK[other] >= max(RANK[room], 1)}


@pytest.mark.parametrize(
    "path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_imports_point_one_way(path: Path) -> None:
    room = path.relative_to(ROOT).parts[0].removesuffix(".py")
    assert upwards(room, path.read_text(encoding="utf-8")) == set()


def test_every_room_has_its_rank() -> None:
    rooms = {
        path.stem
        for path in ROOT.iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert rooms == set(RANK)


@pytest.mark.parametrize(
    ("room", "text"),
    [
        ("scrape", "from exporter.runtime import Runtime"),
        ("config", "import exporter.transport"),
        ("errors", "def late():\n    from exporter import web"),
    ],
)
def test_an_import_the_other_way_is_found(room: str, text: str) -> None:
    assert upwards(room, text)
