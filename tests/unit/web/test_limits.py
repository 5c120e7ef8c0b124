from __future__ import annotations

from pathlib import Path

from exporter.web.server.protocol import Limits


def test_the_documented_limits_are_those_in_force() -> None:
    text = (Path(__file__).parents[3] / "docs/http.md").read_text(encoding="utf-8")
    limits = Limits()
    assert limits.max_header_fields == 100
    for cell in (
        f"| {limits.read_header_timeout:g} s, {limits.max_header_bytes // 1024} KiB and 100 field",
        f"| {limits.read_header_timeout:g} s after the answer |",
        f"| {limits.write_timeout:g} s for each 64 KiB |",
        f"| clients that are behind with reading | {limits.max_slow_readers} |",
        f"| the TLS handshake | {limits.tls_handshake_timeout:g} s |",
        f"| {limits.idle_timeout} s, more than Prometheus keeps one |",
        f"| connections | {limits.max_connections} |",
    ):
        assert cell in text
