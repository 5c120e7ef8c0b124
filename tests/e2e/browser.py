"""A headless Chromium that opens one page at a time."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path


class Browser:
    """Opens pages in a Chromium with a profile of its own.

    Args:
        binary: Chromium.
        profile: an empty folder.
    """

    def __init__(self, binary: Path, profile: Path) -> None:
        self._command = [
            str(binary),
            "--headless",
            *(["--no-sandbox"] if os.geteuid() == 0 else []),  # which root cannot have
            "--disable-gpu",
            "--disable-dev-shm-usage",  # too small in containers
            "--disable-quic",
            "--no-first-run",
            "--no-proxy-server",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            f"--user-data-dir={profile}",
        ]

    def html(self, url: str) -> str:
        """Return the page's document after its scripts ran."""
        return self._run("--dump-dom", url)

    @contextlib.contextmanager
    def open(self, url: str) -> Iterator[None]:
        """Keep the page open, as people do, until the block ends."""
        process = subprocess.Popen(
            [*self._command, "--remote-debugging-port=0", url],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)

    def screenshot(
        self, url: str, file: Path, *, width: int = 1280, height: int = 1024, dark: bool = False
    ) -> Path:
        """Write a PNG of the page to `file` and return it; `dark` is what its reader prefers."""
        scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
        size = f"--window-size={width},{height}"
        self._run(f"--screenshot={file}", size, "--hide-scrollbars", scheme, url)
        return file

    def _run(self, *arguments: str) -> str:
        # Timers run ahead instead of being waited for.
        done = subprocess.run(
            [*self._command, "--virtual-time-budget=10000", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return done.stdout
