"""A shell that knows the command under test."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from tests.process_fixtures import PROGRAM, UNTRACED


class Bash:
    """A shell in an empty folder whose `calltools-exporter` is the one under test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "shell"
        self.bin = folder / "bin"
        self.folder.mkdir()
        self.bin.mkdir()
        self.program("calltools-exporter", f'exec {shlex.join(PROGRAM)} "$@"')

    def program(self, name: str, script: str) -> None:
        """Let the shell find a program."""
        path = self.bin / name
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)

    def run(self, script: str, code: int = 0, **environ: str) -> str:
        """Run a script and return what it wrote to standard output."""
        done = subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=self.folder,
            env={
                **UNTRACED,
                "HOME": str(self.folder),
                "PATH": f"{self.bin}:{os.environ['PATH']}",
                **environ,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode, done.stderr) == (code, "")
        return done.stdout
