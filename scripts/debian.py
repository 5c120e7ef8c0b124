"""Unpack packages of Debian into a folder, with or without root; nothing is installed."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class AptError(Exception):
    """A package is not available; the text says what to do."""


@dataclass(frozen=True)
class Apt:
    """apt with lists and a cache of its own, so that it needs neither root nor `apt-get update`.

    Args:
        folder: where the lists and the downloads are kept.
        suite: a release of Debian such as "sid"; without it, what this machine's own sources offer.
    """

    folder: Path
    suite: str | None = None

    def update(self) -> None:
        """Fetch the package lists.

        Raises:
            AptError: no apt on this machine, or its sources could not be read.
        """
        if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
            msg = "this machine has no apt-get; the packages are Debian's"
            raise AptError(msg)
        for part in ("lists/partial", "cache/archives/partial"):
            (self._home / part).mkdir(parents=True, exist_ok=True)
        if self.suite:
            trust = f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
            self._sources.write_text(f"deb {trust}{_mirror()} {self.suite} main\n")
        self._run("apt-get", "update", "-qq")

    def unpack(
        self, packages: Sequence[str], into: Path, finish: Callable[[Path], None] | None = None
    ) -> None:
        """Download packages, without what they depend on, and unpack them into a folder.

        The folder appears only when it is complete and `finish` has seen it.

        Raises:
            AptError: a package is not offered, or could not be fetched.
        """
        into.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=into.parent, prefix=".unpacking-") as scratch:
            self._run("apt-get", "download", "-qq", *packages, cwd=Path(scratch))
            root = Path(scratch, "root")
            for package in sorted(Path(scratch).glob("*.deb")):
                self._run("dpkg", "-x", str(package), str(root))
            if finish:
                finish(root)
            shutil.rmtree(into, ignore_errors=True)
            root.rename(into)

    def install(self, package: str) -> None:
        """Install a package on this machine, which takes root.

        Raises:
            AptError: not root, or apt failed.
        """
        if os.geteuid() != 0:
            msg = f"{package} is missing; let root run: apt-get install {package}"
            raise AptError(msg)
        print(f"Installing {package} from Debian's packages", file=sys.stderr)
        self.update()
        self._run("apt-get", "install", "-qq", "-y", "--no-install-recommends", package)

    def offered(self, packages: Sequence[str]) -> list[str]:
        """Return those that the lists have. One question for all: each reads the whole lists."""
        lines = self._run("apt-cache", "madison", *packages).splitlines()
        found = {line.partition("|")[0].strip() for line in lines}
        return [package for package in packages if package in found]

    @property
    def _home(self) -> Path:
        return self.folder.resolve() / (self.suite or "native")

    @property
    def _sources(self) -> Path:
        return self._home / "sources.list"

    def _run(self, command: str, *arguments: str, cwd: Path | None = None) -> str:
        options = {
            "Dir::State::lists": str(self._home / "lists"),
            "Dir::Cache": str(self._home / "cache"),
            "APT::Sandbox::User": "",
            "Acquire::Retries": "2",
            "Acquire::http::Timeout": "20",
            "DPkg::Lock::Timeout": "120",
        }
        if self.suite:
            options |= {"Dir::Etc::sourcelist": str(self._sources), "Dir::Etc::sourceparts": "-"}
        flags = [f"-o{key}={value}" for key, value in options.items()]
        return _output(
            [command, *(flags if command.startswith("apt") else []), *arguments], cwd=cwd
        )


def _mirror() -> str:
    """Return the address that this machine fetches Debian's packages from."""
    addresses = _output(["apt-get", "indextargets", "--format", "$(REPO_URI)"]).split()
    for address in addresses:
        if address.rstrip("/").endswith("/debian"):
            return address
    msg = "this machine's apt sources name no mirror of Debian"
    raise AptError(msg)


def _output(command: Sequence[str], cwd: Path | None = None) -> str:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        msg = f"{' '.join([*command[:1], *command[-3:]])}: {done.stderr.strip() or done.stdout}"
        raise AptError(msg)
    return done.stdout
