from __future__ import annotations

from pathlib import Path

from exporter.web.protocol import Limits


def test_the_documented_limits_are_those_in_force() -> None:
    text = (Path(__file__).parents[3] / "docs/http.md").read_text(encoding="utf-8")
    limits = Limits()
    for cell in (
        f"| {limits.request_seconds:g} s and {limits.head_bytes // 1024} KiB |",
        f"| {limits.request_seconds:g} s after the answer |",
        f"| {limits.reader_seconds:g} s for each 64 KiB |",
        f"| clients that are behind with reading | {limits.slow_readers} |",
        f"| the TLS handshake | {limits.handshake_seconds:g} s |",
        f"| {limits.idle_seconds} s, more than Prometheus keeps one |",
        f"| connections | {limits.connections} |",
    ):
        assert cell in text
