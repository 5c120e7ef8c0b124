"""A headless Chromium that opens one page at a time."""

import os
import subprocess
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
            "--virtual-time-budget=10000",  # timers run ahead instead of being waited for
        ]

    def html(self, url: str) -> str:
        """Return the page's document after its scripts ran."""
        return self._run("--dump-dom", url)

    def screenshot(self, url: str, file: Path, *, width: int = 1280, height: int = 1024) -> Path:
        """Write a PNG of the page to `file` and return it."""
        self._run(f"--screenshot={file}", f"--window-size={width},{height}", url)
        return file

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self._command, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
        return done.stdout
