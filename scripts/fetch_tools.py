"""Fetch what the end-to-end tests run: Prometheus, promtool, Alertmanager, amtool and a browser.

usage: fetch_tools.py CACHE [SUITE]

They come from Debian's packages and are unpacked into CACHE/tools, but for the browser, which
root's apt installs. A SUITE such as "sid" gives that release's Prometheus instead of this
machine's, and no browser. What is missing is an error where CI=true; elsewhere the tests that need
it are skipped.
"""

import fcntl
import os
import shutil
import sys
from pathlib import Path

from debian import Apt, AptError

# What the pages of Debian's Prometheus are made of, where it has pages.
PAGES = (
    "fonts-glyphicons-halflings",
    "libjs-bootstrap4",
    "libjs-d3",
    "libjs-eonasdan-bootstrap-datetimepicker",
    "libjs-jquery",
    "libjs-jquery-hotkeys",
    "libjs-moment",
    "libjs-moment-timezone",
    "libjs-mustache",
    "libjs-popper.js",
    "libjs-rickshaw",
)
ALERTMANAGER = "usr/bin/prometheus-alertmanager"
COMPLETE = "with-pages"  # a folder without them is fetched again
TEMPLATES = b"/usr/share/prometheus/alertmanager"


def main(cache: Path, suite: str | None = None) -> int:
    """Fetch what is missing, and report what is not available."""
    try:
        fetch(cache, suite)
    except AptError as error:
        print(f"Some end-to-end tests cannot run: {error}", file=sys.stderr)
        return 1 if os.environ.get("CI") == "true" else 0
    return 0


def fetch(cache: Path, suite: str | None = None, *, browser: bool = True) -> None:
    """Fetch what is missing, including the browser if it is wanted.

    Raises:
        AptError: something is not available.
    """
    folder = cache / "tools" / (suite or "native")
    folder.parent.mkdir(parents=True, exist_ok=True)
    apt = Apt(cache / "apt", suite)
    with (folder.parent / ".lock").open("w") as lock:  # clones may share the cache
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / COMPLETE).exists():
            apt.update()
            source = f"Debian's {suite}" if suite else "Debian's packages"
            print(f"Fetching Prometheus and Alertmanager from {source}", file=sys.stderr)
            packages = ["prometheus", "prometheus-alertmanager"]
            # promtool is part of prometheus before Debian 13; newer pages need no packages.
            packages += apt.offered(["promtool", *PAGES])
            apt.unpack(packages, folder, _relocate)
        if browser and suite is None and shutil.which("chromium") is None:
            apt.install("chromium")


def _relocate(root: Path) -> None:
    """Let Alertmanager find its templates in its working directory, and mark the folder complete.

    Debian's build opens them at one fixed path, which only an installed package has. A path to the
    working directory of the same length takes its place.
    """
    binary = root / ALERTMANAGER
    binary.write_bytes(binary.read_bytes().replace(TEMPLATES, b"./" * (len(TEMPLATES) // 2)))
    (root / COMPLETE).touch()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
