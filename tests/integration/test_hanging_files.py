"""A key or certificate on storage that hangs fails its own account, and nothing else.

A FIFO that nobody writes to stands for a stale network mount: who opens it waits for good.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.runtime import Runtime
from exporter.settings import TlsFiles, TokenFile
from exporter.simulator import TOKEN, SimulatedAccount
from tests.integration.conftest import MakeAccount
from tests.process_fixtures import StartCommand, WriteConfiguration
from tests.simulator import FixedWorld
from tests.simulator_fixtures import StartSimulator

ANYWHERE = "--web.listen-address=127.0.0.1:0"


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "hangs"
    os.mkfifo(path)
    return path


@pytest.mark.parametrize("file", ["token", "ca_file", "cert_file"])
def test_only_its_own_account_fails_and_no_thread_is_lost(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    fifo: Path,
    file: str,
) -> None:
    world = FixedWorld()
    world.set_available(5457, 2)
    simulator = start_simulator(SimulatedAccount(world))
    files: dict[str, dict[str, Any]] = {
        "token": {"token": TokenFile(fifo)},
        "ca_file": {"tls": TlsFiles(ca_file=fifo)},
        "cert_file": {"tls": TlsFiles(cert_file=fifo, key_file=fifo)},
    }
    hanging = make_account(simulator, name="hanging", **files[file])
    right = make_account(simulator)
    runtime = make_runtime(hanging, right)
    for _ in range(2):  # the threads that stay are there after these
        begun = time.monotonic()
        snapshot = runtime.snapshot([hanging, right], 3)
        assert time.monotonic() - begun < 20
        failure = snapshot.queues[0].result.failure
        assert failure is not None
        assert failure.code == "token"
        assert str(fifo) in failure.message
        assert snapshot.accounts[0].failures == (failure,)
        assert snapshot.queues[1].result.available == 2
    before = threading.active_count()
    for _ in range(5):
        runtime.snapshot([hanging, right], 3)
    assert threading.active_count() <= before + 1


def test_a_key_that_comes_back_is_used(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    fifo: Path,
) -> None:
    simulator = start_simulator()
    right = make_account(simulator)
    account = make_account(simulator, token=TokenFile(fifo))
    runtime = make_runtime(account)
    failure = runtime.snapshot([account], 1).queues[0].result.failure
    assert failure is not None
    key = right.token.read().reveal()
    with fifo.open("w") as writer:  # the one who waits reads it, too late for its scrape
        writer.write(key)
    fifo.unlink()
    fifo.write_text(key)
    deadline = time.monotonic() + 20
    while runtime.snapshot([account], 5).queues[0].result.failure is not None:
        assert time.monotonic() < deadline


def test_a_key_that_was_replaced_while_it_hung_is_read_after_a_reload(
    start_simulator: StartSimulator,
    write_configuration: WriteConfiguration,
    start_command: StartCommand,
    fifo: Path,
) -> None:
    """The old file may hang for good, and nothing but a restart read the new one."""
    path = write_configuration(start_simulator(), {5457: "sales"})
    content = yaml.safe_load(path.read_text())
    content["accounts"][0].pop("token_env", None)
    content["accounts"][0]["token_file"] = str(fifo)
    path.write_text(yaml.safe_dump(content))
    command = start_command("serve", "--config.file", path, "--web.enable-lifecycle", ANYWHERE)
    timeout = {"X_Prometheus_Scrape_Timeout_Seconds": "2"}
    assert 'code="token",queue="sales"' in command.get("/metrics", **timeout).text
    new = fifo.with_name("new")
    new.write_text(TOKEN)
    new.replace(fifo)
    command.session.post(f"{command.url}/-/reload", timeout=20).raise_for_status()
    assert 'calltools_queue_up{account="acme",queue="sales"} 1.0' in command.get("/metrics").text
    assert command.stop() == 0


def test_the_process_serves_the_others_and_ends_when_told(
    start_simulator: StartSimulator,
    write_configuration: WriteConfiguration,
    start_command: StartCommand,
    fifo: Path,
) -> None:
    path = write_configuration(start_simulator(), {5457: "sales"})
    content = yaml.safe_load(path.read_text())
    hanging = {**content["accounts"][0], "name": "hanging", "token_file": str(fifo)}
    hanging.pop("token_env", None)
    content["accounts"].append(hanging)
    path.write_text(yaml.safe_dump(content))
    command = start_command("serve", "--config.file", path, ANYWHERE)
    for _ in range(2):
        page = command.get("/metrics", X_Prometheus_Scrape_Timeout_Seconds="5").text
        assert 'calltools_account_failure{account="hanging",code="token"} 1.0' in page
        assert 'calltools_up{account="hanging"} 0.0' in page
        assert page.count("calltools_queue_up{") == 2
        assert page.count('queue="sales"} 1.0') >= 1
    assert command.stop() == 0
