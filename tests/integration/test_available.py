"""Whether a call can be taken now, asked over HTTP of a running exporter."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import requests
import yaml

from exporter.simulator import SimulatedAccount
from tests.integration.conftest import Serve, Served
from tests.process_fixtures import (
    Command,
    RunMain,
    StartCommand,
    WriteConfiguration,
    account_settings,
)
from tests.simulator import FixedWorld, Simulator

HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
ANYWHERE = "--web.listen-address=127.0.0.1:0"
QUEUES = {5457: "sales", 5460: "support", 5463: "night"}
CLOSED = {"timezone": "UTC", "open": {"mon": ["00:00-00:01"]}, "closed": ["2020-01-01..2099-12-31"]}


@pytest.fixture(scope="module")
def silo() -> Iterator[tuple[Simulator, FixedWorld]]:
    world = FixedWorld(QUEUES)
    with Simulator(SimulatedAccount(world)) as simulator:
        yield simulator, world


@pytest.fixture
def world(silo: tuple[Simulator, FixedWorld]) -> FixedWorld:
    """The same numbers at the start of each test."""
    world = silo[1]
    world.set_queues(QUEUES)
    for queue, number in {5457: 3, 5460: 0, 5463: 4}.items():
        world.set_available(queue, number)
    return world


@pytest.fixture
def simulator(
    silo: tuple[Simulator, FixedWorld],
    world: FixedWorld,  # noqa: ARG001
) -> Simulator:
    """No faults and no requests at the start of each test."""
    simulator = silo[0]
    simulator.faults.clear()
    simulator.latency = 0.0
    simulator.forget_requests()
    return simulator


def write(folder: Path, simulator: Simulator) -> Path:
    account = account_settings(simulator, {})
    account["queues"] = [
        {"id": 5457, "name": "sales", "team": "east", "required_agents": 2},
        {"id": 5460, "name": "support", "team": "west"},
        {"id": 5463, "name": "night", "team": "east", "schedule": "closed"},
    ]
    path = folder / "exporter.yml"
    path.write_text(yaml.safe_dump({"accounts": [account], "schedules": {"closed": CLOSED}}))
    return path


@pytest.fixture
def path(simulator: Simulator, tmp_path: Path) -> Path:
    return write(tmp_path, simulator)


@pytest.fixture
def fresh(serve: Serve, path: Path) -> Served:
    """An exporter that nobody has asked, for those who change what it keeps."""
    return serve(path)


@pytest.fixture(scope="module")
def shared(
    start_shared_command: StartCommand,
    silo: tuple[Simulator, FixedWorld],
    tmp_path_factory: pytest.TempPathFactory,
) -> Command:
    path = write(tmp_path_factory.mktemp("shared"), silo[0])
    return start_shared_command(f"--config.file={path}", ANYWHERE)


@pytest.fixture
def exporter(shared: Command, simulator: Simulator) -> Command:  # noqa: ARG001
    """An exporter that others have asked: questions leave no trace."""
    return shared


def ask(exporter: Command | Served, query: str = "") -> tuple[int, Any]:
    answer = exporter.get(f"/available{query}")
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.status_code, answer.json()


def counted(exporter: Served) -> dict[str, float]:
    text = exporter.get("/metrics?collect[]=exporter").text
    found = re.findall(r'_available_requests_total\{answer="(\w+)"\} (\S+)', text)
    return {answer: float(number) for answer, number in found}


@pytest.mark.parametrize("queue", ["sales", "5457"])
def test_yes(exporter: Command, queue: str) -> None:
    status, answer = ask(exporter, f"?account=acme&queue={queue}")
    assert status == 200
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", answer.pop("read_at"))
    assert 0 <= answer.pop("age_seconds") < 60
    assert answer == {
        "account": "acme",
        "queue": "sales",
        "queue_id": 5457,
        "team": "east",
        "can_take_call": True,
        "available": 3,
        "required": 2,
        "open": True,
        "failure": None,
    }


@pytest.mark.parametrize(
    ("queue", "available", "is_open"), [("support", 0, True), ("night", 4, False)]
)
def test_no_because_nobody_is_there_or_it_is_closed(
    exporter: Command, queue: str, available: int, is_open: bool
) -> None:
    status, answer = ask(exporter, f"?account=acme&queue={queue}")
    assert status == 200
    assert answer["can_take_call"] is False
    assert (answer["available"], answer["open"]) == (available, is_open)


def test_what_is_not_known_is_never_no(exporter: Command, simulator: Simulator) -> None:
    simulator.faults.set("status", code=500, queue=5457)
    answer = exporter.get("/available?account=acme&queue=sales")
    assert answer.status_code == 503
    assert "Retry-After" not in answer.headers
    assert answer.json()["can_take_call"] is None
    assert answer.json()["available"] is None
    assert answer.json()["failure"]["code"] == "500"


def test_it_says_when_to_ask_again_where_the_api_does(fresh: Served, simulator: Simulator) -> None:
    simulator.faults.set("status", code=429, retry_after="60")
    for _ in range(2):
        answer = fresh.get("/available?account=acme&queue=sales")
        assert (answer.status_code, answer.json()["failure"]["code"]) == (503, "429")
        assert 50 <= int(answer.headers["Retry-After"]) <= 60


@pytest.mark.parametrize("queues", ["all", [{"id": 5457, "name": "sales"}]])
def test_an_account_that_cannot_be_read_is_not_known(
    serve: Serve, path: Path, queues: object
) -> None:
    content = yaml.safe_load(path.read_text())
    account = content["accounts"][0]
    account.update(queues=queues, token_file=str(path.parent / "no-such-key"))
    del account["token_env"]
    path.write_text(yaml.safe_dump(content))
    exporter = serve(path)
    status, answer = ask(exporter, "?account=acme&queue=sales")
    assert status == 503
    assert (answer["queue"], answer["can_take_call"]) == ("sales", None)
    assert answer["failure"]["code"] == "token"
    status, answer = ask(exporter, "?account=acme")
    assert (status, answer["can_take_call"]) == (200, None)
    assert [one["failure"]["code"] for one in answer["accounts"]] == ["token"]
    status, answer = ask(exporter, "?can_take_call=true")
    assert (status, answer["can_take_call"], answer["queues"]) == (200, None, [])


REFUSED = [
    ("?account=acne&queue=sales", 404, "account 'acne' is not configured; did you mean 'acme'"),
    ("?account=acme&queue=sale", 404, "has no queue 'sale'; did you mean 'sales'?"),
    ("?account=acme&queue=sales&queue=5458", 404, "has no queue '5458'"),
    ("?account=&queue=sales", 404, "account '' is not configured"),
    ("?account=acme&queue=", 404, "has no queue ''"),
    ("?team=weast", 404, "team 'weast' is not configured; did you mean 'west'?"),
    ("?queue=sales", 400, "queue needs account=NAME"),
    ("?account=acme&account=acme", 400, "account is given more than once"),
    ("?account=acme&quue=sales", 400, "unknown parameter 'quue'; did you mean 'queue'?"),
    ("?account=acme&timeout=0.04", 400, "timeout is '0.04'; expected seconds from 0.05 to 30"),
    ("?account=acme&timeout=nan", 400, "expected seconds"),
    ("?account=acme&timeout=1e1", 400, "expected seconds"),
    ("?account=acme&max_age=61", 400, "max_age is '61'; expected seconds from 0 to 60"),
    ("?account=acme&max_age=-1", 400, "expected seconds"),
    ("?account=acme&can_take_call=false", 400, "expected true, or no such parameter"),
]


def test_what_cannot_be_answered_is_said(exporter: Command, simulator: Simulator) -> None:
    for query, status, words in REFUSED:
        found, answer = ask(exporter, query)
        assert found == status, query
        assert words in answer["error"]
        assert answer["can_take_call"] is None
    assert simulator.requests == []


def test_a_timeout_that_a_program_worked_out_is_understood(exporter: Command) -> None:
    assert str(11 * 0.7) == "7.699999999999999"
    assert ask(exporter, f"?account=acme&queue=sales&timeout={11 * 0.7}")[0] == 200


def test_a_question_does_not_wait_for_a_scrape_of_many_queues(
    simulator: Simulator,
    world: FixedWorld,
    write_configuration: WriteConfiguration,
    start_command: StartCommand,
) -> None:
    """Whether the scrape has put the same queue at the end of its line, or does not want it."""
    queues = {number: f"queue-{number}" for number in range(1, 301)}
    world.set_queues(queues)
    world.set_available(300, 1)
    path = write_configuration(simulator, queues, max_parallel_requests=2)
    exporter = start_command(f"--config.file={path}", ANYWHERE)
    assert "calltools_up" in exporter.get("/metrics").text
    simulator.forget_requests()
    simulator.latency = 0.03
    with ThreadPoolExecutor(1) as prometheus:
        scrape = prometheus.submit(
            requests.get,
            f"{exporter.url}/metrics",
            headers={"X-Prometheus-Scrape-Timeout-Seconds": "60"},
            timeout=60,
        )
        assert simulator.wait_until(lambda: len(simulator.requests) >= 10)
        last = 300
        assert last not in asked_queues(simulator)
        assert ask(exporter, f"?account=acme&queue={last}&timeout=20")[0] == 200
        asked = asked_queues(simulator)
        assert len(asked) < 150, "the scrape goes on"
        assert "calltools_queue_up" in scrape.result().text
    assert asked_queues(simulator).count(last) == 1, "the scrape shares the question's request"


def asked_queues(simulator: Simulator) -> list[int]:
    return [int(request.query.get("queue", 0)) for request in simulator.requests]


def test_several_queues_and_all(exporter: Command, simulator: Simulator) -> None:
    for query, names, can in (
        ("?account=acme&queue=sales&queue=support", ["sales", "support"], True),
        ("?account=acme&queue=support&queue=5460&queue=night", ["support", "night"], False),
        ("?account=acme", ["sales", "support", "night"], True),
        ("", ["sales", "support", "night"], True),
        ("?team=east", ["sales", "night"], True),
        ("?team=west", ["support"], False),
        ("?can_take_call=true", ["sales"], True),
        ("?team=west&can_take_call=true", [], False),
    ):
        status, answer = ask(exporter, query)
        assert (status, answer["can_take_call"], answer["accounts"]) == (200, can, []), query
        assert [queue["queue"] for queue in answer["queues"]] == names, query
    simulator.faults.set("status", code=500, queue=5460)
    assert ask(exporter, "?account=acme&queue=support&queue=night")[1]["can_take_call"] is None
    assert ask(exporter, "?account=acme")[1]["can_take_call"] is True


def test_it_asks_for_that_queue_alone_unless_a_number_is_young_enough(
    exporter: Command, simulator: Simulator, world: FixedWorld
) -> None:
    exporter.get("/metrics")
    simulator.forget_requests()
    world.set_available(5457, 7)
    assert ask(exporter, "?account=acme&queue=sales")[1]["available"] == 7
    assert len(simulator.requests) == 1
    world.set_available(5457, 0)
    status, answer = ask(exporter, "?account=acme&queue=sales&max_age=60")
    assert (status, answer["available"]) == (200, 7)
    assert 0 < answer["age_seconds"] < 60
    assert len(simulator.requests) == 1
    assert ask(exporter, "?account=acme&queue=sales")[1]["can_take_call"] is False


def test_a_crowd_of_questions_is_one_request(exporter: Command, simulator: Simulator) -> None:
    exporter.get("/metrics")
    simulator.forget_requests()
    simulator.faults.set("hang", seconds=0.3)
    address = f"{exporter.url}/available?account=acme&queue=sales"
    with ThreadPoolExecutor(30) as clients:
        answers = list(clients.map(lambda _: requests.get(address, timeout=20), range(30)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(simulator.requests) <= 3


def test_it_is_whole_within_its_timeout(
    start_command: StartCommand, path: Path, simulator: Simulator
) -> None:
    exporter = start_command(f"--config.file={path}", ANYWHERE)
    exporter.get("/metrics")
    simulator.faults.set("silent")
    for seconds in (0.05, 0.5):
        took = []
        for _ in range(3):  # for a machine that is busy with other tests
            started = time.monotonic()
            status, answer = ask(exporter, f"?account=acme&queue=sales&timeout={seconds}")
            took.append(time.monotonic() - started)
            assert (status, answer["can_take_call"]) == (503, None)
            if took[-1] < seconds + 0.5:
                break
        assert min(took) < seconds + 0.5


def test_questions_and_scrapes_have_slots_of_their_own(
    serve: Serve, path: Path, simulator: Simulator
) -> None:
    exporter = serve(path, web_max_requests=1)
    exporter.get("/metrics")
    simulator.faults.set("silent", queue=5460)
    with ThreadPoolExecutor(1) as clients:
        scrape = clients.submit(
            requests.get,
            f"{exporter.url}/metrics",
            headers={"X-Prometheus-Scrape-Timeout-Seconds": "4"},
            timeout=20,
        )
        assert simulator.wait_until(lambda: len(simulator.requests) > 0)
        assert ask(exporter, "?account=acme&queue=sales&timeout=2")[0] == 200
        assert scrape.result().status_code == 200


def test_every_answer_is_counted(fresh: Served, simulator: Simulator) -> None:
    assert counted(fresh) == {"yes": 0, "no": 0, "unknown": 0, "refused": 0}
    ask(fresh, "?account=acme&queue=sales")
    ask(fresh, "?account=acme&queue=support")
    ask(fresh, "?account=acme&queue=sale")
    ask(fresh, "")
    simulator.faults.set("status", code=500)
    ask(fresh, "?account=acme&queue=sales")
    ask(fresh, "?account=acme")
    assert counted(fresh) == {"yes": 2, "no": 1, "unknown": 2, "refused": 1}
    text = fresh.get("/metrics?collect[]=exporter").text
    assert "calltools_exporter_available_request_duration_seconds_count 5.0" in text


def test_questions_leave_no_trace_on_a_scrape(
    start_command: StartCommand, path: Path, simulator: Simulator
) -> None:
    exporter = start_command(f"--config.file={path}", ANYWHERE)
    simulator.faults.set("status", code=500)
    ask(exporter, "?account=acme&queue=sales")
    assert "Cannot read queue" not in exporter.written()
    assert "No scrape yet" in exporter.get("/").text


def write_users(path: Path) -> Path:
    """Write three users: of one account, of one team, and one of a question in ten seconds."""
    content = yaml.safe_load(path.read_text())
    content["accounts"].append({**content["accounts"][0], "name": "beta"})
    path.write_text(yaml.safe_dump(content))
    users: dict[str, dict[str, object]] = {
        "acme": {"accounts": ["acme"]},
        "east": {"teams": ["east"]},
        "slow": {"accounts": "all", "questions_per_second": 0.1},
    }
    file = path.parent / "users.yml"
    content = {name: {"password_hash": HASH, **keys} for name, keys in users.items()}
    file.write_text(yaml.safe_dump({"users": content}))
    (path.parent / "web.yml").write_text(yaml.safe_dump({"basic_auth_users": {"admin": HASH}}))
    return file


def guarded_flags(path: Path) -> list[str]:
    web = f"--web.config.file={path.parent / 'web.yml'}"
    available = f"--web.available-users.file={write_users(path)}"
    return [f"--config.file={path}", ANYWHERE, web, available]


@pytest.fixture
def users(path: Path) -> Path:
    return write_users(path)


@pytest.fixture(scope="module")
def shared_guarded(
    start_shared_command: StartCommand,
    silo: tuple[Simulator, FixedWorld],
    tmp_path_factory: pytest.TempPathFactory,
) -> Command:
    path = write(tmp_path_factory.mktemp("guarded"), silo[0])
    return start_shared_command(*guarded_flags(path))


@pytest.fixture
def guarded(shared_guarded: Command, simulator: Simulator) -> Command:  # noqa: ARG001
    """An exporter with these users that others have asked."""
    return shared_guarded


def as_user(exporter: Command, name: str, query: str) -> tuple[int, Any]:
    exporter.session.auth = (name, "secret")
    return ask(exporter, query)


def test_a_user_may_ask_about_its_accounts_and_teams_only(
    guarded: Command, simulator: Simulator
) -> None:
    assert as_user(guarded, "acme", "?account=acme&queue=sales")[0] == 200
    assert as_user(guarded, "acme", "?account=acme&queue=support")[0] == 200
    assert as_user(guarded, "east", "?account=beta&queue=sales")[0] == 200
    assert as_user(guarded, "admin", "?account=beta&queue=support")[0] == 200
    # Each like a name that does not exist, and without a request to the API.
    simulator.forget_requests()
    for name, query, words in (
        ("acme", "?account=beta&queue=sales", "account 'beta' is not configured"),
        ("acme", "?account=bet", "account 'bet' is not configured"),
        ("east", "?account=acme&queue=support", "account 'acme' has no queue 'support'"),
        ("east", "?account=acme&queue=5460", "account 'acme' has no queue '5460'"),
        ("east", "?account=acme&queue=suport", "account 'acme' has no queue 'suport'"),
        ("east", "?team=west", "team 'west' is not configured; did you mean 'east'?"),
        ("east", "?account=acme&team=west", "team 'west' is not configured; did you mean 'east'?"),
    ):
        status, answer = as_user(guarded, name, query)
        assert (status, answer["error"]) == (404, words)
    assert simulator.requests == []


def test_lists_hold_what_the_user_may_ask_about(guarded: Command) -> None:
    for name, query, found in (
        ("acme", "", ["acme/sales", "acme/support", "acme/night"]),
        ("east", "", ["acme/sales", "acme/night", "beta/sales", "beta/night"]),
        ("east", "?account=beta", ["beta/sales", "beta/night"]),
    ):
        status, answer = as_user(guarded, name, query)
        assert status == 200
        assert [f"{one['account']}/{one['queue']}" for one in answer["queues"]] == found


def test_a_team_meets_no_account_of_another_team_that_cannot_be_listed(
    start_command: StartCommand, path: Path
) -> None:
    """It made every answer `null`, and showed the account's name to users of other teams."""
    content = yaml.safe_load(path.read_text())
    lost = {"name": "lost", "team": "north", "queues": "all", "token_file": "no-such-key"}
    acme = {**content["accounts"][0], "team": "west"}
    acme["queues"] = ["all", {"id": 5457, "team": "east"}]
    content["accounts"] = [acme, {**acme, **lost}]
    del content["accounts"][1]["token_env"]
    path.write_text(yaml.safe_dump(content))
    exporter = start_command(*guarded_flags(path))
    for name, query, can, failed in (
        ("admin", "?team=north", None, ["lost"]),
        ("admin", "?team=east", True, []),
        ("east", "", True, []),
    ):
        status, answer = as_user(exporter, name, query)
        assert (status, answer["can_take_call"]) == (200, can), answer
        assert [one["account"] for one in answer["accounts"]] == failed
    assert as_user(exporter, "east", "?account=lost")[0] == 404


def test_why_a_number_could_not_be_read_is_for_the_operator(
    guarded: Command, simulator: Simulator
) -> None:
    simulator.faults.set("status", code=500)
    query = "?account=acme&queue=sales"
    failure = as_user(guarded, "acme", query)[1]["failure"]
    assert failure == {"code": "500", "message": "the number could not be read"}
    assert "simulated failure" in as_user(guarded, "admin", query)[1]["failure"]["message"]


def test_a_user_may_ask_nothing_else(guarded: Command) -> None:
    guarded.session.auth = ("acme", "secret")
    for path in ("/metrics", "/", "/config", "/sd", "/probe?account=acme", "/none"):
        assert guarded.get(path).status_code == 403
    assert guarded.get("/-/healthy").status_code == 200
    for auth in (None, ("acme", "guess"), ("nobody", "secret")):
        guarded.session.auth = auth
        for path in ("/metrics", "/available?account=acme"):
            assert guarded.get(path).status_code == 401
    guarded.session.auth = ("admin", "secret")
    assert guarded.get("/metrics").status_code == 200


def test_without_other_passwords_only_that_path_needs_one(
    start_command: StartCommand, path: Path, users: Path
) -> None:
    available = f"--web.available-users.file={users}"
    exporter = start_command(f"--config.file={path}", ANYWHERE, available)
    assert "Only /available requires a password" in exporter.written()
    assert exporter.get("/metrics").status_code == 200
    assert exporter.get("/available").status_code == 401
    assert as_user(exporter, "acme", "?account=acme&queue=sales")[0] == 200


def test_each_user_has_a_limit_of_its_own(guarded: Command) -> None:
    assert as_user(guarded, "slow", "?account=acme&queue=sales")[0] == 200
    answer = guarded.get("/available?account=acme&queue=sales")
    assert answer.status_code == 429
    assert answer.json()["can_take_call"] is None
    assert 1 <= int(answer.headers["Retry-After"]) <= 10
    assert as_user(guarded, "acme", "?account=acme&queue=sales")[0] == 200


def test_users_are_followed(start_command: StartCommand, path: Path) -> None:
    exporter = start_command(*guarded_flags(path))
    users = path.parent / "users.yml"
    content = yaml.safe_load(users.read_text())
    content["users"]["acme"]["accounts"] = ["beta"]
    users.write_text(yaml.safe_dump(content))
    deadline = time.monotonic() + 20
    while as_user(exporter, "acme", "?account=beta&queue=sales")[0] != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert as_user(exporter, "acme", "?account=acme&queue=sales")[0] == 404
    # Users of what the configuration does not have, which is not "nobody".
    content["users"]["acme"]["accounts"] = ["gone"]
    content["users"]["east"] |= {"accounts": ["acme"], "teams": ["gone"]}
    users.write_text(yaml.safe_dump(content))
    while as_user(exporter, "acme", "?account=beta&queue=sales")[0] == 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    for name, query in (("acme", ""), ("east", ""), ("east", "?account=acme")):
        status, answer = as_user(exporter, name, query)
        assert (status, answer["can_take_call"]) == (404, None)
        assert answer["error"] == "no account or team of this user is configured"


def test_check_reads_the_users(run_main: RunMain, path: Path, users: Path) -> None:
    flag = f"--web.available-users.file={users}"
    assert run_main("check", f"--config.file={path}", flag, CALLTOOLS_TOKEN="key").code == 0
    users.write_text(users.read_text().replace("- acme", "- acne"))
    said = run_main("check", f"--config.file={path}", flag, CALLTOOLS_TOKEN="key")
    assert said.code == 1
    assert "did you mean 'acme'?" in said.err
