"""Log lines: their form, their levels, and what they never hold."""

from __future__ import annotations

import json
import logging
import re
from datetime import datetime

import pytest
import structlog

from exporter import logs
from exporter.settings import Secret
from tests.process_fixtures import WriteLogs

FORMATS = ("logfmt", "json")


def fail() -> None:
    raise ValueError("Jane Roe")


def test_logfmt_has_time_level_and_words_first(write_logs: WriteLogs) -> None:
    stream = write_logs("info", "logfmt")
    structlog.get_logger().info("Queue read", queue="a b", available=3, open=True, reason='"x"=1')
    line = stream.getvalue()
    assert line.endswith(
        ' level=info msg="Queue read" queue="a b" available=3 open=true reason="\\"x\\"=1"\n'
    )
    (time,) = re.findall("^ts=(\\S+) ", line)
    assert datetime.fromisoformat(time).tzinfo is not None


def test_json_is_one_object_a_line(write_logs: WriteLogs) -> None:
    stream = write_logs("info", "json")
    structlog.get_logger().warning("one\ntwo", queue="sales")
    structlog.get_logger().error("three")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["level"], first["msg"], first["queue"]) == ("warning", "one\ntwo", "sales")
    assert (second["level"], second["msg"]) == ("error", "three")
    assert datetime.fromisoformat(second["ts"]).tzinfo is not None


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warn", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_a_level_shows_itself_and_above(
    level: str, shown: list[str], write_logs: WriteLogs
) -> None:
    stream = write_logs(level, "json")
    log = structlog.get_logger()
    for say in (log.debug, log.info, log.warning, log.error):
        say("words")
    assert [json.loads(line)["level"] for line in stream.getvalue().splitlines()] == shown


@pytest.mark.parametrize("style", FORMATS)
@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\x0b", "\x85", "\u2028"])
def test_no_text_can_make_a_line_of_its_own(end: str, style: str, write_logs: WriteLogs) -> None:
    stream = write_logs("info", style)
    structlog.get_logger().info(f"words{end}", reason=f"one{end}level=error msg=faked")
    assert len(stream.getvalue().splitlines()) == 1


@pytest.mark.parametrize("style", FORMATS)
def test_no_text_tells_a_terminal_anything(style: str, write_logs: WriteLogs) -> None:
    stream = write_logs("info", style)
    logging.getLogger("library").warning("\x1b[2J\x07 wiped")
    structlog.get_logger().info("words", queue="\x1b]0;title\x07", team="\u202egnp", city="Köln")
    text = stream.getvalue()
    assert text.replace("\n", "").isprintable()
    assert ("Köln" in text) is (style == "logfmt")


@pytest.mark.parametrize("style", FORMATS)
def test_a_key_is_masked_wherever_it_stands(style: str, write_logs: WriteLogs) -> None:
    stream = write_logs("info", style)
    structlog.get_logger().info("words", key=Secret("s3cr3t"), keys=[{"key": Secret("s3cr3t")}])
    assert "Secret(***)" in stream.getvalue()
    assert "s3cr3t" not in stream.getvalue()


def test_an_exception_is_told_by_its_kind_and_place_not_by_its_text(write_logs: WriteLogs) -> None:
    stream = write_logs("info", "json")
    try:
        fail()
    except ValueError:
        structlog.get_logger().exception("a page could not be made")
    told = json.loads(stream.getvalue())
    line = fail.__code__.co_firstlineno + 1
    assert told["exception"] == f"ValueError in tests/unit/test_logs.py:{line}"
    assert "Jane" not in stream.getvalue()


def test_an_exception_that_was_never_raised_is_told_by_its_kind(write_logs: WriteLogs) -> None:
    """As one that was set on a future; it has no place."""
    stream = write_logs("info", "logfmt")
    error = ValueError("secret")
    logging.getLogger("asyncio").error("not retrieved", exc_info=(ValueError, error, None))
    assert stream.getvalue().rstrip().endswith("exception=ValueError")


def test_of_an_exception_in_a_library_our_own_place_is_told(write_logs: WriteLogs) -> None:
    stream = write_logs("info", "json")
    try:
        logs.configure("no such level")
    except KeyError:
        structlog.get_logger().exception("no logs")
    try:
        json.loads("{")
    except ValueError:
        structlog.get_logger().exception("no JSON")
    ours, theirs = map(json.loads, stream.getvalue().splitlines())
    assert re.fullmatch(r"KeyError in exporter/logs\.py:\d+", ours["exception"])
    assert re.fullmatch(r"JSONDecodeError in \S*decoder\.py:\d+", theirs["exception"])


def test_libraries_speak_through_the_same_lines(write_logs: WriteLogs) -> None:
    stream = write_logs("info", "json")
    library = logging.getLogger("some.library")
    library.warning("Invalid %s received.", "request")
    library.debug("not shown")
    try:
        fail()
    except ValueError:
        library.exception("Exception in ASGI application")
    logging.getLogger("urllib3.connectionpool").warning("Connection pool is full: %s", "secret")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["level"], first["msg"]) == ("warning", "Invalid request received.")
    assert first["logger"] == "some.library"
    assert second["exception"].startswith("ValueError in ")
    assert "Jane" not in stream.getvalue()


def test_libraries_are_not_asked_for_debugging(write_logs: WriteLogs) -> None:
    stream = write_logs("debug", "logfmt")
    logging.getLogger("asyncio").debug("Using selector: EpollSelector")
    assert stream.getvalue() == ""


@pytest.mark.usefixtures("restore_logging")
def test_without_a_stream_it_is_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    structlog.get_logger().info("words")
    out, err = capsys.readouterr()
    assert out == ""
    assert "msg=words" in err
