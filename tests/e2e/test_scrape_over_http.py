"""What a real Prometheus asks for is what it gets, and what it gets it understands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bcrypt
import pytest
import trustme

from exporter.web.exposition import choose_format
from exporter.web.follow import FollowedWebFile
from tests.e2e.conftest import StartsPrometheus
from tests.integration.web.web_fixtures import FakeRuntime, running

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping="


def scraping(url: str, **job: Any) -> dict[str, Any]:
    scheme, _, address = url.partition("://")
    usual = {"job_name": "web", "scheme": scheme, "static_configs": [{"targets": [address]}]}
    return {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s"},
        "scrape_configs": [usual | job],
    }


@pytest.mark.matrix
@pytest.mark.parametrize("flags", [(), ("--enable-feature=native-histograms",)])
def test_the_format_that_prometheus_likes_best_is_negotiated(
    prometheus: StartsPrometheus, flags: tuple[str, ...]
) -> None:
    with running(FakeRuntime(series=200)) as web:
        server = prometheus(scraping(web.url), *flags)
        (series,) = server.wait_for('calltools_queue_up{queue="queue 199"}')
        assert series.value == 199
        (up,) = server.query("up")
        assert up.value == 1
    asked, answered = web.answers[0]
    assert answered["Content-Type"].startswith(OPENMETRICS)
    assert answered["Content-Type"] == choose_format(asked["Accept"]).content_type
    assert answered["Content-Encoding"] == "gzip"
    assert asked["X-Prometheus-Scrape-Timeout-Seconds"].startswith("1")
    assert 0.3 < web.runtime.asked[0][2] <= 0.5


@pytest.mark.matrix
def test_prometheus_comes_with_its_certificate_and_password(
    prometheus: StartsPrometheus, tmp_path: Path
) -> None:
    authority, clients = trustme.CA(), trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    clients.cert_pem.write_to_path(tmp_path / "clients.pem")
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
    own = clients.issue_cert("prometheus")
    own.private_key_and_cert_chain_pem.write_to_path(tmp_path / "prometheus.pem")
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    (tmp_path / "web.yml").write_text(
        "tls_server_config:\n  cert_file: server.pem\n  key_file: server.pem\n"
        "  client_ca_file: clients.pem\n  client_auth_type: RequireAndVerifyClientCert\n"
        f"basic_auth_users:\n  prometheus: {hashed}\n"
    )
    tls_config = {
        "ca_file": str(tmp_path / "ca.pem"),
        "cert_file": str(tmp_path / "prometheus.pem"),
        "key_file": str(tmp_path / "prometheus.pem"),
    }
    with running(FakeRuntime(), web_file=FollowedWebFile(tmp_path / "web.yml")) as web:
        job = {"tls_config": tls_config, "basic_auth": {"username": "prometheus"}}
        wrong = scraping(web.url, **job)
        server = prometheus(wrong)
        server.wait_for("up == 0")
        job["basic_auth"]["password"] = "secret"
        server.reload(scraping(web.url, **job))
        server.wait_for("up == 1")
        assert len(server.query("calltools_queue_up")) == 3
