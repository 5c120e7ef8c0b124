"""Every module can be imported first, so that a circle of imports shows at once."""

import json
import subprocess
import sys
from pathlib import Path

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
