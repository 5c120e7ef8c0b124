"""Run the tests marked `matrix` with each Prometheus that a release of Debian has.

usage: test_matrix.py CACHE [PYTEST ARGUMENT...]
"""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from debian import AptError
from fetch_tools import fetch

SUITES = ("bookworm", "trixie", "forky")  # Prometheus 2.42, 2.53 and 3; the last one moves


def main(cache: Path, *arguments: str) -> int:
    """Test with each, and fail if one does or if there is none."""
    chosen = list(_available(cache, SUITES))
    if not chosen:
        print("No release of Debian is available: nothing was tested.", file=sys.stderr)
    failed = not chosen
    for suite in chosen:
        print(f"With Debian's {suite}:", flush=True)
        environment = {**os.environ, "TEST_TOOLS": str(cache.resolve() / "tools" / suite)}
        command = [sys.executable, "-m", "pytest", "-m", "matrix", *arguments]
        failed |= subprocess.run(command, env=environment, check=False).returncode != 0
    return int(failed)


def _available(cache: Path, suites: Iterable[str]) -> Iterator[str]:
    """Yield the suites that can be fetched, and say which could not."""
    for suite in suites:
        try:
            fetch(cache, suite)
        except AptError as error:
            print(f"Not {suite}: {error}", file=sys.stderr)
        else:
            yield suite


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
