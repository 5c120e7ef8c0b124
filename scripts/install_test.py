"""Install the exporter as its users do, with the oldest libraries allowed and the newest; test it.

usage: install_test.py CACHE [PYTEST ARGUMENT...]

The lock files have no part in it: `pip install .` takes what pyproject.toml allows. With the newest
libraries the unit tests run a year ahead.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from make_venv import make_environment, pip_environ

ROOT = Path(__file__).resolve().parents[1]
UV = Path(sys.executable).with_name("uv")


def main(cache: Path, *arguments: str) -> int:
    """Test both, and fail if either does."""
    failed = []
    for libraries in ("lowest", "newest"):
        with tempfile.TemporaryDirectory(prefix="calltools-install-") as folder:
            try:
                _test(libraries, Path(folder), cache.absolute(), arguments)
            except subprocess.CalledProcessError as error:
                print(f"{error} ({libraries} libraries)", file=sys.stderr)
                failed.append(libraries)
    return int(bool(failed))


def _test(libraries: str, folder: Path, cache: Path, arguments: Sequence[str]) -> None:
    """Install into a folder and test the result.

    Raises:
        CalledProcessError: a step failed.
    """
    print(f"With the {libraries} libraries that pyproject.toml allows:", flush=True)
    place = folder / "venv"
    pip = make_environment(place, cache)
    allowed = folder / "allowed.txt"
    allowed.touch()
    if libraries == "lowest":
        compiling = ("pip", "compile", "--quiet", "--resolution=lowest-direct")
        _run(UV, *compiling, "--python", place, "pyproject.toml", "-o", allowed)
    _run(*pip, "install", "--quiet", "--disable-pip-version-check", "-c", allowed, ".")
    command = place / "bin" / "calltools-exporter"
    _run(command, "--version", cwd=folder)
    _run(command, "schema", cwd=folder, stdout=subprocess.DEVNULL)

    installed = folder / "installed.txt"
    with installed.open("w") as file:
        _run(UV, "pip", "freeze", "--exclude=calltools-exporter", "--python", place, stdout=file)
    print(*installed.read_text().split(), flush=True)
    # This release of a tool needs a newer click than it says; what is tested does not.
    tools = ("check-jsonschema!=0.38.1",) if libraries == "lowest" else ()
    installing = ("pip", "install", "--quiet", "--python", place, "--group=dev", "-c", installed)
    _run(UV, *installing, *tools)
    tests = ["-m", "pytest", "-q", "-n", "auto", "-p", "no:cacheprovider", "tests/unit"]
    if libraries == "newest":
        tests += ["-p", "year_ahead"]
    _run(place / "bin" / "python", *tests, *arguments)


def _run(*command: str | Path, cwd: Path = ROOT, stdout: IO[str] | int | None = None) -> None:
    # The plugin year_ahead.py is found beside this file.
    environment = {
        "UV_SYSTEM_CERTS": "1",
        **pip_environ(),
        "PYTHONPATH": str(Path(__file__).parent),
    }
    subprocess.run(
        command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=stdout, check=True
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
