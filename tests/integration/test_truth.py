"""A number is of now and of this host, and no queue or account is left out for ever."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from exporter.availability import report
from exporter.calltools.client import FILTERS, Client
from exporter.calltools.requester import RequestContext
from exporter.clock import Clock, Moment
from exporter.errors import ApiError, Failure
from exporter.runtime import Runtime
from exporter.scrape.account import AccountScrape
from exporter.scrape.catalog import Catalog
from exporter.scrape.checks import due_checks
from exporter.scrape.jobs import AccountAccess, JobsInFlight, QueueFetch
from exporter.scrape.state import AccountState
from exporter.settings import Configuration, Queue, TokenFile
from exporter.simulator import AVAILABLE, TOKEN, SimulatedAccount
from exporter.snapshot import QueueResult, Snapshot
from exporter.transport.deadline import DeadlineSocket
from tests.integration.conftest import MakeAccount
from tests.simulator import FixedWorld, ReceivedRequest
from tests.simulator_fixtures import StartSimulator, TlsAuthority
from tests.unit.snapshots import account as an_account

START = 1_800_000_000.0
ALL = Queue(0, "", (AVAILABLE,))


def codes(snapshot: Snapshot) -> dict[int, str | int | None]:
    return {
        one.queue.id: one.result.failure.code if one.result.failure else one.result.available
        for one in snapshot.queues
    }


def in_background(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


# One client with a long time-out


def test_a_fetch_that_has_been_waiting_for_long_is_not_joined(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kind: an answer that is older than its question, or never comes, for all who ask."""
    monkeypatch.setattr("exporter.scrape.jobs.JOIN_SECONDS", 0.3)
    world = FixedWorld()
    world.set_available(5457, 1)
    simulator = start_simulator(SimulatedAccount(world))
    account = make_account(simulator)
    runtime = make_runtime(account)
    assert codes(runtime.snapshot([account], 20)) == {5457: 1}
    simulator.faults.set("hang", seconds=60)
    before = simulator.requests_total
    patient = in_background(lambda: runtime.snapshot([account], 60))
    assert simulator.wait_until(lambda: simulator.requests_total == before + 1)
    time.sleep(0.35)
    simulator.faults.clear()
    world.set_available(5457, 2)
    assert codes(runtime.snapshot([account], 20)) == {5457: 2}
    assert patient.is_alive(), "it was not waited for"
    simulator.stop()
    patient.join()


def test_a_fetch_that_is_joined_lasts_as_long_as_who_joins_it(
    start_simulator: StartSimulator, make_account: MakeAccount, make_runtime: Callable[..., Runtime]
) -> None:
    simulator = start_simulator()
    account = make_account(simulator)
    runtime = make_runtime(account)
    runtime.snapshot([account], 20)
    simulator.faults.set("hang", seconds=1.5)
    before = simulator.requests_total
    hasty = in_background(lambda: runtime.snapshot([account], 0.5))
    assert simulator.wait_until(lambda: simulator.requests_total == before + 1)
    assert codes(runtime.snapshot([account], 20)) == {5457: 0}
    assert simulator.requests_total == before + 1
    hasty.join()


@pytest.mark.parametrize("step", ["connect", "handshake"])
def test_a_fetch_that_is_joined_while_it_connects_lasts_as_long_as_who_joins_it(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    tls_authority: TlsAuthority,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    """The kind: a question with a short timeout that makes a scrape fail which has time."""
    begun, end = threading.Event(), threading.Event()
    context = tls_authority.server_context()
    look_up = socket.getaddrinfo
    silent = ("192.0.2.1", 9)

    def find(host: str, port: int, **more: Any) -> Any:
        if begun.is_set():
            return look_up(host, port, **more)
        begun.set()
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", silent)]

    def connect(sock: socket.socket, address: tuple[str, int]) -> None:
        if address == silent:
            end.wait(sock.gettimeout())
            raise TimeoutError
        socket.socket.connect(sock, address)

    def shake_hands(*_: object) -> None:
        begun.set()
        end.wait(10)

    if step == "connect":
        monkeypatch.setattr(socket, "getaddrinfo", find)
        monkeypatch.setattr(DeadlineSocket, "connect", connect)
    else:
        context.sni_callback = shake_hands
    simulator = start_simulator(tls=context)
    account = make_account(simulator, max_parallel_requests=1)
    runtime = make_runtime(account)
    hasty = in_background(lambda: runtime.snapshot([account], 0.5))
    assert begun.wait(10)
    patient: list[Snapshot] = []
    scrape = in_background(lambda: patient.append(runtime.snapshot([account], 20)))
    hasty.join()
    time.sleep(0.1)
    end.set()
    scrape.join()
    assert codes(patient[0]) == {5457: 0}


def test_a_fetch_that_ends_for_want_of_time_is_not_joined(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kind: a fetch that is over but for its report."""
    simulator = start_simulator()
    account = make_account(simulator)
    runtime = make_runtime(account)
    runtime.snapshot([account], 20)
    over, report_it = threading.Event(), threading.Event()
    read = QueueFetch._read

    def read_and_wait(fetch: QueueFetch) -> Any:
        found = read(fetch)
        if not over.is_set():
            over.set()
            report_it.wait(10)
        return found

    monkeypatch.setattr(QueueFetch, "_read", read_and_wait)
    simulator.faults.set("hang", seconds=30, times=1)
    runtime.snapshot([account], 0.3)
    assert over.wait(10)
    snapshot = runtime.snapshot([account], 20)
    report_it.set()
    assert codes(snapshot) == {5457: 0}


# A process or a machine that stands still


def test_an_answer_that_comes_long_after_its_deadline_is_none(
    start_simulator: StartSimulator, make_account: MakeAccount, make_runtime: Callable[..., Runtime]
) -> None:
    """The kind: a container that was paused, a machine that was suspended."""
    now = [START]
    simulator = start_simulator()
    account = make_account(simulator, max_age=60.0)
    runtime = make_runtime(account, clock=lambda: now[0])
    assert codes(runtime.snapshot([account], 10)) == {5457: 0}
    now[0] += 61

    def suspend(_: object) -> None:
        now[0] += 300

    simulator.before_answer = suspend
    snapshot = runtime.snapshot([account], 10)
    assert codes(snapshot) == {5457: "timeout"}
    assert snapshot.queues[0].last_success_at == START
    simulator.before_answer = None
    now[0] += 1
    simulator.forget_requests()
    assert codes(runtime.snapshot([account], 10)) == {5457: 0}
    assert simulator.requests, "what came late is not kept for max_age"


# A move to another host


def test_an_account_that_moves_keeps_nothing_of_the_old_host(
    start_simulator: StartSimulator, make_account: MakeAccount
) -> None:
    old, new = start_simulator(), start_simulator()
    before, after = make_account(old), make_account(new)
    configurations = [Configuration((after,)), Configuration((before,)), Configuration((before,))]
    runtime = Runtime(Configuration((before,)), load=lambda: configurations.pop(0))
    try:
        assert runtime.snapshot([before], 10).queues[0].last_success_at is not None
        old.faults.set("status", code=429, retry_after="60")
        assert runtime.snapshot([before], 10).accounts[0].hold_until is not None
        runtime.reload()
        new.faults.set("status", code=500)
        snapshot = runtime.snapshot([after], 10)
        assert codes(snapshot) == {5457: "500"}
        assert snapshot.accounts[0].hold_until is None
        assert snapshot.queues[0].last_success_at is None
        # A reload that changes nothing keeps both.
        new.faults.clear()
        old.faults.clear()
        runtime.reload()
        old.faults.set("status", code=429, retry_after="60")
        runtime.snapshot([before], 10)
        runtime.reload()
        assert runtime.snapshot([before], 10).accounts[0].hold_until is not None
    finally:
        runtime._transports.close()


@pytest.mark.parametrize("settings", [{}, {"queues": (), "every_queue": ALL}, {"max_age": 60.0}])
def test_the_key_of_another_account_keeps_nothing_of_the_one_before(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    tmp_path: Path,
    settings: dict[str, Any],
) -> None:
    """The kind: ids that were looked up in another account, where they may count nobody."""
    worlds = FixedWorld({5457: "sales"}), FixedWorld({5460: "support"})
    worlds[0].set_available(5457, 3)
    worlds[1].set_available(5460, 2)
    simulator = start_simulator(*(SimulatedAccount(w, f"key-{i}") for i, w in enumerate(worlds)))
    key = tmp_path / "key"
    key.write_text("key-0")
    account = make_account(simulator, 5457, token=TokenFile(key), **settings)
    runtime = make_runtime(account)
    assert codes(runtime.snapshot([account], 5)) == {5457: 3}
    key.write_text("key-1")
    expected = {5460: 2} if account.every_queue else {5457: "unknown_id"}
    assert codes(runtime.snapshot([account], 5)) == expected


def test_queues_whose_list_cannot_be_read_again_keep_their_series(
    start_simulator: StartSimulator, make_account: MakeAccount, tmp_path: Path
) -> None:
    """The kind: what is not read is absent with its reason, not as if it did not exist."""
    simulator = start_simulator()
    key = tmp_path / "key"
    key.write_text(TOKEN)
    account = make_account(simulator, token=TokenFile(key), queues=(), every_queue=ALL)
    runtime = Runtime(Configuration((account,)), load=lambda: Configuration((account,)))
    try:
        assert codes(runtime.snapshot([account], 5)) == {5457: 0, 5460: 0}
        simulator.faults.set("status", path="/api/queues/", code=500)
        runtime.reload()
        assert codes(runtime.snapshot([account], 5)) == {5457: "500", 5460: "500"}
        simulator.faults.clear()
        key.write_text("wrong")
        assert codes(runtime.snapshot([account], 5)) == {5457: "401", 5460: "401"}
        key.write_text(TOKEN)
        assert codes(runtime.snapshot([account], 5)) == {5457: 0, 5460: 0}
    finally:
        runtime._transports.close()


# Fairness


@pytest.mark.parametrize("patience", [3, 7])
def test_with_an_api_that_throttles_each_queue_is_read_in_its_turn(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    patience: int,
) -> None:
    """The kind: where not all can be read, it is always the same that are."""
    ids = range(1, 21)
    world = FixedWorld({id_: f"queue-{id_}" for id_ in ids})
    simulator = start_simulator(SimulatedAccount(world))
    account = make_account(simulator, *ids, max_parallel_requests=2)
    runtime = make_runtime(account)
    assert len(codes(runtime.snapshot([account], 20))) == 20
    read: set[int] = set()
    for _ in ids:  # each time at least one is read
        answered = 0

        def throttle(_: object) -> None:
            nonlocal answered
            answered += 1
            if answered >= patience:
                simulator.faults.set("status", code=429)

        simulator.before_answer = throttle
        snapshot = runtime.snapshot([account], 20)
        simulator.before_answer = None
        simulator.faults.clear()
        found = codes(snapshot)
        assert list(found) == list(ids), "shown in the order of the configuration all the same"
        read |= {id_ for id_, code in found.items() if code == 0}
        if read == set(ids):
            return
    pytest.fail(f"never read: {set(ids) - read}")


def test_with_more_work_than_time_each_queue_is_read_in_its_turn(
    start_simulator: StartSimulator, make_account: MakeAccount, make_runtime: Callable[..., Runtime]
) -> None:
    ids = range(1, 8)
    world = FixedWorld({id_: f"queue-{id_}" for id_ in ids})
    simulator = start_simulator(SimulatedAccount(world))
    account = make_account(simulator, *ids, max_parallel_requests=1)
    runtime = make_runtime(account)
    assert set(codes(runtime.snapshot([account], 20)).values()) == {0}
    simulator.latency = 0.25
    read: set[int] = set()
    for _ in range(12):
        read |= {id_ for id_, code in codes(runtime.snapshot([account], 1.0)).items() if code == 0}
        if read == set(ids):
            break
        # Nothing may be left to join, or that would be what comes next.
        assert simulator.wait_until(lambda: not runtime._scraper._tools.jobs._jobs)
    assert read == set(ids)


def test_a_customer_whose_queues_hang_costs_its_neighbours_one_scrape_at_most(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
) -> None:
    world = FixedWorld({id_: f"queue-{id_}" for id_ in range(1, 41)})
    world.set_available(40, 3)
    simulator = start_simulator(SimulatedAccount(world))
    hangs = make_account(simulator, *range(1, 40), name="hangs", max_parallel_requests=8)
    well = make_account(simulator, 40, name="well", max_parallel_requests=8)
    runtime = make_runtime(hangs, well)
    runtime.snapshot([hangs, well], 20)
    for id_ in range(1, 40):
        simulator.faults.set("hang", queue=id_)
    runtime.snapshot([hangs], 1)
    # Nothing may be left to join: on a quick machine the second scrape would ask for nothing.
    assert simulator.wait_until(lambda: not runtime._scraper._tools.jobs._jobs)
    simulator.forget_requests()
    scrape = in_background(lambda: runtime.snapshot([hangs], 5))
    assert simulator.wait_until(lambda: len(simulator.requests) >= 4)
    assert codes(runtime.snapshot([well], 4)) == {40: 3}
    assert scrape.is_alive()
    scrape.join()


# What leaves is forgotten


def test_what_is_kept_of_queues_that_left_is_forgotten(
    start_simulator: StartSimulator, make_account: MakeAccount, make_runtime: Callable[..., Runtime]
) -> None:
    """The kind: an API that names other queues each time."""
    now = [START]
    world = FixedWorld({})
    simulator = start_simulator(SimulatedAccount(world))
    account = make_account(simulator, queues=(), every_queue=Queue(0, "", (AVAILABLE,)))
    runtime = make_runtime(account, clock=lambda: now[0])
    for turn in range(4):
        ids = range(1 + 20 * turn, 21 + 20 * turn)
        world.set_queues({id_: f"queue-{id_}" for id_ in ids})
        simulator.faults.set("status", queue=ids[0], code=503, retry_after="60")
        now[0] += 601
        for _ in range(2):
            runtime.metrics(account=None, exporter_only=False, budget_seconds=20)
        simulator.faults.clear()
    state = runtime.account_state(account)
    history = runtime._history._accounts["acme"]
    for kept in (
        *(state.read_at, state.asked_at, state._results, state.backoff._until),
        *(history.scraped, history.outages, history.empty_since),
    ):
        assert {key for key in kept if key is not None} <= set(ids), kept


# A check that ends after one that began later


def test_a_list_that_was_asked_for_first_and_comes_last_is_not_the_last_one(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kind: an older answer in the place of a newer one; this one stayed for ten minutes."""
    monkeypatch.setattr("exporter.scrape.jobs.JOIN_SECONDS", 0.0)
    simulator = start_simulator()
    account = make_account(simulator, queues=(), every_queue=Queue(0, "", (AVAILABLE,)))
    runtime = make_runtime(account)
    asked, answer = threading.Event(), threading.Event()
    read_queues = Client.read_queues

    def read_slowly(client: Client, context: RequestContext) -> Any:
        if asked.is_set():
            return read_queues(client, context)
        asked.set()
        assert answer.wait(10)
        raise ApiError(Failure("500", "the API failed (500)"))

    monkeypatch.setattr(Client, "read_queues", read_slowly)
    slow = in_background(lambda: runtime.snapshot([account], 10))
    assert asked.wait(10)
    assert runtime.snapshot([account], 10).accounts[0].failures == ()
    answer.set()
    slow.join()
    snapshot = runtime.snapshot([account], 10)
    assert snapshot.accounts[0].failures == ()
    assert codes(snapshot) == {5457: 0, 5460: 0}


def test_a_verdict_that_was_asked_for_first_and_comes_last_is_not_the_last_one() -> None:
    state = AccountState(an_account())
    for name in FILTERS:
        state.record_filter(name, None, Moment(START, START))
    ignored = Failure("filter_ignored", "the API ignores the filter `queue`")
    state.record_filter("queue", ignored, Moment(START + 500, START + 500))
    state.record_filter("queue", None, Moment(START + 495, START + 495))
    assert state.untrusted(Moment(START + 510, START + 510)) == ignored


# A reload in the middle of a scrape


def test_a_reload_during_a_scrape_forgets_no_outage(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
) -> None:
    """With `queues: all`, the reloaded account had no queues yet, and so no history.

    The outage was then logged as another one, and its end not at all.
    """
    simulator = start_simulator()
    account = make_account(simulator, queues=(), every_queue=Queue(0, "", (AVAILABLE,)))
    runtime = make_runtime(account, load=lambda: Configuration((account,)))

    def scrape() -> None:
        runtime.metrics(account=None, exporter_only=False, budget_seconds=10)

    simulator.faults.set("status", queue=5457, code=503)
    asked, answer = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        asked.set()
        assert answer.wait(10)

    with capture_logs() as logs:
        scrape()
        simulator.before_answer = hold
        during = in_background(scrape)
        assert asked.wait(10)
        runtime.reload()
        answer.set()
        during.join()
        scrape()
        simulator.faults.clear()
        scrape()
    said = [line["event"] for line in logs if line["log_level"] != "debug"]
    assert said == ["Cannot read queue", "Configuration loaded", "Queue readable again"]


# A scrape that ends after one that began later


def test_what_a_slow_scrape_read_first_replaces_nothing_that_was_read_later(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kind: an older number that is shown as the last one, because its scrape ended last."""
    world = FixedWorld()
    world.set_available(5457, 3)
    simulator = start_simulator(SimulatedAccount(world))
    account = make_account(simulator, 5457, 5460)
    runtime = make_runtime(account)
    runtime.snapshot([account], 10)
    quick: SimpleQueue[QueueFetch] = SimpleQueue()
    begun, end = threading.Event(), threading.Event()
    read = QueueFetch._read

    def read_slowly(fetch: QueueFetch) -> Any:
        if fetch.queue.id == 5457:
            quick.put(fetch)
        else:
            begun.set()
            assert end.wait(10)
        return read(fetch)

    monkeypatch.setattr(QueueFetch, "_read", read_slowly)
    slow = in_background(
        lambda: runtime.metrics(account=None, exporter_only=False, budget_seconds=20)
    )
    assert quick.get(timeout=10).result(10).available == 3
    assert begun.wait(10)
    world.set_available(5457, 0)
    runtime.probe(account="acme", queue="5457", budget_seconds=10)
    (before, _) = runtime.status("acme")[0].queues or ()
    end.set()
    slow.join()
    (after, _) = runtime.status("acme")[0].queues or ()
    assert after == before
    assert after.scraped is not None
    assert after.scraped.result.available == 0
    again = runtime.read("acme", budget_seconds=10, max_age=60.0)
    assert again.queues[0].last_success_at == after.scraped.last_success_at


# One list for two scrapes


def test_an_account_whose_list_ends_just_after_the_budget_is_not_left_out(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was without queues and without a failure, which reads as "nobody"."""
    simulator = start_simulator()
    account = make_account(simulator, queues=(), every_queue=Queue(0, "", (AVAILABLE,)))
    runtime = make_runtime(account)
    asked, answer = threading.Event(), threading.Event()

    def hold(request: ReceivedRequest) -> None:
        if request.path == "/api/queues/":
            asked.set()
            assert answer.wait(10)

    simulator.before_answer = hold
    patient = in_background(lambda: runtime.snapshot([account], 10))
    assert asked.wait(10)
    collect = AccountScrape._results

    def collect_before_the_list_ends(
        scrape: AccountScrape,
    ) -> list[tuple[Queue, QueueResult]]:
        results = collect(scrape)
        if threading.current_thread() is not patient:
            answer.set()
            patient.join(10)
        return results

    with monkeypatch.context() as patched:
        patched.setattr(AccountScrape, "_results", collect_before_the_list_ends)
        snapshot = runtime.snapshot([account], 0.1)
    assert report(snapshot, runtime.now()).can_take_call is None


def test_an_account_whose_list_ends_between_two_looks_at_it_is_read(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was neither missing any more nor due, so nobody waited for it nor asked for a queue."""
    world = FixedWorld({5457: "sales"})
    world.set_available(5457, 2)
    simulator = start_simulator(SimulatedAccount(world))
    account = make_account(simulator, queues=(), every_queue=Queue(0, "", (AVAILABLE,)))
    runtime = make_runtime(account)
    others: list[Snapshot | None] = []

    def look(catalog: Catalog) -> bool:
        found = catalog.listed_queues.rows is None
        if not others:
            others.append(None)
            others.append(runtime.snapshot([account], 10))
        return found

    monkeypatch.setattr(Catalog, "must_be_read_first", property(look))
    snapshots = [runtime.snapshot([account], 10), others[1]]
    assert [codes(one) for one in snapshots if one] == [{5457: 2}] * 2


def test_an_account_whose_list_was_not_asked_for_has_not_been_read(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kind: a scrape that joins work which another scrape's refusal then stops.

    The account was up, without queues and without a failure, which reads as "nobody".
    """
    simulator = start_simulator()
    every = Queue(0, "", (AVAILABLE,))
    account = make_account(simulator, queues=(), every_queue=every, max_parallel_requests=1)
    runtime = make_runtime(account)
    for name in FILTERS:
        runtime.account_state(account).record_filter(name, None, Clock().now())
    simulator.faults.set("status", path="/api/statuses/", code=429)
    answer = threading.Event()
    simulator.before_answer = lambda _: answer.wait(10)
    started: SimpleQueue[tuple[str, bool]] = SimpleQueue()
    join_or_start = JobsInFlight.join_or_start

    def record(jobs: JobsInFlight, key: tuple[str, str], *more: Any, **named: Any) -> Any:
        job, joined = join_or_start(jobs, key, *more, **named)
        started.put((key[1], joined))
        return job, joined

    monkeypatch.setattr(JobsInFlight, "join_or_start", record)
    snapshots: list[Snapshot] = []
    scrapes = []
    for joined in (False, True):
        scrape = in_background(lambda: snapshots.append(runtime.snapshot([account], 10)))
        scrapes.append(scrape)
        lists = [started.get(timeout=10) for _ in range(2)]
        assert lists == [("/api/statuses/", joined), ("/api/queues/", joined)]
    answer.set()
    for scrape in scrapes:
        scrape.join()
    assert [report(one, runtime.now()).can_take_call for one in snapshots] == [None, None]
    failures = [one.accounts[0].failure for one in snapshots]
    assert [failure and failure.code for failure in failures] == ["429", "429"]


# One verification for two scrapes


def test_two_first_scrapes_that_each_send_one_half_of_a_verification_have_their_numbers(
    start_simulator: StartSimulator,
    make_account: MakeAccount,
    make_runtime: Callable[..., Runtime],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kind: two Prometheus servers at once, and what one request alone cannot say."""
    world = FixedWorld()
    world.set_available(5457, 2)
    simulator = start_simulator(SimulatedAccount(world))
    account = make_account(simulator)
    runtime = make_runtime(account)
    first_half, second_half, begun = threading.Event(), threading.Event(), threading.Event()
    snapshots: list[Snapshot] = []
    others: list[threading.Thread] = []
    join_or_start = JobsInFlight.join_or_start

    def interleaved(jobs: JobsInFlight, key: tuple[str, str], *more: Any, **named: Any) -> Any:
        found = join_or_start(jobs, key, *more, **named)
        if key[1] == "filter ready=true" and not first_half.is_set():
            first_half.set()
            others.append(in_background(lambda: snapshots.append(runtime.snapshot([account], 10))))
            assert second_half.wait(10)
        elif key[1] == "filter ready=false":
            second_half.set()
        return found

    simulator.before_answer = lambda _: begun.wait(10)
    monkeypatch.setattr(JobsInFlight, "join_or_start", interleaved)
    first = in_background(lambda: snapshots.append(runtime.snapshot([account], 10)))
    assert second_half.wait(10)
    begun.set()
    first.join()
    others[0].join()
    assert [codes(snapshot) for snapshot in snapshots] == [{5457: 2}] * 2


def test_of_a_verification_by_two_requests_only_what_is_missing_is_asked_for() -> None:
    """The kind: work in the same order each time, of which a slow API only answers the first."""
    state, begun = AccountState(an_account()), Moment(START, 0.0)
    access = cast("AccountAccess", SimpleNamespace(state=state))
    both = {"filter ready=true", "filter ready=false"}
    assert both <= due_checks(access, begun).keys()
    state.record_by_ready("true", ({"ready": True, "app_user": "a"},), begun)
    assert both & due_checks(access, begun.after(60)).keys() == {"filter ready=false"}
    assert both <= due_checks(access, begun.after(100)).keys(), "the answer is too old by then"


def test_a_verdict_may_come_while_another_scrape_looks_at_the_verdicts() -> None:
    """The kind: what one thread goes through while another one adds to it."""
    state = AccountState(an_account())

    class LookedAt(Failure):
        def __bool__(self) -> bool:
            state._verdicts["agent_status_id"] = (START, None)
            return False

    state._verdicts["queue"] = (START, LookedAt("timeout", ""))
    assert state.ignored_filter() is None
