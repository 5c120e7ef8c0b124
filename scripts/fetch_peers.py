"""Fetch what the exporter is compared with: blackbox_exporter, and json_exporter where Go is.

usage: fetch_peers.py CACHE
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from debian import Apt, AptError

MODULE = Path(__file__).parents[1] / "benchmarks/peers/go.mod"
PACKAGE = "github.com/prometheus-community/json_exporter"


def main(cache: Path) -> int:
    """Fetch what is missing, and report what is not available."""
    folder = cache / "peers"
    try:
        if not (folder / "debian").exists():
            apt = Apt(cache / "apt")
            apt.update()
            print("Fetching blackbox_exporter from Debian's packages", file=sys.stderr)
            apt.unpack(["prometheus-blackbox-exporter"], folder / "debian")
    except AptError as error:
        print(f"blackbox_exporter is not available: {error}", file=sys.stderr)
        return 1
    if not (folder / "json_exporter").exists():
        _build(folder.resolve())
    return 0


def _build(folder: Path) -> None:
    go = shutil.which("go")
    if go is None:
        print("There is no Go here, so json_exporter is left out", file=sys.stderr)
        return
    print("Building json_exporter", file=sys.stderr)
    module = folder / "module"
    module.mkdir(exist_ok=True)
    shutil.copy(MODULE, module)
    (module / "tools.go").write_text(f'//go:build tools\n\npackage peers\n\nimport _ "{PACKAGE}"\n')
    done = subprocess.run(
        [go, "build", "-mod=mod", "-o", folder / "json_exporter", PACKAGE],
        cwd=module,
        env={**os.environ, "GOFLAGS": ""},
        check=False,
    )
    if done.returncode:
        print("json_exporter could not be built and is left out", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
