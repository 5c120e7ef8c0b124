"""What systemd is told, and the unit that it is told by."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from exporter import config
from exporter.simulator import SimulatedAccount
from exporter.systemd import READY, notify
from tests.process_fixtures import ROOT, RunMain, StartCommand, WriteConfiguration
from tests.simulator import FixedWorld, Simulator
from tests.simulator_fixtures import StartSimulator

ANYWHERE = "--web.listen-address=127.0.0.1:0"
FOLDER = ROOT / "deploy/systemd"
UNIT = FOLDER / "calltools-exporter.service"
README = (FOLDER / "README.md").read_text()


@pytest.fixture
def simulator(start_simulator: StartSimulator) -> Simulator:
    return start_simulator(SimulatedAccount(FixedWorld()))


class Systemd:
    """The socket on which systemd would listen; `address` is what it is called in NOTIFY_SOCKET."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.settimeout(30)

    def told(self) -> dict[str, str]:
        """Return the next message."""
        lines = self.socket.recv(4096).decode().splitlines()
        return dict(line.split("=", 1) for line in lines)


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Systemd]:
    abstract = f"@calltools-exporter/{uuid.uuid4()}"
    made = Systemd(abstract if request.param == "abstract" else str(tmp_path / "notify"))
    with made.socket:
        yield made


def test_it_tells_of_its_beginning_its_reloads_and_its_end(
    systemd: Systemd,
    simulator: Simulator,
    write_configuration: WriteConfiguration,
    start_command: StartCommand,
) -> None:
    path = write_configuration(simulator)
    began = time.monotonic_ns() // 1000
    exporter = start_command(f"--config.file={path}", ANYWHERE, NOTIFY_SOCKET=systemd.address)
    assert systemd.told() == {"READY": "1"}
    assert exporter.get("/-/ready").status_code == 200

    exporter.process.send_signal(signal.SIGHUP)
    begins = systemd.told()
    assert begins.pop("RELOADING") == "1"
    assert began < int(begins.pop("MONOTONIC_USEC")) <= time.monotonic_ns() // 1000
    assert begins == {}
    assert systemd.told() == {"READY": "1", "STATUS": ""}

    path.write_text("accounts: 7")
    exporter.process.send_signal(signal.SIGHUP)
    assert systemd.told()["RELOADING"] == "1"
    refused = systemd.told()
    assert refused["READY"] == "1"
    assert "still using the previous one" in refused["STATUS"]

    assert exporter.stop() == 0
    assert systemd.told() == {"STOPPING": "1"}


def test_it_tells_of_reloads_that_it_makes_by_itself(
    systemd: Systemd,
    simulator: Simulator,
    write_configuration: WriteConfiguration,
    start_command: StartCommand,
) -> None:
    path = write_configuration(simulator)
    right = path.read_text()
    flags = (f"--config.file={path}", ANYWHERE, "--config.auto-reload-interval=0.05")
    start_command(*flags, NOTIFY_SOCKET=systemd.address)
    assert systemd.told() == {"READY": "1"}
    # The status of a refused file would stay otherwise, whatever comes after it.
    for text, status in (("accounts: 7", "still using the previous one"), (right, "")):
        path.with_suffix(".new").write_text(text)
        path.with_suffix(".new").replace(path)
        assert systemd.told()["RELOADING"] == "1"
        assert systemd.told()["STATUS"].endswith(status)


@pytest.mark.parametrize("address", ["", "/nowhere/notify", "@nobody-listens-here"])
def test_without_a_listener_nothing_happens(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify(READY)


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    if int(version.stdout.split()[1]) < 250:
        pytest.skip("systemd-analyze before 250 cannot rate a file")
    return subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


def test_the_unit_is_hardened() -> None:
    rated = analyze("security", "--offline=yes", "--threshold=20", "--no-pager", UNIT)
    found = re.search(r"exposure level for \S+: ([\d.]+)", rated.stdout)
    assert found, rated.stdout + rated.stderr
    assert rated.returncode == 0, rated.stdout
    assert f"at {found[1]} of 10" in " ".join(README.split())


def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    # The command is not installed here; another one stands in for it, with no space in its path.
    unit = tmp_path / UNIT.name
    command = re.compile(r"^ExecStart=\S+", re.MULTILINE)
    unit.write_text(command.sub(f"ExecStart={shutil.which('true')}", UNIT.read_text()))
    verified = analyze("verify", unit)
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")


def test_the_command_of_the_unit_exists(run_main: RunMain) -> None:
    (command,) = re.findall(r"^ExecStart=(.*)$", UNIT.read_text(), re.MULTILINE)
    program, flag = command.split()
    assert program == "/opt/calltools-exporter/bin/calltools-exporter"
    assert program.rpartition("/bin/")[0] in (ROOT / "README.md").read_text()
    assert flag.partition("=")[0] in run_main("serve", "--help").out


def test_readme_and_unit_name_the_same_files(tmp_path: Path) -> None:
    unit = UNIT.read_text()
    (credential,) = re.findall(r"^LoadCredential=(\S+):(\S+)$", unit, re.MULTILINE)
    assert f"/{credential[0]}\n" in README
    assert f" {credential[1]}\n" in README
    assert re.findall(r"--config.file=(\S+)", unit)[0] in README
    example, _ = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    token = tmp_path / "token"
    token.write_text("a-key")
    content = yaml.safe_load(example)
    named = content["accounts"][0]["token_file"]
    assert named in unit
    content["accounts"][0]["token_file"] = str(token)
    path = tmp_path / "exporter.yml"
    path.write_text(yaml.safe_dump(content))
    assert len(config.load(path, {}).configuration.accounts[0].queues) == 2


def test_a_socket_that_nobody_reads_delays_neither_reload_nor_end(tmp_path: Path) -> None:
    made = Systemd(str(tmp_path / "full"))
    with made.socket, pytest.MonkeyPatch.context() as patch:
        patch.setenv("NOTIFY_SOCKET", made.address)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    sender.sendto(b"READY=1", made.address)
        sending = threading.Thread(target=notify, args=(READY,), daemon=True)
        sending.start()
        sending.join(20)
        assert not sending.is_alive()


def test_keys_of_a_folder_have_the_names_that_systemd_gives_them() -> None:
    id_, folder = re.findall(r"^LoadCredential=(\S+):(\S+/keys)$", README, re.MULTILINE)[0]
    *_, defaults = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    named = Path(yaml.safe_load(defaults)["defaults"]["token_file"])
    assert named.name == f"{id_}_{{account}}", f"man systemd.exec: ID_FILENAME, for {folder}"
    assert f"{named.parent}/" in UNIT.read_text()
