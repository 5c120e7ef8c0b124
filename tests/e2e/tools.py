"""Finding the programs that the end-to-end tests run."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]

# What a program is called by its makers, and by Debian.
NAMES = {
    "prometheus": "prometheus",
    "promtool": "promtool",
    "alertmanager": "prometheus-alertmanager",
    "amtool": "amtool",
    "chromium": "chromium",
}


def find(name: str) -> Path | None:
    """Return a program's path, or None where it is missing.

    The folder TEST_TOOLS, where `make` unpacks Debian's packages, has all but the browser; without
    that folder the PATH is searched.
    """
    folder = Path(os.environ.get("TEST_TOOLS", REPOSITORY / ".cache/tools/native"))
    if folder.exists() and name != "chromium":
        unpacked = folder / "usr/bin" / NAMES[name]
        return unpacked if unpacked.exists() else None
    installed = shutil.which(name) or shutil.which(NAMES[name])
    return Path(installed) if installed else None


def require(name: str) -> Path:
    """Return a program's path; skip the test where it is missing, but fail in CI."""
    if path := find(name):
        return path
    reason = f"{name} is missing; `make tools` fetches it on Debian"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def version(name: str) -> str:
    """Return what a program says of its version, or "missing"."""
    path = find(name)
    if path is None:
        return "missing"
    done = subprocess.run(
        [path, "--version"], capture_output=True, text=True, timeout=30, check=False
    )
    words = (done.stdout or done.stderr).replace(",", "").split()
    return next((word for word in words if word[0].isdigit()), "of unknown version")
