"""Run the tests marked `matrix` with the oldest and the newest Prometheus that Debian has.

usage: test_matrix.py CACHE [PYTEST ARGUMENT...]
"""

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from debian import AptError
from fetch_tools import fetch

SUITES = ("bookworm", "trixie", "forky", "sid")  # from the oldest Prometheus to the newest


def main(cache: Path, *arguments: str) -> int:
    """Test with both, and fail if either does or if there is none."""
    chosen = dict.fromkeys((_first(cache, SUITES), _first(cache, reversed(SUITES))))
    failed = False
    for suite in chosen:
        if suite is None:
            print("No release of Debian is to be had: nothing was tested.", file=sys.stderr)
            return 1
        print(f"With Debian's {suite}:", flush=True)
        environment = {**os.environ, "TEST_TOOLS": str(cache.resolve() / "tools" / suite)}
        command = [sys.executable, "-m", "pytest", "-m", "matrix", *arguments]
        failed |= subprocess.run(command, env=environment, check=False).returncode != 0
    return int(failed)


def _first(cache: Path, suites: Iterable[str]) -> str | None:
    """Return the first of the suites that can be fetched, and say which could not."""
    for suite in suites:
        try:
            fetch(cache, suite)
        except AptError as error:
            print(f"Not {suite}: {error}", file=sys.stderr)
        else:
            return suite
    return None


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
