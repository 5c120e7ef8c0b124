"""A terminal to run commands on."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pytest

from tests.process_fixtures import ENVIRON, PROGRAM


class OpenTerminal(Protocol):
    def __call__(self, *arguments: str, **environ: str) -> Terminal: ...


class Terminal:
    """A command on a terminal, as a person sees it; ``everything`` is what was shown so far."""

    def __init__(
        self, folder: Path, *arguments: str, program: Sequence[str] = PROGRAM, **environ: str
    ) -> None:
        self._mine, theirs = pty.openpty()
        self.seen = self.everything = ""
        self.process = subprocess.Popen(
            [*program, *arguments],
            cwd=folder,
            env={**ENVIRON, "CALLTOOLS_TOKEN": "", **environ},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)

    def answer(self, question: str, text: str) -> None:
        """Wait for a question, then type an answer."""
        self.wait_for(question)
        self.seen = ""
        os.write(self._mine, f"{text}\n".encode(errors="surrogateescape"))

    def wait_for(self, words: str) -> None:
        deadline = time.monotonic() + 30
        while words not in self.seen:
            assert time.monotonic() < deadline, self.seen
            assert self._read(deadline - time.monotonic()), self.seen

    def end(self) -> int:
        """Wait for the command's end and return its exit code."""
        while self._read(30):
            pass
        return self.process.wait(30)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._mine)

    def _read(self, seconds: float) -> bool:
        # Not `select`, which knows only the first 1024 descriptors of a process.
        waiting = select.poll()
        waiting.register(self._mine, select.POLLIN)
        ready = waiting.poll(max(0.0, seconds) * 1000)
        try:
            piece = os.read(self._mine, 65536) if ready else b""
        except OSError:  # the other end is closed
            return False
        words = piece.decode(errors="replace").replace("\r\n", "\n")
        self.seen += words
        self.everything += words
        return bool(piece)


@pytest.fixture
def open_terminal(tmp_path: Path) -> Iterator[OpenTerminal]:
    """Run commands on terminals, in an empty folder; they end with the test."""
    opened: list[Terminal] = []

    def run(*arguments: str, **environ: str) -> Terminal:
        opened.append(Terminal(tmp_path, *arguments, **environ))
        return opened[-1]

    yield run
    for one in opened:
        one.close()
