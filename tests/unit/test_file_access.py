"""Work on files that hangs holds up no other work, and is started only once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import pytest

from exporter.transport.transports import FileAccess

Done = dict[str, object]


@pytest.fixture
def hang() -> Iterator[Callable[[], str]]:
    """Return work that ends with the test."""
    end = threading.Event()

    def hang() -> str:
        assert end.wait(60)
        return "late"

    yield hang
    end.set()


def results(
    access: FileAccess,
    work: Mapping[str, Callable[[], object]],
    seconds: float = 20,
    in_all: float = 60,
) -> dict[str, object]:
    found = access.results(work, seconds, in_all)
    return {key: future.result() if future.done() else None for key, future in found}


def file_threads() -> int:
    return sum(thread.name == "files" for thread in threading.enumerate())


def test_each_piece_of_work_has_its_result() -> None:
    work = {str(number): partial(pow, number, 2) for number in range(100)}
    assert results(FileAccess(), work) == {str(number): number**2 for number in range(100)}


def test_what_it_raises_is_raised_to_who_asks() -> None:
    ((_, future),) = FileAccess().results({"a": partial(int, "x")}, 20, 20)
    with pytest.raises(ValueError, match="invalid literal"):
        future.result()


def test_nothing_to_do_starts_nothing() -> None:
    before = file_threads()
    assert results(FileAccess(), {}) == {}
    assert file_threads() == before


def test_what_hangs_holds_up_no_other_and_comes_last(hang: Callable[[], str]) -> None:
    work: dict[str, Callable[[], object]] = {f"hangs {number}": hang for number in range(40)}
    work["works"] = partial(str, "done")
    begun = time.monotonic()
    found = FileAccess().results(work, 30, 30)
    key, future = next(found)
    assert (key, future.result()) == ("works", "done")
    assert time.monotonic() - begun < 10
    found.close()  # type: ignore[attr-defined]


def test_slow_storage_is_read_in_more_and_more_threads() -> None:
    """Nothing hangs, as something always ends, and yet all of it takes 100 s in one thread."""
    work = {str(number): partial(threading.Event().wait, 0.1) for number in range(1000)}
    assert None not in results(FileAccess(), work, 20, 50).values()


def test_slow_storage_takes_no_more_than_its_time() -> None:
    """While something always ended, it was waited for past the end of a scrape."""
    access = FileAccess()
    work: dict[str, Callable[[], object]] = {
        str(number): partial(threading.Event().wait, 0.1) for number in range(1000)
    }
    found = results(access, work, 20, 0.5)
    assert None in found.values()
    assert None not in results(access, {"works": partial(str, "done")}, 20, 50).values()


def test_what_hangs_is_neither_started_nor_waited_for_again(hang: Callable[[], str]) -> None:
    access, before = FileAccess(), file_threads()
    assert results(access, {"hangs": hang}, 0.2) == {"hangs": None}
    begun = time.monotonic()
    for _ in range(5):
        work: Mapping[str, Callable[[], str]] = {"hangs": hang, "works": partial(str, "done")}
        assert results(access, work, 0.1) == {"hangs": None, "works": "done"}
    assert time.monotonic() - begun < 5
    assert file_threads() <= before + 2, "one that hangs, and at most one that is about to end"


def test_what_hung_is_done_anew_once_it_has_ended() -> None:
    access, end = FileAccess(), threading.Event()
    assert results(access, {"key": partial(end.wait, 20)}, 0.1) == {"key": None}
    end.set()
    found: Done = {}
    while found.get("key") != "new":
        found = results(access, {"key": partial(str, "new")}, 5)


def test_where_no_thread_can_be_started_it_is_done_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert results(FileAccess(), {"a": partial(str, "done")}) == {"a": "done"}
