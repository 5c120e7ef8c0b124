"""Run exporter, Prometheus and Alertmanager on a simulated account until Ctrl-C, without Docker.

usage: stack.py CACHE [--exporter PORT] [--prometheus PORT] [--alertmanager PORT]

They are Debian's packages, unpacked into CACHE, and read the files in prometheus/. What they store
is in a temporary folder that goes with them.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from debian import AptError
from fetch_tools import fetch

ROOT = Path(__file__).parents[1]
PORTS = {"exporter": 15457, "prometheus": 9090, "alertmanager": 9093}
WORDS = """\
Open http://127.0.0.1:{exporter}/ for the exporter,
     http://127.0.0.1:{prometheus}/graph?g0.expr=calltools_queue_available_agents for its numbers,
     http://127.0.0.1:{prometheus}/alerts for the alerts,
     http://127.0.0.1:{alertmanager}/ for what is told to whom. Ctrl-C ends all of them.
"""


class StackError(Exception):
    """One of the programs does not run; the text says why."""


def main() -> int:
    """Run the stack; 0 if somebody ended it, 1 if it ended by itself."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("cache", type=Path)
    for name, port in PORTS.items():
        parser.add_argument(f"--{name}", type=int, default=port, metavar="PORT")
    options = vars(parser.parse_args())
    cache = options.pop("cache").absolute()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        fetch(cache, browser=False)
        with tempfile.TemporaryDirectory(prefix="calltools-stack-") as folder:
            _run(cache / "tools" / "native" / "usr", Path(folder), options)
    except (AptError, StackError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def _run(tools: Path, folder: Path, ports: Mapping[str, int]) -> NoReturn:
    """Run all of them until one ends.

    Raises:
        StackError: one has ended.
    """
    with contextlib.ExitStack() as stack:
        running = {
            name: stack.enter_context(_running(name, *command, folder))
            for name, command in _commands(tools, folder, ports).items()
        }
        for name, process in running.items():
            _wait_until_ready(name, process, ports[name], folder)
        print(WORDS.format(**ports), end="", flush=True)
        while all(process.poll() is None for process in running.values()):
            time.sleep(0.2)
        ended = next(name for name, process in running.items() if process.poll() is not None)
        raise StackError(_last_words(ended, folder))


def _commands(
    tools: Path, folder: Path, ports: Mapping[str, int]
) -> dict[str, tuple[Sequence[str], Path]]:
    """Return each program's command and folder; write Prometheus' file with the ports."""
    text = (ROOT / "prometheus/prometheus.yml").read_text()
    for name in ("exporter", "alertmanager"):
        text = text.replace(f"localhost:{PORTS[name]}", f"127.0.0.1:{ports[name]}")
    (folder / "prometheus.yml").write_text(text)
    (folder / "rules").symlink_to(ROOT / "prometheus/rules")
    listen = {name: f"--web.listen-address=127.0.0.1:{port}" for name, port in ports.items()}
    return {
        "exporter": ([sys.executable, "-m", "exporter", "demo", listen["exporter"]], ROOT),
        "prometheus": (
            [
                str(tools / "bin/prometheus"),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'prometheus'}",
                listen["prometheus"],
            ],
            folder,
        ),
        "alertmanager": (
            [
                str(tools / "bin/prometheus-alertmanager"),
                f"--config.file={ROOT / 'prometheus/alertmanager.yml'}",
                f"--storage.path={folder / 'alertmanager'}",
                "--cluster.listen-address=",
                listen["alertmanager"],
            ],
            tools / "share/prometheus/alertmanager",  # its templates, see fetch_tools.py
        ),
    }


@contextlib.contextmanager
def _running(
    name: str, command: Sequence[str], cwd: Path, folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program; it ends with the block."""
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_ready(name: str, process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    deadline = time.monotonic() + 60
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            opener.open(f"http://127.0.0.1:{port}/-/ready", timeout=2).close()
            return
        time.sleep(0.1)
    raise StackError(_last_words(name, folder))


def _last_words(name: str, folder: Path) -> str:
    log = (folder / f"{name}.log").read_text(errors="replace").splitlines()
    return "\n".join([f"{name} does not run; it said last:", *log[-5:]])


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
