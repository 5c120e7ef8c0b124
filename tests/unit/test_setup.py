"""What a newcomer meets first: make, the lock files, the image's recipe, the tracked files."""

import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

REPOSITORY = Path(__file__).parents[2]
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


def test_make_alone_lists_every_target() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = set(re.findall(r"^\.PHONY: (\S+)$", makefile, re.MULTILINE))

    done = subprocess.run(
        ["make"], cwd=REPOSITORY, capture_output=True, text=True, check=True, timeout=30
    )

    listed = {line.split()[1] for line in done.stdout.splitlines()}
    assert {"help", "demo", "test"} <= listed
    assert listed == targets


def test_an_old_python_is_told_what_is_needed(tmp_path: Path) -> None:
    old = tmp_path / "python3.10"
    old.write_text("#!/bin/sh\nexit 1\n")  # what the question for 3.11 is answered with
    old.chmod(0o755)

    done = subprocess.run(
        ["make", "demo", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert done.returncode != 0
    assert "Python 3.11 or newer is needed" in done.stderr


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a folder with what make needs, and a Python that prints what it is told."""
    folder = tmp_path / "it's a $clone"
    (folder / ".venv/bin").mkdir(parents=True)
    for name in ("Makefile", "requirements", "scripts"):
        (folder / name).symlink_to(REPOSITORY / name)
    python = folder / ".venv/bin/python"
    python.write_text('#!/bin/sh\nenv; echo "$@"\n')
    python.chmod(0o755)
    return folder


def make(*arguments: str, cwd: Path, python: str = "python3", **environ: str) -> str:
    """Return what make prints, with the Python that runs the tests."""
    done = subprocess.run(
        ["make", f"PYTHON={python}", *arguments],
        cwd=cwd,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def mark_of(folder: Path, python: str = "python3") -> Path:
    """Return the file that make expects where the environment is complete."""
    printed = make("-n", "venv", cwd=folder, python=python)
    found = re.search(r"make_venv\.py .* (\S+)$", printed)
    assert found, printed
    return folder / found[1]


def test_a_clone_may_be_anywhere(clone: Path) -> None:
    """A space in its path had cut the command that runs the tests in two."""
    mark_of(clone).touch()

    printed = make("unit", cwd=clone)

    assert f"TEST_TOOLS={clone}/.cache/tools/native\n" in printed
    assert "-m pytest -q tests/unit" in printed


def test_what_a_shell_sets_for_other_programs_is_left_out(clone: Path) -> None:
    mark_of(clone).touch()
    names = ("PYTHONHOME", "PYTHONOPTIMIZE", "PYTHONPATH", "PYTHONSAFEPATH", "PYTHONWARNINGS")

    printed = make("unit", cwd=clone, **dict.fromkeys(names, "1"))

    assert "-m pytest" in printed
    assert not [name for name in names if f"{name}=" in printed]


def test_a_moved_environment_is_made_anew(clone: Path, tmp_path: Path) -> None:
    """Its programs are looked for where it was."""
    mark_of(clone).touch()
    assert "make_venv" not in make("-n", "unit", cwd=clone)

    moved = clone.rename(tmp_path / "moved")

    assert "make_venv" in make("-n", "unit", cwd=moved)


def test_an_environment_of_another_python_is_made_anew(clone: Path, tmp_path: Path) -> None:
    """A Debian that is upgraded in place has another python3, which finds no package in it."""
    mark = mark_of(clone)
    assert sys.implementation.cache_tag in mark.name
    mark.touch()
    newer = tmp_path / "python3"
    newer.write_text("#!/bin/sh\necho cpython-399-0\n")
    newer.chmod(0o755)

    assert "make_venv" not in make("-n", "unit", cwd=clone)
    assert "make_venv" in make("-n", "unit", cwd=clone, python=str(newer))


def make_venv(
    folder: Path,
    pip: str = "",
    environ: Mapping[str, str] = MappingProxyType({}),
    *,
    interrupted: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Make an environment with nothing in it, by a pip that is this program."""
    venv = folder.parent / "broken/venv.py"
    if interrupted:
        venv.parent.mkdir()
        venv.write_text(
            "import os, pathlib, signal, sys\n"
            "pathlib.Path(sys.argv[-1]).mkdir(exist_ok=True)\n"
            "pathlib.Path(sys.argv[-1], 'pyvenv.cfg').touch()\n"
            "os.kill(os.getppid(), signal.SIGKILL)\n"
        )
    else:
        venv.unlink(missing_ok=True)
    with start_make_venv(folder, pip, environ) as process:
        out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def start_make_venv(
    folder: Path, pip: str, environ: Mapping[str, str] = MappingProxyType({})
) -> subprocess.Popen[str]:
    lock = folder.parent / "nothing.txt"
    if not lock.exists():
        lock.touch()
    # This pip, so that none is installed or fetched.
    wheel = folder.parent / "cache/pip/usr/share/python-wheels/pip-0.whl/pip"
    wheel.mkdir(parents=True, exist_ok=True)
    (wheel / "__main__.py").write_text(pip)
    broken = folder.parent / "broken"
    broken.mkdir(exist_ok=True)
    (broken / "ensurepip.py").write_text("raise ImportError\n")
    script = REPOSITORY / "scripts/make_venv.py"
    return subprocess.Popen(
        [sys.executable, script, folder, lock, folder.parent / "cache", folder / "complete.dev"],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(broken), **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_pip_is_not_told_to_install_elsewhere(tmp_path: Path) -> None:
    """By what a machine or a person has set for every other use."""
    pip = "import os; print(*(name for name in os.environ if name.startswith('PIP_')))"
    elsewhere = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_CONSTRAINT", "PIP_DRY_RUN")

    environ = {"PIP_INDEX_URL": "x", **dict.fromkeys(elsewhere, "1")}
    made = make_venv(tmp_path / "venv", pip, environ)

    assert (made.returncode, made.stdout) == (0, "PIP_INDEX_URL\n")


def test_a_pip_that_fails_is_explained(tmp_path: Path) -> None:
    folder = tmp_path / "venv"

    failed = make_venv(folder, "raise SystemExit('no matching distribution found')")

    assert failed.returncode == 1
    assert "no matching distribution found" in failed.stderr
    assert "look at the network, at https_proxy" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not (folder / "complete.dev").exists()
    assert make_venv(folder).returncode == 0
    assert (folder / "complete.dev").exists()


def test_two_makes_at_once_make_one_environment(tmp_path: Path) -> None:
    """Each cleared what the other was installing."""
    installs = tmp_path / "installs"
    pip = f"print('once', file=open({str(installs)!r}, 'a'))"

    running = [start_make_venv(tmp_path / "venv", pip) for _ in range(2)]
    said = [process.communicate(timeout=60) for process in running]

    assert [process.returncode for process in running] == [0, 0], said
    assert installs.read_text() == "once\n"


@pytest.mark.parametrize("kept", ["pyvenv.cfg", "thesis.tex", "lib/python3.11/site.py"])
def test_a_folder_that_make_did_not_make_is_never_cleared(tmp_path: Path, kept: str) -> None:
    file = tmp_path / "venv" / kept
    file.parent.mkdir(parents=True)
    file.write_text("years of work")

    refused = make_venv(tmp_path / "venv")

    assert refused.returncode == 1
    assert "not an environment that make made" in refused.stderr
    assert "VENV=" in refused.stderr
    assert file.read_text() == "years of work"


def test_what_is_no_folder_is_not_cleared_either(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("years of work")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")

    assert make_venv(tmp_path / "file").returncode == 1
    assert make_venv(tmp_path / "dangling").returncode == 1
    assert (tmp_path / "file").read_text() == "years of work"


@pytest.mark.parametrize(
    "left", ["nothing", "an empty folder", "one made here", "an older one", "half of one"]
)
def test_an_environment_of_its_own_is_made_anew(tmp_path: Path, left: str) -> None:
    folder = tmp_path / "venv"
    if left == "an empty folder":
        folder.mkdir()
    elif left == "one made here":
        assert make_venv(folder).returncode == 0
        (folder / "python3.dev").touch()
    elif left == "an older one":  # from before there was a mark
        folder.mkdir()
        (folder / "pyvenv.cfg").touch()
        (folder / "python3.run").touch()
    elif left == "half of one":
        assert make_venv(folder, interrupted=True).returncode == -signal.SIGKILL

    (folder.parent / "nothing.txt").touch()  # the list is newer
    made = make_venv(folder)

    assert made.returncode == 0, made.stderr
    assert (folder / "bin/python").exists()
    assert not list(folder.glob("python3.*"))


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(
    ("lock", "groups"), [("run", []), ("build", ["build"]), ("dev", ["build", "dev"])]
)
def test_the_lock_files_agree_with_pyproject(lock: str, groups: list[str], python: str) -> None:
    pins = dict(_pins(lock, python))
    wanted = [one for group in groups for one in _project()["dependency-groups"][group]]
    if lock != "build":
        wanted += _project()["project"]["dependencies"]

    for text in wanted:
        if not isinstance(text, str):
            continue  # include-group
        requirement = Requirement(text)
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{name} is not in {lock}.txt: run `make lock`"
        assert requirement.specifier.contains(pins[name]), f"{name}: run `make lock`"


@pytest.mark.parametrize("python", PYTHONS)
def test_what_is_tested_is_what_runs(python: str) -> None:
    tested = dict(_pins("dev", python))

    assert dict(_pins("run", python)).items() <= tested.items()


@pytest.mark.parametrize("lock", ["run", "build", "dev"])
def test_every_pin_has_hashes(lock: str) -> None:
    text = (REPOSITORY / f"requirements/{lock}.txt").read_text()
    pins = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]

    assert pins
    assert all("--hash=sha256:" in pin for pin in pins)


def test_the_dockerfile_is_clean() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")

    done = subprocess.run(
        [hadolint, "Dockerfile"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workflows_are_what_their_service_expects() -> None:
    check = Path(sys.executable).with_name("check-jsonschema")
    workflows = sorted((REPOSITORY / ".github/workflows").glob("*.yml"))

    done = subprocess.run(
        [check, "--builtin-schema", "vendor.github-workflows", *workflows],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_workflows_test_every_python_that_is_promised() -> None:
    promised = {
        classifier.rpartition(" ")[2]
        for classifier in _project()["project"]["classifiers"]
        if re.search(r":: 3\.\d+$", classifier)
    }
    tested = re.findall(r'"(3\.\d+)"', (REPOSITORY / ".github/workflows/test.yml").read_text())

    assert promised == set(tested) == set(PYTHONS)


def test_the_workflows_install_as_users_do() -> None:
    workflow = (REPOSITORY / ".github/workflows/test.yml").read_text()

    assert "make install-test" in workflow
    assert "container: python:3.11-" in workflow  # the oldest, which the lowest versions are for


def test_no_file_names_a_registry_or_a_place_of_one_machine() -> None:
    # Split, so that this file is not found itself.
    hosts = ["pypi" + ".org", "python" + "hosted.org", "deb.debian" + ".org", "npmjs" + ".org"]
    places = ["/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/"]
    forbidden = re.compile("|".join(map(re.escape, [*hosts, *places])).encode())

    found = [
        f"{file.relative_to(REPOSITORY)}: {match.group().decode()}"
        for file in _tracked()
        if (match := forbidden.search(file.read_bytes()))
    ]

    assert not found


def _project() -> dict[str, Any]:
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text())


def _pins(lock: str, python: str) -> Iterator[tuple[str, Version]]:
    """Yield the names and versions that a lock file has for a Python on Linux."""
    text = (REPOSITORY / f"requirements/{lock}.txt").read_text()
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }
    for line in re.findall(r"^[a-z0-9][^\\\n]*", text, re.MULTILINE):
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            (pin,) = requirement.specifier
            yield canonicalize_name(requirement.name), Version(pin.version)


def _tracked() -> list[Path]:
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        pytest.skip("not a git repository")
    files = [REPOSITORY / name for name in done.stdout.split("\0") if name]
    return [file for file in files if file.is_file()]
