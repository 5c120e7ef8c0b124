"""Make a virtual environment with exactly what a lock file names.

usage: make_venv.py FOLDER LOCK CACHE MARK

FOLDER is created; an existing one is replaced only if this program made it. MARK is the file in it
that says that it is complete.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from debian import Apt, AptError

MARK = "made-by-make-venv"


# Settings that have pip install elsewhere, or something else. Where pip finds
# packages, and how it reaches them, is left as it is set.
OTHERWISE = ("constraint", "dry-run", "prefix", "python", "requirement", "root", "target", "user")


class SetUpError(Exception):
    """There is no environment; the text says what to do."""


def main(folder: Path, lock: Path, cache: Path, mark: Path) -> int:
    """Create the environment afresh and install the lock file into it."""
    try:
        with _alone(folder):
            if mark.exists() and mark.stat().st_mtime >= lock.stat().st_mtime:
                return 0  # another make has made it meanwhile
            print(f"Setting up {folder} with {lock}", file=sys.stderr)
            _install(make_environment(folder, cache), lock)
            mark.touch()
    except SetUpError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other make sets up an environment beside this one."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = os.open(folder.parent, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # as on NFS, which locks no folder
            fcntl.flock(beside, fcntl.LOCK_EX)
        yield
    finally:
        os.close(beside)


def _install(pip: list[str | Path], lock: Path) -> None:
    # The lock is complete: resolved again, what it leaves open would break it some day.
    exactly = ("-q", "--disable-pip-version-check", "--no-deps", "--require-hashes")
    done = subprocess.run(
        [*pip, "install", *exactly, "-r", lock],
        env=pip_environ(),
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode != 0:
        msg = (
            f"pip could not install {lock}; what it says is above. If it found no packages, they\n"
            "were out of its reach: look at the network, at https_proxy and at pip's own settings\n"
            f"({' '.join(map(str, pip))} config list). Then run make again."
        )
        raise SetUpError(msg)


def pip_environ() -> dict[str, str]:
    """Return the environment of this program without what has pip install elsewhere."""
    otherwise = {f"PIP_{name.upper().replace('-', '_')}" for name in OTHERWISE}
    return {name: value for name, value in os.environ.items() if name not in otherwise}


def make_environment(folder: Path, cache: Path) -> list[str | Path]:
    """Create an empty environment, and return the command that runs pip in it.

    Raises:
        SetUpError: the folder was not made here, or Python cannot make one.
    """
    if not _may_clear(folder):
        msg = (
            f"{folder} is not an environment that make made, so it is left as it is:\n"
            "move it away, or choose another folder: make VENV=FOLDER ..."
        )
        raise SetUpError(msg)
    _clear(folder)
    making = [sys.executable, "-m", "venv", "--without-pip", str(folder)]
    if subprocess.run(making, check=False).returncode != 0:
        msg = f"Python could not make an environment in {folder}; what it says is above."
        raise SetUpError(msg)
    # An empty value here takes the place of one in the files of a machine or a person.
    nothing = "".join(f"{name} =\n" for name in OTHERWISE)
    (folder / "pip.conf").write_text(f"[global]\n{nothing}[install]\n{nothing}")
    try:
        return _pip(folder / "bin" / "python", cache)
    except AptError as error:
        _clear(folder)
        msg = (
            f"Python has no pip to start from, and none could be fetched: {error}\n"
            "On Debian or Ubuntu, let root run: apt-get install python3-venv"
        )
        raise SetUpError(msg) from error


def _may_clear(folder: Path) -> bool:
    """Return whether nothing is lost: no such folder, an empty one, or one made here."""
    if not folder.exists():
        return not folder.is_symlink()
    if not folder.is_dir():
        return False
    if not any(folder.iterdir()) or (folder / MARK).exists():
        return True
    # Made before there was the mark: only the Makefile writes these besides the environment.
    marks = [*folder.glob("*.run"), *folder.glob("*.dev")]
    return (folder / "pyvenv.cfg").exists() and any(mark.is_file() for mark in marks)


def _clear(folder: Path) -> None:
    """Leave nothing but the mark: interrupted at any moment, the folder can be cleared again."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != MARK:
            path.unlink()


def _pip(python: Path, cache: Path) -> list[str | Path]:
    """Return a command that runs pip in the environment.

    Debian keeps ensurepip in a package of its own, which a small machine lacks; a wheel of pip is
    a package too, and runs without being installed.
    """
    if (
        subprocess.run(
            [python, "-c", "import ensurepip"], capture_output=True, check=False
        ).returncode
        == 0
    ):
        subprocess.run(
            [python, "-m", "ensurepip", "--default-pip"], stdout=subprocess.DEVNULL, check=True
        )
        return [python, "-m", "pip"]
    folder = cache / "pip"
    if not folder.exists():
        apt = Apt(cache / "apt")
        apt.update()
        apt.unpack(["python3-pip-whl"], folder)
    (wheel,) = folder.glob("usr/share/python-wheels/pip-*.whl")
    return [python, wheel / "pip"]


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
