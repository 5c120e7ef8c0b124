"""A lock file installs as long as its files are there, whatever is released after it was written.

The kind of fault: pip resolves a complete list once more, and what the list leaves open, such as
an extra, is then met by a newer release that the list does not have. So each lock is installed
with the oldest pip and the newest from an index of empty packages that has a newer release of
each, with the names, extras, hashes and dependencies of the real ones.
"""

import base64
import hashlib
import os
import re
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from tests.e2e.tools import REPOSITORY

LOCKS = ("run", "build", "dev")
if sys.version_info < (3, 12):
    OLDEST = "pip==22.3"  # that of Python 3.11.0
    DEBIAN = "pip==23.0"  # that of Debian 12
else:  # Earlier ones do not run.
    OLDEST = DEBIAN = "pip==23.2.1"  # that of Python 3.12.0; Debian 13 has a later one
NEWEST = "pip"


class Index:
    """A folder of empty packages for pip, and the locks for what is in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "wheels"
        self.folder.mkdir()
        self._hashes: dict[str, str] = {}
        self.locks = {lock: folder / f"{lock}.txt" for lock in LOCKS}
        for lock, path in self.locks.items():
            path.write_text("".join(self._lines(lock)))

    def _lines(self, lock: str) -> Iterator[str]:
        text = (REPOSITORY / f"requirements/{lock}.txt").read_text()
        for line in re.findall(r"^[a-z0-9][^\\\n]*", text, re.MULTILINE):
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate():
                (pin,) = requirement.specifier
                yield f"{line.strip()} --hash=sha256:{self._add(requirement.name, pin.version)}\n"

    def _add(self, name: str, version: str) -> str:
        """Add the locked release and a newer one; return the hash of the locked one."""
        if name not in self._hashes:
            self._hashes[name] = self._write(name, version)
            self._write(name, f"{Version(version).major + 1}.0")
        return self._hashes[name]

    def _write(self, name: str, version: str) -> str:
        real = metadata.metadata(name)
        described = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
        for field in ("Provides-Extra", "Requires-Dist"):
            described += [f"{field}: {value}" for value in real.get_all(field) or []]
        stem = f"{name.replace('-', '_')}-{version}"
        files = {
            f"{stem}.dist-info/METADATA": "\n".join(described) + "\n",
            f"{stem}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\n"
            "Root-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = "".join(f"{path},{_record(text)}\n" for path, text in files.items())
        files[f"{stem}.dist-info/RECORD"] = f"{record}{stem}.dist-info/RECORD,,\n"
        wheel = self.folder / f"{stem}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            for path, text in files.items():
                archive.writestr(path, text)
        return hashlib.sha256(wheel.read_bytes()).hexdigest()

    @property
    def environ(self) -> dict[str, str]:
        """What has pip take this index and nothing of the developer's own."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_FIND_LINKS": str(self.folder),
            "PIP_NO_CACHE_DIR": "1",
            "PIP_NO_INDEX": "1",
        }


def _record(text: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
    return f"sha256={digest.decode()},{len(text.encode())}"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return Index(tmp_path_factory.mktemp("index"))


@pytest.fixture(scope="module")
def cache(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cache as make has it, with this pip in place of Debian's."""
    folder = tmp_path_factory.mktemp("cache")
    wheel = folder / "pip/usr/share/python-wheels/pip-any.whl"
    uv = Path(sys.executable).with_name("uv")
    done = subprocess.run(
        [uv, "pip", "install", "--quiet", "--compile-bytecode", "--target", wheel, request.param],
        env={"UV_SYSTEM_CERTS": "1", **os.environ},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        reason = f"{request.param} could not be fetched: {done.stderr}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    # A Python as Debian splits it up has to take the pip of the cache.
    (folder / "no-ensurepip").mkdir()
    (folder / "no-ensurepip/ensurepip.py").write_text("raise ImportError\n")
    return folder


def pip_in(place: Path, cache: Path) -> list[str | Path]:
    """Return the command that runs the cache's pip in an environment."""
    (pip,) = cache.glob("pip/usr/share/python-wheels/*.whl/pip")
    return [place / "bin/python", pip]


def run(*command: str | Path, index: Index, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        env={**index.environ, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("cache", [OLDEST, NEWEST], indirect=True)
@pytest.mark.parametrize("lock", LOCKS)
def test_make_sets_up_exactly_what_is_locked(
    lock: str, index: Index, cache: Path, tmp_path: Path
) -> None:
    """Also where pip is set to install somewhere else, or something else."""
    place = tmp_path / "venv"
    script = REPOSITORY / "scripts/make_venv.py"
    settings = tmp_path / ".config/pip/pip.conf"
    settings.parent.mkdir(parents=True)
    settings.write_text(
        f"[global]\nuser = true\nprefix = {tmp_path}\nroot = {tmp_path}\ndry-run = true\n"
        f"[install]\ntarget = {tmp_path}\nconstraint = {tmp_path / 'missing'}\n"
    )

    made = run(
        *(sys.executable, script, place, index.locks[lock], cache, place / "complete"),
        index=index,
        HOME=str(tmp_path),
        PIP_CONFIG_FILE="",
        PYTHONPATH=str(cache / "no-ensurepip"),
    )

    assert made.returncode == 0, made.stderr
    installed = {
        f"{one.name}=={one.version}"
        for one in metadata.distributions(
            path=[str(path) for path in place.glob("lib/*/site-packages")]
        )
    }
    pins = re.findall(r"^(\S+?)(?:\[.*\])?(==\S+)", index.locks[lock].read_text(), re.MULTILINE)
    assert installed == {name + version for name, version in pins}
    # Nothing that these need is left out.
    complete = run(*pip_in(place, cache), "check", index=index)
    assert complete.returncode == 0, complete.stdout


@pytest.mark.parametrize("cache", [NEWEST], indirect=True)
def test_the_image_installs_what_is_locked(index: Index, cache: Path, tmp_path: Path) -> None:
    recipe = (REPOSITORY / "Dockerfile").read_text().replace("\\\n", " ")
    found = re.findall(r"install ([^&\n]*)-r requirements/(\w+)\.txt", recipe)
    assert [lock for _, lock in found] == ["build", "run"]
    for flags, lock in found:
        place = tmp_path / lock
        venv.create(place, with_pip=False)
        command = [*pip_in(place, cache), "install", *flags.split(), "-r", index.locks[lock]]
        installed = run(*command, index=index)
        assert installed.returncode == 0, installed.stderr


@pytest.mark.parametrize("cache", [OLDEST, DEBIAN, NEWEST], indirect=True)
def test_the_longest_lock_stands_by_itself(index: Index, cache: Path, tmp_path: Path) -> None:
    """Also where somebody lets pip resolve it once more."""
    venv.create(tmp_path / "venv", with_pip=False)
    install = [*pip_in(tmp_path / "venv", cache), "install", "--require-hashes", "-r"]

    installed = run(*install, index.locks["dev"], index=index)

    assert installed.returncode == 0, installed.stderr


@pytest.mark.parametrize("cache", [DEBIAN], indirect=True)
def test_a_lock_without_its_extras_is_found_out(index: Index, cache: Path, tmp_path: Path) -> None:
    """Proof that the fault this file is about is seen here."""
    venv.create(tmp_path / "venv", with_pip=False)
    bare = tmp_path / "bare.txt"
    bare.write_text(re.sub(r"\[.*?\]", "", index.locks["dev"].read_text()))
    install = [*pip_in(tmp_path / "venv", cache), "install", "--require-hashes", "-r", bare]

    refused = run(*install, index=index)

    assert refused.returncode != 0
    assert "--require-hashes mode" in refused.stderr
    assert "coverage[toml]" in refused.stderr
