"""`check --online` says which of many accounts is wrong, and in what."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.simulator import AVAILABLE, TOKEN
from tests.process_fixtures import RunMain
from tests.simulator import Dialect, DialectAccount, FixedWorld
from tests.simulator_fixtures import StartSimulator, TlsAuthority


@pytest.fixture
def write_accounts(
    start_simulator: StartSimulator, tls_authority: TlsAuthority, tmp_path: Path
) -> Callable[..., Path]:
    """Write ten accounts on one simulated silo; ``changes`` are by the number of the account."""

    def write(changes: dict[int, dict[str, Any]], **dialects: Dialect) -> Path:
        world = FixedWorld()
        world.set_agent("Gone Home", 5457, logged_in=False, ready=False)
        accounts = [
            DialectAccount(
                world, token=f"{TOKEN}{number}", dialect=dialects.get(f"account_{number}")
            )
            for number in range(10)
        ]
        simulator = start_simulator(*accounts, tls=True)
        written = []
        for number in range(10):
            (tmp_path / f"token-{number}").write_text(f"{TOKEN}{number}\n")
            account = {"name": f"client-{number}", "token_file": f"token-{number}"}
            written.append({**account, **changes.get(number, {})})
        defaults = {
            "url": simulator.url,
            "available_status": AVAILABLE,
            "tls": {"ca_file": str(tls_authority.ca_file)},
            "queues": [{"id": 5457, "name": "sales"}, {"id": 5460, "name": "support"}],
        }
        path = tmp_path / "exporter.yml"
        path.write_text(yaml.safe_dump({"accounts": written, "defaults": defaults}))
        return path

    return write


def test_ten_right_accounts(write_accounts: Callable[..., Path], run_main: RunMain) -> None:
    said = run_main("check", "--online", f"--config.file={write_accounts({})}")
    assert said.code == 0
    assert said.out.splitlines()[-1] == "10 accounts OK"
    assert said.out.count(": OK, ") == 10
    assert "ok     statuses  20561 Available" in said.out
    assert "ok     queues    5457 sales, 5460 support" in said.out
    assert "ok     filters   verified: queue, agent_status_id, ready" in said.out


def test_three_accounts_that_are_wrong_in_different_ways(
    write_accounts: Callable[..., Path], run_main: RunMain, tmp_path: Path
) -> None:
    (tmp_path / "wrong").write_text("not-the-key")
    path = write_accounts(
        {
            2: {"token_file": "wrong"},
            5: {"available_status": 4711},
            7: {"queues": [{"id": 5457, "name": "sales"}, {"id": 9999, "name": "gone"}]},
        }
    )
    said = run_main("check", "--online", f"--config.file={path}")
    assert said.code == 1
    assert said.out.splitlines()[-1] == (
        "7 of 10 accounts OK; failed: client-2, client-5, client-7"
    )
    assert (
        "WRONG  key       401: the API refuses the key (401), it says: Invalid token." in said.out
    )
    wrong = [line for line in said.out.splitlines() if line.startswith("  WRONG ")]
    assert wrong[1].startswith(
        "  WRONG  statuses  unknown_id: the account has no agent status with the id 4711;"
        " give an id of: Available (20561)"
    )
    assert wrong[2:] == [
        (
            "  WRONG  queue     gone: unknown_id: the account has no queue with the id 9999;"
            " it has 5457 sales, 5460 support"
        )
    ], "a status is reported once, and neither as a filter nor for each queue"
    assert "statuses  none" not in said.out
    assert TOKEN not in said.out + said.err


def test_a_name_beside_all_that_no_queue_has_is_wrong(
    start_simulator: StartSimulator, run_main: RunMain, tmp_path: Path
) -> None:
    """The account was OK, although what was written for the queue applied to none."""
    simulator = start_simulator()
    path = tmp_path / "exporter.yml"
    account = {"name": "acme", "url": simulator.url, "token_env": "CALLTOOLS_TOKEN"}
    queues = ["all", {"name": "Sales", "required_agents": 3}]
    path.write_text(yaml.safe_dump({"accounts": [{**account, "queues": queues}]}))
    said = run_main("check", "--online", f"--config.file={path}", CALLTOOLS_TOKEN=TOKEN)
    assert said.code == 1
    assert (
        "  WRONG  queues    unknown_id: `queues` has names that no queue of the account has:"
        " 'Sales'; it has 5457 sales, 5460 support" in said.out
    )
    assert said.out.count("WRONG") == 1


def test_hosts_keys_and_filters_that_are_wrong(
    write_accounts: Callable[..., Path], run_main: RunMain
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    path = write_accounts(
        {
            0: {"url": f"https://127.0.0.1:{port}"},
            1: {"token_file": "missing"},
            2: {"url": "https://no-such-host.invalid"},
            3: {"tls": {}},
        },
        account_4=Dialect(ignored_filters=frozenset({"queue"})),
        account_5=Dialect(forbidden=frozenset({"statuses", "queues"})),
    )
    said = run_main("check", "--online", "--json", f"--config.file={path}")
    assert said.code == 1
    assert "token_file" in said.err
    reports = json.loads(said.out)
    assert [report["ok"] for report in reports] == [False] * 5 + [True] * 5
    wrong = [
        [
            (one["check"], one["message"].partition(":")[0])
            for one in report["findings"]
            if one["ok"] is False
        ]
        for report in reports[:5]
    ]
    assert wrong == [
        [("host", "connection")],
        [("key", "token")],
        [("host", "dns")],
        [("host", "tls")],
        [("filters", "filter_ignored")],
    ]
    unknown = {one["check"] for one in reports[5]["findings"] if one["ok"] is None}
    assert unknown == {"statuses", "queues"}


@pytest.mark.parametrize("queues", [[5457, 5460], "all"])
@pytest.mark.parametrize("code", [500, 403, 404, 429])
@pytest.mark.parametrize("where", [None, "/api/statuses/", "/api/queues/", "/api/agentstatuses/"])
def test_no_account_is_ok_whose_queues_cannot_be_read(
    start_simulator: StartSimulator,
    run_main: RunMain,
    tmp_path: Path,
    where: str | None,
    code: int,
    queues: Any,
) -> None:
    """The kind: a failure that none of the checks looked for was in none of the findings."""
    simulator = start_simulator()
    simulator.faults.set("status", path=where, code=code)
    path = tmp_path / "exporter.yml"
    account = {"name": "acme", "url": simulator.url, "token_env": "CALLTOOLS_TOKEN"}
    path.write_text(yaml.safe_dump({"accounts": [{**account, "queues": queues}]}))
    said = run_main("check", "--online", f"--config.file={path}", CALLTOOLS_TOKEN=TOKEN)
    is_needed = where != "/api/queues/" or queues == "all" or code == 429  # which is for all
    assert said.code == (1 if is_needed else 0)
    assert ("WRONG" in said.out) == is_needed
    assert "statuses  none" not in said.out
    if not is_needed:
        assert f"?      queues    ids not verified, the list cannot be read: {code}: " in said.out


def test_many_accounts_that_hang_need_no_thread_each(
    start_simulator: StartSimulator,
    run_main: RunMain,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Thousands of accounts took more threads than a system allows, and a traceback said so."""
    simulator = start_simulator()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        accounts = [{"name": f"silent-{number}", "url": url} for number in range(300)]
        accounts.append({"name": "right", "url": simulator.url})
        defaults = {"token_env": "CALLTOOLS_TOKEN", "queues": [5457]}
        path = tmp_path / "exporter.yml"
        path.write_text(yaml.safe_dump({"accounts": accounts, "defaults": defaults}))
        most = threading.active_count() + 200
        start = threading.Thread.start

        def start_within_limit(thread: threading.Thread) -> None:
            if threading.active_count() >= most:
                raise RuntimeError("can't start new thread")
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", start_within_limit)
        said = run_main(
            "check", "--online", "--timeout=3", f"--config.file={path}", CALLTOOLS_TOKEN=TOKEN
        )
    assert "right: OK" in said.out
    last = said.out.splitlines()[-1]
    assert last.startswith("1 of 301 accounts OK; failed: silent-0, ")


def test_a_queue_that_cannot_be_read_is_named(
    start_simulator: StartSimulator,
    run_main: RunMain,
    write_configuration: Callable[..., Path],
) -> None:
    simulator = start_simulator()
    simulator.faults.set("status", queue=5460, code=500)
    path = write_configuration(simulator, {5457: "sales", 5460: "support"})
    said = run_main("check", "--online", f"--config.file={path}", CALLTOOLS_TOKEN=TOKEN)
    assert said.code == 1
    assert "WRONG  queue     support: 500" in said.out


def test_a_configuration_with_mistakes_asks_nobody(run_main: RunMain, tmp_path: Path) -> None:
    path = tmp_path / "exporter.yml"
    path.write_text("accounts: []\n")
    said = run_main("check", "--online", f"--config.file={path}")
    assert (said.code, said.out) == (1, "")


def test_schedules_are_printed_for_two_weeks(
    run_main: RunMain, write_accounts: Callable[..., Path]
) -> None:
    path = write_accounts({0: {"schedule": "office"}})
    schedules = {"office": {"timezone": "Europe/Berlin", "open": {"mon-fri": "09:00-17:30"}}}
    path.write_text(path.read_text() + yaml.safe_dump({"schedules": schedules}))
    said = run_main("check", "--schedules", f"--config.file={path}")
    assert said.code == 0
    first, *days = said.out.splitlines()
    assert first.startswith("schedule office (Europe/Berlin), ")
    assert first.endswith(": client-0/sales, client-0/support")
    assert sum("09:00-17:30" in day for day in days[:14]) == 10
    assert sum("closed" in day for day in days[:14]) == 4
    always = next(line for line in days if line.startswith("always open, without a schedule: "))
    assert "client-0" not in always
    assert "client-1/sales, client-1/support, client-2/sales" in always


def test_text_and_json_are_not_mixed(run_main: RunMain) -> None:
    said = run_main("check", "--online", "--json", "--schedules")
    assert (said.code, said.out) == (2, "")
    assert "--json prints JSON and --schedules prints text, expected one of them" in said.err


def test_a_schedule_has_no_queues_of_another_with_the_same_hours(
    run_main: RunMain, write_accounts: Callable[..., Path]
) -> None:
    path = write_accounts({0: {"schedule": "office"}, 1: {"schedule": "shop"}})
    hours = {"timezone": "Europe/Berlin", "open": {"mon-fri": "09:00-17:30"}}
    schedules = {"office": hours, "shop": hours, "spare": hours}
    path.write_text(path.read_text() + yaml.safe_dump({"schedules": schedules}))
    said = run_main("check", "--schedules", f"--config.file={path}")
    heads = [line for line in said.out.splitlines() if line.startswith("schedule ")]
    assert [head.rpartition(": ")[2] for head in heads] == [
        "client-0/sales, client-0/support",
        "client-1/sales, client-1/support",
        "unused",
    ]


def test_the_web_file_is_checked_as_well(
    run_main: RunMain, write_accounts: Callable[..., Path], tmp_path: Path
) -> None:
    path = write_accounts({})
    web = tmp_path / "web.yml"
    web.write_text("basic_auth_users: {prometheus: not-a-hash}\n")
    said = run_main("check", "--config.file", path, "--web.config.file", web)
    assert said.code == 1
    assert "web.yml:1:" in said.err
    web.write_text("{http_server_config: {headers: {X-Frame-Options: deny}}}\n")
    assert run_main("check", "--config.file", path, "--web.config.file", web).code == 0
