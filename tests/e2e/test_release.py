"""What is released can be installed where there is nothing but Python, and works there."""

from __future__ import annotations

import email
import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

from exporter import __version__
from tests.process_fixtures import ROOT

#: The libraries are those of this environment: nothing is fetched.
LIBRARIES = os.pathsep.join(path for path in sys.path if path.endswith("site-packages"))
NAME = f"calltools_exporter-{__version__}"


def run(*words: str | Path, cwd: Path, **environ: str) -> str:
    done = subprocess.run(
        words,
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": str(cwd), **environ},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist, and the wheel from what is in the sdist."""
    folder = tmp_path_factory.mktemp("distributions")
    build = "import hatchling.build as b, sys; getattr(b, sys.argv[1])(sys.argv[2])"
    run(sys.executable, "-c", build, "build_sdist", folder, cwd=ROOT)
    with tarfile.open(folder / f"{NAME}.tar.gz") as archive:
        if hasattr(tarfile, "data_filter"):  # not yet in Debian's Python 3.11.2
            archive.extraction_filter = tarfile.data_filter
        archive.extractall(folder)
    run(sys.executable, "-c", build, "build_wheel", folder, cwd=folder / NAME)
    return folder


def test_the_wheel_holds_the_package_and_nothing_else(distributions: Path) -> None:
    with zipfile.ZipFile(distributions / f"{NAME}-py3-none-any.whl") as wheel:
        names = set(wheel.namelist())
        metadata = email.message_from_bytes(wheel.read(f"{NAME}.dist-info/METADATA"))
    assert {name.partition("/")[0] for name in names} == {"exporter", f"{NAME}.dist-info"}
    # Every file of the package, templates and the mark of types as well.
    package = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "exporter").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    shipped = {name for name in names if name.startswith("exporter/shipped/")}
    assert len(shipped) == 8
    assert {name for name in names if name.startswith("exporter/")} - shipped == package
    assert f"{NAME}.dist-info/licenses/LICENSE" in names
    assert metadata["Version"] == __version__
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"
    # An index shows README outside the repository, so that no link may be relative.
    assert metadata["Description-Content-Type"] == "text/markdown"
    links = re.findall(r"\]\(([^)]+)\)", str(metadata.get_payload()))
    assert any("docs/images/" in link for link in links)
    assert [link for link in links if not link.startswith(("https://", "http://", "#"))] == []


def test_the_sdist_holds_what_its_readme_names(distributions: Path) -> None:
    sources = distributions / NAME
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", (sources / "README.md").read_text())
    targets = [link for link in links if "://" not in link]
    assert targets
    assert [target for target in targets if not (sources / target).exists()] == []


def test_it_works_in_an_empty_environment(distributions: Path, tmp_path: Path) -> None:
    pytest.importorskip("ensurepip", reason="this Python cannot make environments with pip")
    venv.create(tmp_path / "venv", with_pip=True)
    command = tmp_path / "venv" / "bin" / "calltools-exporter"
    wheel = distributions / f"{NAME}-py3-none-any.whl"
    python = tmp_path / "venv" / "bin" / "python"
    flags = ("--no-deps", "--no-index", "--quiet", "--disable-pip-version-check")
    run(python, "-m", "pip", "install", *flags, wheel, cwd=tmp_path)

    version = run(command, "--version", cwd=tmp_path, PYTHONPATH=LIBRARIES)
    assert version == f"calltools-exporter {__version__}\n"
    where = "import exporter; print(exporter.__file__)"
    assert str(tmp_path) in run(python, "-c", where, cwd=tmp_path, PYTHONPATH=LIBRARIES)
    (tmp_path / "exporter.yml").write_text((ROOT / "exporter.yml").read_text())
    checked = run(command, "check", cwd=tmp_path, PYTHONPATH=LIBRARIES, CALLTOOLS_TOKEN="x")
    assert checked == "exporter.yml: 1 account, 2 queues, no mistakes\n"
    run(command, "files", "--output=files", cwd=tmp_path, PYTHONPATH=LIBRARIES)
    for source in (*(ROOT / "prometheus/rules").iterdir(), ROOT / "prometheus/alertmanager.yml"):
        (written,) = (tmp_path / "files").rglob(source.name)
        assert yaml.safe_load(written.read_text()) == yaml.safe_load(source.read_text())
    assert len(list((tmp_path / "files/dashboards").iterdir())) == 3
    schema = run(command, "schema", cwd=tmp_path, PYTHONPATH=LIBRARIES)
    assert schema == (ROOT / "exporter.schema.json").read_text()


def test_nothing_is_imported_but_what_the_release_depends_on() -> None:
    locked = re.findall(
        r"^([a-z0-9-]+)==", (ROOT / "requirements/run.txt").read_text(), re.MULTILINE
    )
    code = f"""
import importlib.metadata, pkgutil, sys
owners = importlib.metadata.packages_distributions()
there = set({locked!r})

class Only:
    def find_spec(self, name, *_):
        of = [one.lower().replace("_", "-") for one in owners.get(name.partition(".")[0], ())]
        if of and there.isdisjoint(of):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Only())
import exporter
for one in pkgutil.walk_packages(exporter.__path__, "exporter."):
    __import__(one.name)
print("pytest" in owners, len(there))
"""
    said = run(sys.executable, "-S", "-c", code, cwd=ROOT, PYTHONPATH=LIBRARIES)
    assert said == f"True {len(locked)}\n"
