"""Every module can be imported first, so that a circle of imports shows at once."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import exporter

ROOT = Path(exporter.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in ROOT.rglob("*.py")
)

# One interpreter for all, which forgets the package in between: other libraries stay loaded.
IMPORT_EACH = """
import importlib, json, sys
failures = {}
for module in sys.argv[1:]:
    for name in [name for name in sys.modules if name.partition(".")[0] == "exporter"]:
        del sys.modules[name]
    try:
        importlib.import_module(module)
    except ImportError as error:
        failures[module] = str(error)
print(json.dumps(failures))
"""


def test_each_module_can_be_imported_by_itself() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_EACH, *MODULES],
        cwd=ROOT.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(MODULES) > 50
    assert json.loads(done.stdout) == {}


#: Which way imports point: a room imports those above it here, and none beside or below it.
RANKS: tuple[set[str], ...] = (
    {
        *(
            "__init__",
            "clock",
            "errors",
            "files",
            "line_writer",
            "logs",
            "schedule",
            "server_counters",
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
