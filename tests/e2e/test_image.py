"""The image, really built and run, without a container engine: buildah on a base by debootstrap.

Opt-in (`make image-test`): it takes root, both programs, and 2 GB of disk for a minute or two.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from exporter.simulator import TOKEN, SimulatedAccount
from tests.e2e.servers import Server, ServerError
from tests.e2e.shell import Bash
from tests.e2e.test_docs import blocks
from tests.e2e.tools import REPOSITORY
from tests.simulator import FixedWorld
from tests.simulator_fixtures import StartSimulator
from tests.terminal_fixtures import Terminal

pytestmark = pytest.mark.image

LARGEST = 60_000_000  # bytes that the image may add to its base
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# What an engine does with a read-only container and a user by number.
CONFINED = (
    'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && '
    'user="$1" && shift && exec chroot --userspec="$user" "$0" "$@"'
)


@dataclass(frozen=True)
class Image:
    """A built image: where its files are, its configuration, and what it adds to its base."""

    root: Path
    config: dict[str, Any]
    added_bytes: int

    def command(self, *arguments: str) -> list[str]:
        """Return the command line that runs a program of the image as a container would."""
        return [
            "/usr/bin/unshare",
            "--mount",
            "sh",
            "-c",
            CONFINED,
            str(self.root),
            self.config["User"],
            *arguments,
        ]

    @property
    def environment(self) -> dict[str, str]:
        return dict(entry.split("=", 1) for entry in self.config["Env"])


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    for program in ("buildah", "debootstrap"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is missing: apt-get install {program}")
    if os.geteuid() != 0:
        pytest.skip("building a base takes root")
    storage = tmp_path_factory.mktemp("storage")
    try:
        yield _build(storage)
    finally:
        shutil.rmtree(storage)


def _build(storage: Path) -> Image:
    def buildah(*arguments: str | Path) -> str:
        places = ("--root", storage / "graph", "--runroot", storage / "run")
        return _run("buildah", *places, "--storage-driver", "vfs", *arguments).strip()

    base = storage / "base"
    _run("debootstrap", "--variant=minbase", "--include=python3-venv", "bookworm", base)
    container = buildah("from", "scratch")
    buildah("copy", "--quiet", container, base, "/")
    buildah("config", "--env", f"PATH={SEARCH_PATH}", container)
    if trusted := os.environ.get("PIP_CERT"):  # a proxy with a certificate of its own
        buildah("copy", "--quiet", container, trusted, "/etc/ssl/trusted.pem")
        buildah("config", "--env", "PIP_CERT=/etc/ssl/trusted.pem", container)
    buildah("commit", "--quiet", "--rm", container, "localhost/base")
    shutil.rmtree(base)
    what = ["--build-arg=BASE=localhost/base", "--build-arg=VERSION=1.2.3", str(REPOSITORY)]
    how = ["--isolation=chroot", "--format=docker", "--pull=never"]
    buildah("build", *how, "--tag=localhost/built", *what)

    # With this storage driver what is mounted is a plain folder, and stays.
    below = Path(buildah("mount", buildah("from", "--pull=never", "localhost/base")))
    root = Path(buildah("mount", buildah("from", "--pull=never", "localhost/built")))
    described = json.loads(buildah("inspect", "--type=image", "localhost/built"))
    return Image(root, described["Docker"]["config"], _size(root) - _size(below))


def test_the_image_runs_as_nobody_on_a_read_only_file_system(image: Image, tmp_path: Path) -> None:
    server = Server(
        "container",
        lambda port: image.command(
            *image.config["Entrypoint"], "demo", f"--web.listen-address=127.0.0.1:{port}"
        ),
        "/-/ready",
        tmp_path,
        environment=image.environment,
    )
    try:
        page = requests.get(f"{server.url}/metrics", timeout=30).text
        owner = Path(f"/proc/{server.pid}").stat()
        health = image.config["Healthcheck"]["Test"]
        assert health[0] == "CMD"
        check = [word.replace("15457", str(server.port)) for word in health[1:]]
        healthy = _succeeds(image, *check)
        # What reaches the API through a proxy still asks itself without one.
        with_proxy = _succeeds(image, *check, http_proxy="http://127.0.0.1:9")
    finally:
        code = server.stop()

    assert 'calltools_queue_up{account="demo",queue="sales"} 1.0' in page
    assert (owner.st_uid, owner.st_gid) == (65532, 65532)
    assert (healthy, with_proxy) == (True, True)
    assert not _succeeds(image, *check)
    assert code == 0, server.log()


def test_dockers_lines_work_one_after_the_other(
    image: Image, bash: Bash, start_simulator: StartSimulator, tmp_path: Path
) -> None:
    """From `init` in the image to a number, as somebody who is neither root nor the image's user.

    README has the last line, for who ran `init` outside: that file is as unreadable for others.
    """
    world = FixedWorld()  # with its two queues, sales and support
    world.set_available(5457, 2)
    world.set_available(5460, 1)
    url = start_simulator(SimulatedAccount(world)).url
    (tmp_path / "config.json").write_text(json.dumps(image.config))
    bash.program("id", "echo 1234")
    os.chown(bash.folder, 1234, 1234)
    bash.folder.chmod(0o700)
    (lines,) = (text for text in blocks("getting-started.md", "sh") if "docker" in text)
    build, make_folder, init, ping, serve = lines.splitlines()

    def docker(port: int) -> None:
        shim = Path(__file__).with_name("docker.py")
        command = (sys.executable, shim, image.root, tmp_path / "config.json", port)
        bash.program("docker", f'exec {shlex.join(map(str, command))} "$@"')

    docker(0)
    bash.run(f"{build}\n{make_folder}")
    configuration = bash.folder / "calltools"
    os.chown(configuration, 1234, 1234)
    path = {"HOME": str(bash.folder), "PATH": f"{bash.bin}:{os.environ['PATH']}"}
    screen = Terminal(bash.folder, init, program=("bash", "-c"), **path)
    try:
        screen.answer("The URL you log in to", url)
        screen.answer("A name for the account", "acme")
        screen.answer("The API key", TOKEN)
        screen.answer("Write the key to acme.token", "y")
        assert screen.end() == 0, screen.everything
    finally:
        screen.close()
    key = (configuration / "acme.token").stat()
    assert (key.st_uid, key.st_mode & 0o777) == (1234, 0o600)

    assert re.search(r"^acme +sales +yes +\d", bash.run(ping), re.MULTILINE)

    def command(port: int) -> list[str]:
        docker(port)
        return ["bash", "-c", f"cd {bash.folder}; exec {serve}"]

    server = Server("container", command, "/-/ready", tmp_path, environment=path)
    try:
        page = requests.get(f"{server.url}/metrics", timeout=30).text
    finally:
        server.stop()
    assert 'calltools_queue_up{account="acme",queue="sales"} 1.0' in page


def test_a_broken_configuration_ends_the_container_with_the_reason(
    image: Image, tmp_path: Path
) -> None:
    with pytest.raises(ServerError, match=r"no-such\.yml"):
        Server(
            "container",
            lambda _: image.command(*image.config["Entrypoint"], "--config.file=/no-such.yml"),
            "/-/ready",
            tmp_path,
            environment=image.environment,
        )


def test_the_image_says_what_it_is(image: Image) -> None:
    labels = image.config["Labels"]

    assert labels["org.opencontainers.image.title"] == "calltools-exporter"
    assert labels["org.opencontainers.image.version"] == "1.2.3"
    assert image.config["User"] == "65532:65532"
    assert "15457/tcp" in image.config["ExposedPorts"]


def test_the_image_is_small(image: Image) -> None:
    print(f"The image adds {image.added_bytes / 1e6:.1f} MB to its base.")  # noqa: T201

    assert image.added_bytes < LARGEST


def test_the_image_has_no_installer_and_no_tests(image: Image) -> None:
    packages = image.root / "opt/calltools-exporter"

    assert not list(packages.rglob("pip"))
    assert not (image.root / "src").exists()
    assert not list(packages.rglob("hatchling"))


def _run(*command: str | Path) -> str:
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


def _succeeds(image: Image, *command: str, **environment: str) -> bool:
    done = subprocess.run(
        image.command(*command),
        env={**image.environment, **environment},
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def _size(folder: Path) -> int:
    files = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return sum(file.lstat().st_size for file in files)
