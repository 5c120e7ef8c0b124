"""Log lines whose reader is slow or gone."""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exporter.logs import LineWriter, dropped_lines

LINE = "x" * 999 + "\n"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The ends of a pipe that holds 4 KiB."""
    reader, end = os.pipe()
    fcntl.fcntl(end, fcntl.F_SETPIPE_SZ, 4096)
    yield reader, end
    for descriptor in (reader, end):
        with contextlib.suppress(OSError):
            os.close(descriptor)


def read_until(reader: int, end: str) -> str:
    text = ""
    while not text.endswith(end):
        text += os.read(reader, 65536).decode()
    return text


def test_lines_arrive_whole_and_in_their_order(pipe: tuple[int, int]) -> None:
    reader, end = pipe
    writer = LineWriter(os.dup(end))
    # More than the pipe holds, but no more than may wait: nothing is dropped, however slow it is.
    lines = [f"{number} ä \ud800\n" for number in range(900)]
    for line in lines:
        writer.write(line)
    text = read_until(reader, "899 ä \\ud800\n")
    assert text == "".join(lines).replace("\ud800", "\\ud800")
    writer.close()


def test_a_log_that_nobody_reads_delays_nobody(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.logs._MOST_LINES", 50)
    reader, end = pipe
    writer, before = LineWriter(os.dup(end)), dropped_lines()
    with capture_logs() as logs:
        started = time.monotonic()
        for _ in range(200):
            writer.write(LINE)
        assert time.monotonic() - started < 10
        dropped = dropped_lines() - before
        assert 140 <= dropped <= 150
        read = 0
        # More than once where the writer had its turn in between.
        while sum(log["lines"] for log in logs) < dropped or read < 200 - dropped:
            read += os.read(reader, 65536).count(b"\n")
    assert {log["event"] for log in logs} == {"Log lines dropped, their reader is too slow"}
    assert {log["log_level"] for log in logs} == {"warning"}
    assert sum(log["lines"] for log in logs) == dropped
    assert read == 200 - dropped
    writer.close()


def test_the_end_does_not_wait_for_a_reader(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.logs._FAREWELL_SECONDS", 0.1)
    writer = LineWriter(os.dup(pipe[1]))
    for _ in range(20):
        writer.write(LINE)
    closing = threading.Thread(target=writer.close)
    closing.start()
    closing.join(10)
    assert not closing.is_alive()


def test_the_end_waits_for_the_last_lines(pipe: tuple[int, int]) -> None:
    reader, end = pipe
    writer = LineWriter(os.dup(end))
    for number in range(3):
        writer.write(f"{number}\n")
    writer.close()
    assert os.read(reader, 100) == b"0\n1\n2\n"
    before = dropped_lines()
    writer.write("late\n")
    assert dropped_lines() == before + 1


def test_a_reader_that_is_gone_is_no_error(pipe: tuple[int, int]) -> None:
    reader, end = pipe
    writer, before = LineWriter(os.dup(end)), dropped_lines()
    os.close(reader)
    writer.write(LINE)
    writer.close()
    assert dropped_lines() == before + 1


def test_without_a_thread_for_them_lines_are_written_all_the_same(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    reader, writer = pipe
    os.set_blocking(reader, False)
    lines = LineWriter(writer)
    lines.write("why nothing works\n")
    assert os.read(reader, 100) == b"why nothing works\n"
    lines.close()


def test_a_line_that_was_cut_by_a_full_disk_is_not_continued_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "log"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with path.open("wb") as file:
        writer = LineWriter(os.dup(file.fileno()))
        resource.setrlimit(resource.RLIMIT_FSIZE, (6, hard))
        try:
            assert not writer._write(b"cut here\n")
            assert not writer._write(b"lost\n")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert writer._write(b"whole\n")
        assert writer._write(b"next\n")
        writer.close()
    assert path.read_text() == "cut he\nwhole\nnext\n"
