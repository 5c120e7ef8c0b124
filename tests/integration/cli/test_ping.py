"""`ping` asks now, and its exit code can be relied on."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from exporter.simulator import TOKEN
from tests.process_fixtures import (
    ENVIRON,
    PROGRAM,
    RunMain,
    WriteConfiguration,
    run_program,
)
from tests.simulator import Simulator


def test_ping_prints_a_table(
    simulator: Simulator, write_configuration: WriteConfiguration, run_main: RunMain
) -> None:
    simulator.faults.set("status", queue=5461, code=502)
    path = write_configuration(simulator, {5457: "sales", 5460: "support", 5461: "billing"})
    said = run_main("ping", f"--config.file={path}", CALLTOOLS_TOKEN=TOKEN)
    assert said.code == 0  # somebody is available
    shown = re.sub(r" +\d\.\d\d", "  N.NN", said.out)
    assert shown == (
        "ACCOUNT  QUEUE    OPEN  AVAILABLE  REQUIRED  SECONDS\n"
        "acme     sales    yes           3         1  N.NN\n"
        "acme     support  yes           0         1  N.NN\n"
        "acme     billing  yes           -         1  N.NN"
        "  502: the API failed (502), it says: A simulated failure.\n"
    )


def test_ping_prints_json(
    simulator: Simulator, write_configuration: WriteConfiguration, run_main: RunMain
) -> None:
    simulator.faults.set("status", queue=5461, code=502)
    path = write_configuration(simulator, {5457: "sales", 5461: "billing"}, team="blue")
    said = run_main("ping", "--json", f"--config.file={path}", CALLTOOLS_TOKEN=TOKEN)
    found = json.loads(said.out)
    sales, billing = found.pop("queues")
    assert found == {"can_take_call": True, "accounts": []}
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", sales.pop("read_at"))
    assert 0 <= sales.pop("age_seconds") < 60
    assert sales == {
        "account": "acme",
        "queue": "sales",
        "queue_id": 5457,
        "team": "blue",
        "can_take_call": True,
        "available": 3,
        "required": 1,
        "open": True,
        "failure": None,
    }
    assert (billing["can_take_call"], billing["available"]) == (None, None)
    assert billing["failure"]["code"] == "502"
    one = run_main("ping", "--json", "acme/billing", f"--config.file={path}", CALLTOOLS_TOKEN=TOKEN)
    assert json.loads(one.out) == billing


@pytest.mark.parametrize(
    ("target", "code", "queues"),
    [
        ("acme", 0, {"sales", "support", "billing"}),
        ("acme/sales", 0, {"sales"}),
        ("acme/5457", 0, {"sales"}),
        ("acme/support", 1, {"support"}),
        ("acme/billing", 2, {"billing"}),
    ],
)
def test_ping_narrows_to_its_target_and_its_exit_code_tells(
    target: str,
    code: int,
    queues: set[str],
    simulator: Simulator,
    write_configuration: WriteConfiguration,
    run_main: RunMain,
) -> None:
    simulator.faults.set("status", queue=5461, code=502)
    path = write_configuration(simulator, {5457: "sales", 5460: "support", 5461: "billing"})
    said = run_main("ping", target, f"--config.file={path}", CALLTOOLS_TOKEN=TOKEN)
    assert said.code == code
    assert {line.split()[1] for line in said.out.splitlines()[1:]} == queues


def test_nobody_counts_for_less_than_what_could_not_be_read(
    simulator: Simulator, write_configuration: WriteConfiguration, run_main: RunMain
) -> None:
    simulator.faults.set("status", queue=5461, code=502)
    path = write_configuration(simulator, {5460: "support", 5461: "billing"})
    assert run_main("ping", f"--config.file={path}", CALLTOOLS_TOKEN=TOKEN).code == 2


def test_all_queues_can_be_required(
    simulator: Simulator, write_configuration: WriteConfiguration, run_main: RunMain
) -> None:
    simulator.faults.set("status", queue=5461, code=502)

    def ping(*queues: int) -> int:
        path = write_configuration(simulator, {id_: f"queue-{id_}" for id_ in queues})
        flags = ("--require-all", f"--config.file={path}")
        return run_main("ping", *flags, CALLTOOLS_TOKEN=TOKEN).code

    assert ping(5457) == 0
    assert ping(5457, 5460) == 1
    assert ping(5457, 5461) == 2
    assert ping(5457, 5460, 5461) == 2


def test_a_closed_queue_takes_no_call(
    simulator: Simulator, write_configuration: WriteConfiguration, run_main: RunMain
) -> None:
    today = datetime.now(UTC).date()
    closed = [(today + timedelta(days=days)).isoformat() for days in (-1, 0, 1)]
    path = write_configuration(simulator, schedule="never")
    never = {"timezone": "UTC", "open": {"mon-sun": "00:00-24:00"}, "closed": closed}
    path.write_text(path.read_text() + yaml.safe_dump({"schedules": {"never": never}}))
    said = run_main("ping", f"--config.file={path}", CALLTOOLS_TOKEN=TOKEN)
    assert said.code == 1
    assert re.search(r"^acme +sales +no +3 +1 ", said.out, re.MULTILINE)


def test_ping_with_a_wrong_key_says_so(
    simulator: Simulator, write_configuration: WriteConfiguration, run_main: RunMain
) -> None:
    path = write_configuration(simulator)
    said = run_main("ping", f"--config.file={path}", CALLTOOLS_TOKEN="wrong")
    assert said.code == 2
    assert said.out.endswith("401: the API refuses the key (401), it says: Invalid token.\n")


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("acm", "account 'acm' is not configured; did you mean 'acme'?"),
        ("nobody", "account 'nobody' is not configured"),
        ("acme/sale", "account 'acme' has no queue 'sale'; did you mean 'sales'?"),
    ],
)
def test_ping_does_not_know_a_name(
    target: str,
    words: str,
    simulator: Simulator,
    write_configuration: WriteConfiguration,
    run_main: RunMain,
) -> None:
    path = write_configuration(simulator)
    said = run_main("ping", target, f"--config.file={path}", CALLTOOLS_TOKEN=TOKEN)
    assert (said.code, said.out) == (2, "")
    assert said.err == f"calltools-exporter: {words}\n"
    assert simulator.requests_total == 0


def test_ping_waits_no_longer_than_it_is_told(
    simulator: Simulator, write_configuration: WriteConfiguration
) -> None:
    simulator.faults.set("hang")
    path = write_configuration(simulator)
    said = run_program("ping", "--timeout=0.3s", f"--config.file={path}")
    assert said.code == 2
    # Which of the two it is depends on how much else the machine has to do.
    assert re.search("  timeout: (no complete answer|not started) ?", said.out)


def test_progress_is_shown_on_a_terminal_and_wiped_out(
    simulator: Simulator, write_configuration: WriteConfiguration
) -> None:
    simulator.faults.set("hang", seconds=0.8)
    path = write_configuration(simulator, {5457: "sales", 5460: "support"})

    def ping(stderr: int) -> str:
        done = subprocess.run(
            [*PROGRAM, "ping", f"--config.file={path}"],
            env=ENVIRON,
            stdout=subprocess.PIPE,
            stderr=stderr,
            check=True,
            text=True,
        )
        return done.stdout

    ours, theirs = pty.openpty()
    table = ping(theirs)
    os.close(theirs)
    shown = os.read(ours, 10_000).decode()
    os.close(ours)
    assert shown.startswith("\rasking for 2 queues … 0 s")
    assert shown.endswith("\r\x1b[K")
    assert "asking" not in table
    assert "sales    yes           3" in table


def test_without_a_terminal_no_progress_is_shown(
    simulator: Simulator, write_configuration: WriteConfiguration, run_main: RunMain
) -> None:
    simulator.faults.set("hang", seconds=0.5)
    said = run_main(
        "ping", f"--config.file={write_configuration(simulator)}", CALLTOOLS_TOKEN=TOKEN
    )
    assert (said.code, said.err) == (0, "")


def test_an_interrupt_ends_a_command_quietly(
    simulator: Simulator, write_configuration: WriteConfiguration
) -> None:
    simulator.faults.set("hang")
    process = subprocess.Popen(
        [*PROGRAM, "ping", f"--config.file={write_configuration(simulator)}"],
        env=ENVIRON,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert simulator.wait_until(lambda: simulator.requests_total > 0, 20)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20) == (b"", b"")
    assert process.returncode == 130
