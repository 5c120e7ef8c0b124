"""`demo` needs nothing."""

from __future__ import annotations

import re
import signal
import socket
import time

from tests.process_fixtures import (
    RunMain,
    StartCommand,
)

ANYWHERE = "--web.listen-address=127.0.0.1:0"


def test_the_demo_needs_nothing_and_says_what_to_open(start_command: StartCommand) -> None:
    demo = start_command("demo", ANYWHERE)
    written = demo.written()
    assert f"Open {demo.url}/ in a browser. Prometheus can scrape /metrics there." in written
    (question,) = re.findall(r"/available\S+", written)
    assert demo.get(question).json()["can_take_call"] in {True, False}
    page = demo.get("/metrics").text
    for queue in ("sales", "support", "retention"):
        assert f"{queue}" in written
        assert f'calltools_queue_available_agents{{account="demo",queue="{queue}"}}' in page
    assert 'calltools_queue_up{account="demo",queue="billing"} 0.0' in page
    assert 'calltools_queue_failure{account="demo",code="503",queue="billing"} 1.0' in page
    assert 'available_agents{account="demo",queue="billing"}' not in page
    assert demo.stop() == 0


def test_the_demo_shows_its_queues_before_anybody_scrapes_it(start_command: StartCommand) -> None:
    demo = start_command("demo", ANYWHERE)
    deadline = time.monotonic() + 20
    while "billing" not in (seen := demo.get("/").text) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert all(queue in seen for queue in ("sales", "support", "retention", "billing"))


def test_the_demo_ends_with_its_terminal(start_command: StartCommand) -> None:
    """It reloaded its configuration, which it does not have, and kept the port."""
    demo = start_command("demo", ANYWHERE)
    demo.process.send_signal(signal.SIGHUP)
    assert demo.process.wait(20) == 0


def test_the_demo_listens_on_loopback_unless_it_is_told_otherwise(run_main: RunMain) -> None:
    assert "default: 127.0.0.1:15457]" in " ".join(run_main("demo", "--help").out.split())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        said = run_main("demo", CALLTOOLS_EXPORTER_WEB_LISTEN_ADDRESS=address)
    assert "; choose another with --web.listen-address=127.0.0.1:15458\n" in said.err
    assert said.code == 1
    assert said.err.startswith(
        f"calltools-exporter: cannot listen on '{address}': the port is already in use"
    )
