from __future__ import annotations

import gzip
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from structlog.testing import capture_logs

from tests.integration.web.conftest import Serve
from tests.integration.web.web_fixtures import FakeRuntime, read_answer


def test_metrics_are_scraped_for_each_request(serve: Serve) -> None:
    web = serve()
    for _ in range(2):
        answer = web.get("/metrics")
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert answer.headers["Vary"] == "Accept, Accept-Encoding"
        assert 'calltools_queue_up{queue="queue 2"} 2.0\n' in answer.text
    assert [asked[:2] for asked in web.runtime.asked] == [(None, False)] * 2


def test_the_format_and_gzip_are_negotiated(serve: Serve) -> None:
    web = serve(runtime=FakeRuntime(series=100))
    answer = web.get("/metrics", Accept="application/openmetrics-text", Accept_Encoding="gzip")
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.text.endswith("# EOF\n")
    assert "Content-Encoding" not in web.get("/metrics", Accept_Encoding="gzip;q=0").headers
    assert web.get("/metrics", Accept="text/plain;version=abc").status_code == 200


def test_several_accept_headers_count_as_one(serve: Serve) -> None:
    web = serve()
    with web.connect() as client:
        client.sendall(
            b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: text/plain;q=0.1\r\n"
            b"Accept: application/openmetrics-text\r\n\r\n"
        )
        assert b"application/openmetrics-text" in read_answer(client)


def test_small_pages_are_not_compressed(serve: Serve) -> None:
    web = serve(runtime=FakeRuntime(series=1))
    assert "Content-Encoding" not in web.get("/metrics", Accept_Encoding="gzip").headers


def test_head_has_the_headers_of_get_and_no_body(serve: Serve) -> None:
    web = serve()
    got = web.get("/metrics", Accept_Encoding="identity")
    with web.connect() as client:
        # A second request on the same connection shows that no body followed the head.
        for _ in range(2):
            client.sendall(b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            head = client.recv(65536)
            assert head.startswith(b"HTTP/1.1 200 ")
            assert b"content-length: %d\r\n" % len(got.content) in head
            assert head.endswith(b"\r\n\r\n")


def test_an_account_and_the_exporter_alone(serve: Serve) -> None:
    web = serve()
    assert web.get("/metrics?account=acme").status_code == 200
    assert web.get("/metrics?collect[]=exporter").status_code == 200
    assert web.get("/metrics?collect%5B%5D=exporter&collect[]=exporter").status_code == 200
    assert web.get("/metrics?page=2").status_code == 200
    assert [asked[:2] for asked in web.runtime.asked] == [
        ("acme", False),
        (None, True),
        (None, True),
        (None, False),
    ]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/metrics?account=acne", "account 'acne' is not configured; did you mean 'acme'?\n"),
        ("/metrics?account=a%0Ab", "account 'a\\nb' is not configured\n"),
        ("/metrics?account=", "account '' is not configured\n"),
        ("/metrics?account=acme&account=b", "account is given more than once"),
        ("/metrics?collect[]=queues", "found an unknown collect[], expected 'exporter'"),
    ],
)
def test_bad_questions_are_told_so(serve: Serve, path: str, words: str) -> None:
    answer = serve().get(path)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.text.startswith(words)


def test_unknown_paths_and_methods(serve: Serve) -> None:
    web = serve()
    for path in ("/metric", "/metrics/", "/%00", "/../etc/passwd", "/-/"):
        answer = web.get(path)
        assert (answer.status_code, answer.text) == (404, "404 Not Found\n")
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"):
        answer = requests.request(method, web.url + "/metrics", data=b"x" * 5000, timeout=20)
        assert (answer.status_code, answer.text) == (405, "405 Method Not Allowed\n")
        assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD"}
    assert web.runtime.asked == []


def test_health_and_readiness(serve: Serve) -> None:
    web = serve()
    assert web.get("/-/healthy").status_code == 200
    assert web.get("/-/ready").status_code == 200
    assert requests.head(web.url + "/-/ready", timeout=20).status_code == 200
    assert web.runtime.asked == []


def test_the_home_page_links_to_the_metrics(serve: Serve) -> None:
    web = serve()
    answer = web.get("/")
    assert answer.status_code == 200
    assert '<a href="metrics">' in answer.text
    assert "server" not in answer.headers


def test_a_fault_of_ours_is_a_500_and_ends_nothing(serve: Serve) -> None:
    web = serve(runtime=FakeRuntime(error=RuntimeError("a fault")))
    with capture_logs() as logs:
        answer = web.get("/metrics")
    assert answer.status_code == 500
    assert "a fault" not in answer.text
    assert [entry["event"] for entry in logs] == ["Internal error during a scrape"]
    web.runtime.error = None
    assert web.get("/metrics").status_code == 200


@pytest.mark.parametrize(
    ("timeout", "least", "most"),
    [
        ("10", 8.5, 9.5),
        ("0.4", 0.1, 0.2),
        ("nan", 8.5, 9),
        ("1e999", 8.5, 9),
        ("a", 8.5, 9),
        ("7200", 119, 120),
    ],
)
def test_the_budget_comes_from_the_header(
    serve: Serve, timeout: str, least: float, most: float
) -> None:
    web = serve()
    assert web.get("/metrics", X_Prometheus_Scrape_Timeout_Seconds=timeout).status_code == 200
    ((_, _, budget),) = web.runtime.asked
    assert least <= budget <= most


def test_what_the_last_rendering_took_is_taken_off(serve: Serve) -> None:
    web = serve(runtime=FakeRuntime(series=20_000))
    for _ in range(2):
        web.get("/metrics", X_Prometheus_Scrape_Timeout_Seconds="10", Accept_Encoding="gzip")
    web.get("/metrics?collect[]=exporter", X_Prometheus_Scrape_Timeout_Seconds="10")
    first, second, other = (budget for _, _, budget in web.runtime.asked)
    assert first > second + 0.02
    assert other > second + 0.02


def test_so_many_requests_are_worked_on_and_more_wait(serve: Serve) -> None:
    runtime = FakeRuntime(gate=threading.Event())
    web = serve(runtime=runtime, max_requests=3)
    with ThreadPoolExecutor(9) as clients:
        # Each of another kind, or they would share pages.
        answers = [
            clients.submit(web.get, path, Accept=accept, X_Prometheus_Scrape_Timeout_Seconds="20")
            for path in ("/metrics", "/metrics?account=acme", "/metrics?collect[]=exporter")
            for accept in ("text/plain", "text/plain;version=1.0.0", "application/openmetrics-text")
        ]
        for _ in range(3):
            assert runtime.entered.acquire(timeout=20)
        # Health needs no turn, and who finds none within the budget is told so.
        assert web.get("/-/healthy").status_code == 200
        assert web.get("/-/ready").status_code == 200
        late = web.get("/metrics", X_Prometheus_Scrape_Timeout_Seconds="0.2")
        assert late.status_code == 503
        assert "too many scrapes in progress" in late.text
        assert runtime.gate
        runtime.gate.set()
        assert {answer.result().status_code for answer in answers} == {200}
    assert runtime.most_in_work == 3


def test_waiting_for_a_turn_is_part_of_the_budget(serve: Serve) -> None:
    runtime = FakeRuntime(gate=threading.Event())
    web = serve(runtime=runtime, max_requests=1)
    with ThreadPoolExecutor(2) as clients:
        first = clients.submit(web.get, "/metrics")
        assert runtime.entered.acquire(timeout=20)
        second = clients.submit(web.get, "/metrics", X_Prometheus_Scrape_Timeout_Seconds="10")
        threading.Event().wait(0.5)
        assert runtime.gate
        runtime.gate.set()
        assert first.result().status_code == second.result().status_code == 200
    assert 0 < runtime.asked[1][2] < 9.2


def test_a_client_that_leaves_spoils_nothing(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = FakeRuntime(gate=threading.Event(), series=5000)
    web = serve(runtime=runtime, max_requests=2)
    for _ in range(4):
        with web.connect() as client:
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    assert runtime.entered.acquire(timeout=20)
    assert runtime.gate
    runtime.gate.set()
    assert web.get("/metrics").status_code == 200
    assert caplog.text == ""


def test_answers_on_a_kept_connection_wait_for_nothing(serve: Serve) -> None:
    web = serve()
    with web.connect() as client:
        seconds = []
        for _ in range(21):
            started = time.monotonic()
            client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            read_answer(client)
            seconds.append(time.monotonic() - started)
    # Where Nagle's algorithm waits for a delayed acknowledgement it is 0.04 s.
    assert statistics.median(seconds) < 0.03


def test_a_gzipped_page_is_the_page(serve: Serve) -> None:
    web = serve(runtime=FakeRuntime(series=5000))
    plain = web.get("/metrics", Accept_Encoding="identity").content
    with web.connect() as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n")
        _, _, body = read_answer(client).partition(b"\r\n\r\n")
    assert gzip.decompress(body) == plain
