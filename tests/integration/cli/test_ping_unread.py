"""An account that cannot be read is never "nobody", nor missing, however its queues are given."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.simulator import AVAILABLE, TOKEN, SimulatedAccount
from tests.process_fixtures import RunMain
from tests.simulator import Dialect, FixedWorld, Simulator
from tests.simulator_fixtures import StartSimulator

LISTED = [{"id": 5457, "name": "sales"}]
QUEUES: dict[str, Any] = {
    "listed": LISTED,
    "all": "all",
    "all with exceptions": ["all", {"id": 5457, "required_agents": 3}],
}
#: What is wrong with an account, and the code of it.
TROUBLES: dict[str, tuple[dict[str, Any], str]] = {
    "key missing": ({"token_env": "NO_SUCH_VARIABLE"}, "token"),
    "key refused": ({"token_file": "wrong"}, "401"),
    "host dead": ({"url": "a closed port"}, "connection"),
}


@pytest.fixture
def closed_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        return f"http://127.0.0.1:{closed.getsockname()[1]}"


@pytest.fixture
def simulator(start_simulator: StartSimulator) -> Simulator:
    world = FixedWorld()
    world.set_available(5457, 3)
    return start_simulator(SimulatedAccount(world))


def write(folder: Path, simulator: Simulator, *accounts: dict[str, Any]) -> Path:
    """Write accounts on the simulator; each is a change of what is right."""
    (folder / "wrong").write_text("not-the-key")
    path = folder / "exporter.yml"
    right = {"url": simulator.url, "available_status": AVAILABLE, "queues": LISTED}
    settings = []
    for account in accounts:
        key = {} if "token_file" in account else {"token_env": "CALLTOOLS_TOKEN"}
        settings.append({**right, **key, **account})
    path.write_text(yaml.safe_dump({"accounts": settings}))
    return path


@pytest.mark.parametrize("queues", QUEUES)
@pytest.mark.parametrize("trouble", TROUBLES)
def test_an_account_that_cannot_be_read(
    trouble: str,
    queues: str,
    simulator: Simulator,
    closed_url: str,
    run_main: RunMain,
    tmp_path: Path,
) -> None:
    changes, code = TROUBLES[trouble]
    changes = {**changes, "url": closed_url} if "url" in changes else changes
    broken = {"name": "broken", "queues": QUEUES[queues], **changes}
    empty = {"name": "empty", "queues": [{"id": 5460, "name": "support"}]}
    flag = f"--config.file={write(tmp_path, simulator, broken, empty)}"

    for target in ([], ["broken"], ["broken/sales"]):
        said = run_main("ping", *target, flag, CALLTOOLS_TOKEN=TOKEN)
        assert said.code == 2
        rows = [line for line in said.out.splitlines() if line.startswith("broken ")]
        assert len(rows) == 1
        assert f"  {code}: " in rows[0]
        assert (" sales " in rows[0]) == (queues == "listed" or target == ["broken/sales"])
        assert ("empty    support" in said.out) == (not target)

    found = json.loads(run_main("ping", "--json", "broken", flag, CALLTOOLS_TOKEN=TOKEN).out)
    assert found["can_take_call"] is None
    assert [account["failure"]["code"] for account in found["accounts"]] == [code]
    one = json.loads(run_main("ping", "--json", "broken/sales", flag, CALLTOOLS_TOKEN=TOKEN).out)
    assert (one["queue"], one["can_take_call"], one["failure"]["code"]) == ("sales", None, code)


def test_somebody_elsewhere_is_an_answer_but_the_broken_account_is_shown(
    simulator: Simulator, run_main: RunMain, tmp_path: Path
) -> None:
    broken = {"name": "broken", "queues": "all", "token_env": "NO_SUCH_VARIABLE"}
    flag = f"--config.file={write(tmp_path, simulator, broken, {'name': 'acme'})}"
    said = run_main("ping", flag, CALLTOOLS_TOKEN=TOKEN)
    assert said.code == 0
    assert "\nbroken   -      -             -         -        -  token: " in said.out
    assert run_main("ping", "--require-all", flag, CALLTOOLS_TOKEN=TOKEN).code == 2


@pytest.mark.parametrize("queues", ["all", "all with exceptions"])
def test_a_queue_that_only_the_api_lists(
    queues: str, simulator: Simulator, run_main: RunMain, tmp_path: Path
) -> None:
    account = {"name": "acme", "queues": QUEUES[queues]}
    flag = f"--config.file={write(tmp_path, simulator, account)}"
    for target, code in (("acme/sales", 0), ("acme/5457", 0), ("acme/support", 1)):
        said = run_main("ping", target, flag, CALLTOOLS_TOKEN=TOKEN)
        assert said.code == code
        assert len(said.out.splitlines()) == 2
    said = run_main("ping", "acme/sale", flag, CALLTOOLS_TOKEN=TOKEN)
    assert (said.code, said.out) == (2, "")
    assert said.err.endswith("account 'acme' has no queue 'sale'; did you mean 'sales'?\n")


@pytest.mark.parametrize("fault", ["forbidden", "hang", "429"])
def test_a_list_of_queues_that_does_not_come(
    fault: str, start_simulator: StartSimulator, run_main: RunMain, tmp_path: Path
) -> None:
    dialect = Dialect(forbidden=frozenset({"queues"})) if fault == "forbidden" else None
    simulator = start_simulator(dialect=dialect)
    if fault == "hang":
        simulator.faults.set("hang")
    elif fault == "429":
        simulator.faults.set("status", code=429, retry_after="60")
    flag = f"--config.file={write(tmp_path, simulator, {'name': 'acme', 'queues': 'all'})}"
    code = {"forbidden": "403", "hang": "timeout", "429": "429"}[fault]
    seconds = 0.5 if fault == "hang" else 20  # what does not come has to be waited for
    for target in ([], ["acme/sales"]):
        said = run_main("ping", f"--timeout={seconds}", *target, flag, CALLTOOLS_TOKEN=TOKEN)
        assert said.code == 2
        (row,) = said.out.splitlines()[1:]
        assert row.startswith("acme ")
        assert f"  {code}: " in row
