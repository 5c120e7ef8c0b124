"""Run exporter, Prometheus and Alertmanager on a simulated account until Ctrl-C, without Docker.

usage: stack.py CACHE [--exporter PORT] [--prometheus PORT] [--alertmanager PORT]
                [--notifications PORT]

They are Debian's packages, unpacked into CACHE, and read the files in prometheus/. A minute after
the start a queue empties for good, so that its notification can be watched on its way. What they
store is in a temporary folder that goes with them.
"""

import argparse
import contextlib
import dataclasses
import json
import math
import re
import signal
import socket
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
from notifications import Notifications

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from exporter.cli.demo import DEMO_QUEUES, demo_simulator  # noqa: E402 - found only by the line above
from exporter.simulator import AVAILABLE, TOKEN  # noqa: E402
from exporter.simulator.world import NOT_AVAILABLE, AccountMoment, Agent, World  # noqa: E402

# Each program's port, and the variable of the Makefile for another.
PORTS = {
    "exporter": (15457, "PORT"),
    "prometheus": (9090, "PROMETHEUS_PORT"),
    "alertmanager": (9093, "ALERTMANAGER_PORT"),
    "notifications": (9095, "NOTIFICATIONS_PORT"),
}
EMPTIED = "support"
# docs/alerting.md: from an empty queue to its notification, in seconds, the median and the most.
USUALLY, AT_MOST = 273, 345
EXPECTED = (
    "{queue} empties at {empty} and stays empty. "
    "Its notification comes at about {usually}, at the latest at {at_most}."
)
WORDS = """\
A simulated account: sales and {queue} are staffed, retention is empty now and then, and billing
cannot be read. {expected}
  what the exporter last read  http://127.0.0.1:{exporter}/
  its numbers in Prometheus    {graph}
  the alerts                   {alerts}
  what is sent, and to whom    http://127.0.0.1:{notifications}/
Notifications are printed here as well. Ctrl-C ends all of them.
"""


class StackError(Exception):
    """One of the programs does not run; the text says why."""


class EmptiedWorld:
    """A world in which a queue's agents all take a break at some time, and stay away."""

    def __init__(self, world: World, queue: int) -> None:
        self.since = math.inf
        self._world = world
        self._queue = queue

    def at(self, time: float) -> AccountMoment:
        """Return the account at this Unix time."""
        moment = self._world.at(time)
        if time < self.since:
            return moment
        return dataclasses.replace(
            moment, agents=lambda queue: [self._on_break(agent) for agent in moment.agents(queue)]
        )

    def _on_break(self, agent: Agent) -> Agent:
        if self._queue not in agent.queues:
            return agent
        return dataclasses.replace(
            agent, status=NOT_AVAILABLE, ready=False, status_since=self.since
        )


def main() -> int:
    """Run the stack; 0 if somebody ended it, 1 if it ended by itself."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("cache", type=Path)
    for name, (port, _) in PORTS.items():
        parser.add_argument(f"--{name}", type=int, default=port, metavar="PORT")
    options = vars(parser.parse_args())
    cache = options.pop("cache").absolute()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        _check_ports(options)
        fetch(cache, browser=False)
        with tempfile.TemporaryDirectory(prefix="calltools-stack-") as folder:
            _run(cache / "tools" / "native" / "usr", Path(folder), options)
    except (AptError, StackError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def _check_ports(ports: Mapping[str, int]) -> None:
    for name, port in ports.items():
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError as error:
            msg = (
                f"{name} cannot have port {port}: {error.strerror}\n"
                f"To take another: make stack {PORTS[name][1]}={port + 100}"
            )
            raise StackError(msg) from error


def _run(tools: Path, folder: Path, ports: Mapping[str, int]) -> NoReturn:
    """Run all of them until one ends.

    Raises:
        StackError: one has ended.
    """
    (queue,) = (id_ for id_, name in DEMO_QUEUES.items() if name == EMPTIED)
    worlds: list[EmptiedWorld] = []

    def changed(world: World) -> EmptiedWorld:
        worlds.append(EmptiedWorld(world, queue))
        return worlds[-1]

    with contextlib.ExitStack() as stack:
        silo = stack.enter_context(demo_simulator(changed))
        notifications = Notifications(ports["notifications"])
        stack.callback(notifications.close)
        _write_files(folder, silo.url, ports)
        running = {
            name: stack.enter_context(_running(name, *command, folder))
            for name, command in _commands(tools, folder, ports).items()
        }
        for name, process in running.items():
            _wait_until(f"http://127.0.0.1:{ports[name]}/-/ready", name, process, folder)
        print("Waiting for Prometheus' first scrape, half a minute at most.", flush=True)
        metrics = f"http://127.0.0.1:{ports['prometheus']}/api/v1/query?query=calltools_queue_up"
        _wait_until(metrics, "prometheus", running["prometheus"], folder, b'"demo"')
        since = time.time() + 60
        for world in worlds:
            world.since = since
        notifications.expected = EXPECTED.format(
            queue=EMPTIED,
            empty=_clock(since),
            usually=_clock(since + USUALLY),
            at_most=_clock(since + AT_MOST),
        )
        pages = _pages(ports["prometheus"])
        print(
            WORDS.format(queue=EMPTIED, expected=notifications.expected, **pages, **ports),
            end="",
            flush=True,
        )
        while all(process.poll() is None for process in running.values()):
            time.sleep(0.2)
        ended = next(name for name, process in running.items() if process.poll() is not None)
        raise StackError(_last_words(ended, folder))


def _write_files(folder: Path, api: str, ports: Mapping[str, int]) -> None:
    """Write the programs' configurations: those of prometheus/ with the places of this stack."""
    (folder / "demo.token").write_text(TOKEN)
    account = {
        "name": "demo",
        "url": api,
        "token_file": "demo.token",
        "available_status": AVAILABLE,
        "queues": [{"id": id_, "name": name} for id_, name in DEMO_QUEUES.items()],
    }
    (folder / "exporter.yml").write_text(json.dumps({"accounts": [account]}))
    text = (ROOT / "prometheus/prometheus.yml").read_text()
    for name in ("exporter", "alertmanager"):
        text = text.replace(f"localhost:{PORTS[name][0]}", f"127.0.0.1:{ports[name]}")
    (folder / "prometheus.yml").write_text(text)
    (folder / "rules").symlink_to(ROOT / "prometheus/rules")
    text = (ROOT / "prometheus/alertmanager.yml").read_text()
    receiver = rf"\g<1>http://127.0.0.1:{ports['notifications']}/\g<2>"
    text = re.sub(r"(- name: (\S+)\n +webhook_configs:\n +- url: )\S+", receiver, text)
    (folder / "alertmanager.yml").write_text(text)


def _commands(
    tools: Path, folder: Path, ports: Mapping[str, int]
) -> dict[str, tuple[Sequence[str], Path]]:
    """Return each program's command and the folder that it runs in."""
    listen = {name: f"--web.listen-address=127.0.0.1:{port}" for name, port in ports.items()}
    # Debian's builds up to 13 have the classic pages, in files beside the program.
    assets = tools / "share/prometheus/web"
    return {
        "exporter": (
            [
                *(sys.executable, "-m", "exporter"),
                f"--config.file={folder / 'exporter.yml'}",
                listen["exporter"],
            ],
            ROOT,
        ),
        "prometheus": (
            [
                str(tools / "bin/prometheus"),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'prometheus'}",
                *([f"--web.local-assets={assets}"] if (assets / "templates").is_dir() else []),
                listen["prometheus"],
            ],
            folder,
        ),
        "alertmanager": (
            [
                str(tools / "bin/prometheus-alertmanager"),
                f"--config.file={folder / 'alertmanager.yml'}",
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


def _wait_until(
    url: str, name: str, process: subprocess.Popen[bytes], folder: Path, words: bytes = b""
) -> None:
    """Wait until there is an answer, and these words in it."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        answer = _answer(url)
        if answer is not None and words in answer:
            return
        time.sleep(0.1)
    raise StackError(_last_words(name, folder))


def _pages(port: int) -> dict[str, str]:
    """Return where this build of Prometheus shows numbers and alerts to people, else as JSON."""
    base = f"http://127.0.0.1:{port}"
    expression = "expr=calltools_queue_available_agents&g0.tab=0&g0.range_input=15m"
    for path in ("/classic", ""):
        if _answer(f"{base}{path}/alerts") is not None:
            return {
                "graph": f"{base}{path}/graph?g0.{expression}",
                "alerts": f"{base}{path}/alerts",
            }
    query = f"{base}/api/v1/query?query=calltools_queue_available_agents"
    return {"graph": query, "alerts": f"{base}/api/v1/alerts"}


def _answer(url: str) -> bytes | None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as answer:
            body: bytes = answer.read()
    except OSError:  # an answer that is not 2xx as well
        return None
    return body


def _last_words(name: str, folder: Path) -> str:
    log = (folder / f"{name}.log").read_text(errors="replace").splitlines()
    return "\n".join([f"{name} does not run; it said last:", *log[-5:]])


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
