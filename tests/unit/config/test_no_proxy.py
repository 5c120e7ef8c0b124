"""`no_proxy` is read as Go's httpproxy reads it, as everything around Prometheus does."""

from __future__ import annotations

import pytest

from exporter.config.urls import is_excepted

HOST = "east-2.calltools.io"


@pytest.mark.parametrize(
    ("exceptions", "host", "excepted"),
    [
        ("", HOST, False),
        (",, ,", HOST, False),
        ("*", HOST, True),
        ("calltools.io", HOST, True),
        ("calltools.io", "calltools.io", True),
        ("calltools.io", "notcalltools.io", False),
        (".calltools.io", HOST, True),
        (".calltools.io", "calltools.io", False),
        ("*.calltools.io", HOST, True),
        ("*.calltools.io", "calltools.io", False),
        ("*.calltools.io", "notcalltools.io", False),
        ("EAST-2.CallTools.IO.", HOST, True),
        (HOST, "East-2.calltools.io.", True),
        (" example.org ,\t calltools.io ", HOST, True),
        ("example.org calltools.io", HOST, True),
        ("east-2.calltools.io:443", HOST, True),
        ("east-2.calltools.io:8443", HOST, False),
        (".calltools.io:443", HOST, True),
        ("*.calltools.io:80", HOST, False),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.0.0.0/8", HOST, False),
        ("10.0.0.1/8", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3:443", "10.1.2.3", True),
        ("10.1.2.3:80", "10.1.2.3", False),
        ("2.3", "10.1.2.3", False),
        ("fd00::/8", "fd12::1", True),
        ("fd00::/8", "fe80::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("fd12::1", "fd12::1", True),
        ("fd12:0::1", "fd12::1", True),
        ("[fd12::1]", "fd12::1", True),
        ("[fd12::1]:443", "fd12::1", True),
        ("[fd12::1]:80", "fd12::1", False),
        ("nonsense/99", "10.1.2.3", False),
        ("a:b:c", HOST, False),
        (":443", HOST, False),
        (".", HOST, False),
        ("*.", HOST, False),
    ],
)
def test_hosts_are_excepted(exceptions: str, host: str, excepted: bool) -> None:
    assert is_excepted(host, 443, exceptions) is excepted
