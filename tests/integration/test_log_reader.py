"""A log that nobody reads: no scrape waits for it, and the process ends."""

from __future__ import annotations

import fcntl
import os
import re
import select
import subprocess
from pathlib import Path

import requests

from exporter.simulator import SimulatedAccount
from tests.process_fixtures import PROGRAM, UNTRACED, WriteConfiguration
from tests.simulator import FixedWorld
from tests.simulator_fixtures import StartSimulator

DEBUG = "--log.level=debug"
DROPPED = re.compile(r"^calltools_exporter_dropped_log_lines_total (\S+)$", re.MULTILINE)


def test_a_log_that_nobody_reads_stops_no_scrape(
    start_simulator: StartSimulator, write_configuration: WriteConfiguration, tmp_path: Path
) -> None:
    queues = {number: f"queue-{number}" for number in range(1, 51)}
    path = write_configuration(start_simulator(SimulatedAccount(FixedWorld(queues))), queues)
    reader, log = os.pipe()
    fcntl.fcntl(log, fcntl.F_SETPIPE_SZ, 4096)
    process = subprocess.Popen(
        [*PROGRAM, f"--config.file={path}", "--web.listen-address=127.0.0.1:0", DEBUG],
        cwd=tmp_path,
        env=UNTRACED,
        stderr=log,
    )
    os.close(log)
    try:
        written = ""
        while not (url := re.search(r"http://127\.0\.0\.1:\d+/", written)):
            written += os.read(reader, 4096).decode()
        with requests.Session() as session:
            session.trust_env = False
            dropped = 0.0
            # A line for each queue and scrape, until pipe and queue are full.
            for _ in range(1000):
                page = session.get(f"{url[0]}metrics?account=acme", timeout=20).text
                if (dropped := float(DROPPED.findall(page)[0])) > 0:
                    break
            assert dropped > 0
            while "Log lines dropped" not in written:
                assert select.select([reader], [], [], 20)[0], "what was dropped is not said"
                written = written[-200:] + os.read(reader, 1 << 20).decode(errors="replace")
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        os.close(reader)
