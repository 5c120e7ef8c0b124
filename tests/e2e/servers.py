"""Real servers under test: each a process of its own, on a free port of the loopback."""

import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import requests
import yaml

Config = Mapping[str, Any] | str | Path
T = TypeVar("T")


class ServerError(Exception):
    """A server ended, or did not do in time what was waited for."""


@dataclass(frozen=True)
class Series:
    """One series of an answer: its labels, and its points as (Unix seconds, value)."""

    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]

    @property
    def value(self) -> float:
        """The newest value."""
        return self.points[-1][1]


class Server:
    """A running process that answers HTTP at `url`.

    Args:
        name: for messages.
        command: given the port to listen on, the command line.
        ready_path: answers 200 once the server is ready.
        folder: where the log is written.
        cwd: the working directory, if it matters.
        environment: all of the process's environment, if not that of the tests.
    """

    def __init__(
        self,
        name: str,
        command: Callable[[int], list[str]],
        ready_path: str,
        folder: Path,
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._log = folder / f"{name}.log"
        self._session = requests.Session()
        self._session.trust_env = False
        for _ in range(3):  # somebody else may take the free port first
            self.port = _free_port()
            self.url = f"http://127.0.0.1:{self.port}"
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    command(self.port),
                    cwd=cwd,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            try:
                self.wait(lambda: self._answers(ready_path), what=f"{ready_path} to answer")
            except ServerError:
                self.stop()
                if "address already in use" not in self.log():
                    raise
            else:
                return
        msg = f"{name} found no free port"
        raise ServerError(msg)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def log(self) -> str:
        """Return what the server has written so far."""
        return self._log.read_text(errors="replace")

    def wait(self, ask: Callable[[], T | None], *, what: str, within: float = 30.0) -> T:
        """Ask until the answer is something true, and return it.

        Raises:
            ServerError: the server ended, or `within` seconds passed.
        """
        deadline = time.monotonic() + within
        while True:
            if answer := ask():
                return answer
            if (code := self._process.poll()) is not None:
                msg = f"{self.name} ended with {code} while waiting for {what}:\n{self.log()}"
                raise ServerError(msg)
            if time.monotonic() > deadline:
                msg = f"{self.name}: waited {within:g} s in vain for {what}:\n{self.log()[-4000:]}"
                raise ServerError(msg)
            time.sleep(0.05)

    def get(self, path: str, **parameters: str | float) -> Any:
        """Return the JSON that the server answers."""
        answer = self._session.get(self.url + path, params=parameters, timeout=30)
        if not answer.ok:
            msg = f"{self.name} answered {answer.status_code} to {path}: {answer.text}"
            raise ServerError(msg)
        return answer.json()

    def post(self, path: str, body: object = None) -> requests.Response:
        """Post JSON, or nothing, and return the answer whatever its status."""
        return self._session.post(self.url + path, json=body, timeout=30)

    def stop(self) -> int:
        """End the process by SIGTERM, and return its exit code."""
        self._session.close()
        self._process.terminate()
        try:
            self._process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self._process.kill()
        return self._process.wait()

    def _answers(self, path: str) -> bool:
        try:
            return self._session.get(self.url + path, timeout=5).ok
        except requests.RequestException:
            return False


class Prometheus(Server):
    """A real Prometheus with an empty store.

    It takes note of its targets, and of changed ones, only every five seconds.
    """

    def __init__(self, binary: Path, config: Config, folder: Path, flags: tuple[str, ...]) -> None:
        self._config = _config_file(config, folder / "prometheus.yml")
        super().__init__(
            "prometheus",
            lambda port: [
                str(binary),
                f"--config.file={self._config}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--web.enable-lifecycle",
                *flags,
            ],
            "/-/ready",
            folder,
        )

    def query(self, promql: str, at: float | None = None) -> list[Series]:
        """Return an expression's value now, or at a time in Unix seconds."""
        when = {} if at is None else {"time": at}
        data = self.get("/api/v1/query", query=promql, **when)["data"]
        if data["resultType"] == "scalar":
            return [Series({}, (_point(data["result"]),))]
        return [
            Series(row["metric"], tuple(map(_point, row.get("values") or [row["value"]])))
            for row in data["result"]
        ]

    def query_range(self, promql: str, start: float, end: float, step: float) -> list[Series]:
        """Return an expression's values from start to end, in Unix seconds, each `step` seconds."""
        answer = self.get("/api/v1/query_range", query=promql, start=start, end=end, step=step)
        return [
            Series(row["metric"], tuple(map(_point, row["values"])))
            for row in answer["data"]["result"]
        ]

    def wait_for(self, promql: str, within: float = 30.0) -> list[Series]:
        """Return an expression's value as soon as it is not empty."""
        return self.wait(lambda: self.query(promql), what=promql, within=within)

    def targets(self) -> list[dict[str, Any]]:
        """Return the active targets, as the API describes them."""
        found: list[dict[str, Any]] = self.get("/api/v1/targets", state="active")["data"][
            "activeTargets"
        ]
        return found

    def alerts(self) -> list[dict[str, Any]]:
        """Return the pending and firing alerts, as the API describes them."""
        found: list[dict[str, Any]] = self.get("/api/v1/alerts")["data"]["alerts"]
        return found

    def reload(self, config: Config) -> None:
        """Replace the configuration.

        Raises:
            ServerError: Prometheus refused it.
        """
        self._config.write_text(_config_text(config))
        answer = self.post("/-/reload")
        if not answer.ok:
            msg = f"prometheus did not reload: {answer.text}"
            raise ServerError(msg)


class Alertmanager(Server):
    """A real Alertmanager, alone and without a past."""

    def __init__(self, binary: Path, config: Config, folder: Path, flags: tuple[str, ...]) -> None:
        file = _config_file(config, folder / "alertmanager.yml")
        templates = binary.parents[1] / "share/prometheus/alertmanager"  # see fetch_tools.py
        super().__init__(
            "alertmanager",
            lambda port: [
                str(binary),
                f"--config.file={file}",
                f"--storage.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
                *flags,
            ],
            "/-/ready",
            folder,
            cwd=templates if templates.exists() else None,
        )

    def alerts(self) -> list[dict[str, Any]]:
        """Return the alerts with their state, as the API describes them."""
        found: list[dict[str, Any]] = self.get("/api/v2/alerts")
        return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _config_file(config: Config, file: Path) -> Path:
    """Return a file with the configuration: the one given, or one written here."""
    if isinstance(config, Path):
        return config
    file.write_text(_config_text(config))
    return file


def _config_text(config: Config) -> str:
    if isinstance(config, Path):
        return config.read_text()
    return config if isinstance(config, str) else yaml.safe_dump(dict(config), sort_keys=False)


def _point(pair: list[Any]) -> tuple[float, float]:
    return float(pair[0]), float(pair[1])
