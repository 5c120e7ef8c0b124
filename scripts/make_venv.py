"""Make a virtual environment with exactly what a lock file names.

usage: make_venv.py FOLDER LOCK CACHE

FOLDER is created; an existing one is replaced only if this program made it.
"""

import shutil
import subprocess
import sys
from pathlib import Path

from debian import Apt, AptError

MARK = "made-by-make-venv"


class FolderError(Exception):
    """The folder holds something else; the text says what to do."""


def main(folder: Path, lock: Path, cache: Path) -> int:
    """Create the environment afresh and install the lock file into it."""
    try:
        pip = make_environment(folder, cache)
    except FolderError as error:
        print(error, file=sys.stderr)
        return 1
    except AptError as error:
        print(
            f"Python has no pip to start from, and none could be fetched: {error}\n"
            "On Debian or Ubuntu, let root run: apt-get install python3-venv",
            file=sys.stderr,
        )
        return 1
    return subprocess.run(
        # The lock is complete: resolved again, what it leaves open would break it some day.
        [
            *pip,
            "install",
            "-q",
            "--disable-pip-version-check",
            "--no-deps",
            "--require-hashes",
            "-r",
            lock,
        ],
        stdin=subprocess.DEVNULL,
        check=False,
    ).returncode


def make_environment(folder: Path, cache: Path) -> list[str | Path]:
    """Create an empty environment, and return the command that runs pip in it.

    Raises:
        FolderError: the folder is there already and was not made here.
        AptError: there is no pip, and none could be fetched.
    """
    if not _may_clear(folder):
        msg = (
            f"{folder} is not an environment that make made, so it is left as it is:\n"
            "move it away, or choose another folder: make VENV=FOLDER ..."
        )
        raise FolderError(msg)
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", folder], check=True)
    (folder / MARK).touch()
    try:
        return _pip(folder / "bin" / "python", cache)
    except AptError:
        shutil.rmtree(folder)
        raise


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
