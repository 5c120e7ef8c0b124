"""A process that may open few files still answers, and says so once."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from structlog.testing import capture_logs

from exporter.web.server.process import ShortageLog
from tests.integration.web.web_fixtures import require_files
from tests.process_fixtures import ENVIRON

PROGRAM = Path(__file__).with_name("serving.py")
ROOT = PROGRAM.parents[3]
LIMIT = "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, ({0}, {0}))"
COUNT = "from exporter.web.server.process import connection_limit as c; print(c({1}))"


@pytest.mark.parametrize(
    ("files", "api", "clients"),
    [(64, 256, 32), (1024, 256, 736), (1024, 900, 512), (4096, 256, 2048), (20_000, 256, 2048)],
)
def test_clients_leave_descriptors_for_the_api(files: int, api: int, clients: int) -> None:
    require_files(files)
    program = f"{LIMIT}\n{COUNT}".format(files, api)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert int(done.stdout) == clients


def test_connections_that_are_opened_ahead_leave_files_for_the_server(tmp_path: Path) -> None:
    """The kind: what is done early takes what the start needs later; the process ended."""
    program = (
        f"{LIMIT.format(40)}\nimport sys; from exporter.cli.run import main\n"
        "sys.exit(main(['--config.file=exporter.yml', '--web.listen-address=127.0.0.1:0']))"
    )
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silo:
        account = {
            "name": "acme",
            "url": f"http://127.0.0.1:{silo.getsockname()[1]}",
            "token_env": "CALLTOOLS_TOKEN",
            "available_status": 1,
            "queues": [*range(1, 41)],
            "max_parallel_requests": 40,
        }
        (tmp_path / "exporter.yml").write_text(json.dumps({"accounts": [account]}))
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=tmp_path,
            env={**ENVIRON, "CALLTOOLS_TOKEN": "key"},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stderr is not None
            (url,) = re.findall(r"http://[0-9.:]+", process.stderr.readline())
            assert requests.get(f"{url}/-/healthy", timeout=10).status_code == 200
        finally:
            process.kill()
            process.communicate()


def test_silent_clients_take_no_page_where_files_are_few() -> None:
    program = f"{LIMIT.format(64)}\nimport runpy, sys; sys.argv = ['serving.py', '0', '1']\n"
    program += f"runpy.run_path({str(PROGRAM)!r}, run_name='__main__')"
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    with process, contextlib.ExitStack() as stack:
        stack.callback(process.kill)
        assert process.stdout
        assert process.stderr
        url = process.stdout.readline().strip()
        port = int(url.rstrip("/").rpartition(":")[2])
        for _ in range(150):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
        started = time.monotonic()
        for _ in range(10):
            assert requests.get(url + "metrics", timeout=20).status_code == 200
        # Without room for them it was 26 s, until the silent ones were dropped.
        assert time.monotonic() - started < 20
        process.terminate()
        assert process.stderr.read() == ""


def test_a_shortage_is_logged_once() -> None:
    handler, loop = ShortageLog(), asyncio.new_event_loop()
    shortage = {"message": "socket.accept() out of system resource"}
    with capture_logs() as logs:
        for code in (errno.EMFILE, errno.ENFILE, errno.EMFILE):
            handler(loop, {**shortage, "exception": OSError(code, os.strerror(code))})
    loop.close()
    (entry,) = logs
    assert entry["event"] == "Cannot accept connections, raise the limit of open files"
    assert entry["reason"] == "Too many open files"
    assert isinstance(entry["limit"], int)


def test_other_faults_are_reported_as_usual(caplog: pytest.LogCaptureFixture) -> None:
    loop = asyncio.new_event_loop()
    ShortageLog()(loop, {"message": "a fault", "exception": OSError(errno.EIO, "no disk")})
    loop.close()
    assert "a fault" in caplog.text
