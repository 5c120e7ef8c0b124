from __future__ import annotations

import socket

import pytest
import requests

from exporter.errors import ExporterError
from exporter.web.server.listeners import listen
from tests.integration.web.conftest import Serve


def has_ipv6() -> bool:
    """Return whether there is the address: a kernel with IPv6 may have it switched off."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")


def status(url: str) -> int:
    return requests.get(f"{url}/-/healthy", timeout=20).status_code


def test_several_addresses(serve: Serve) -> None:
    web = serve("127.0.0.1:0", "127.0.0.2:0")
    assert len(web.server.urls) == 2
    assert [status(url.rstrip("/")) for url in web.server.urls] == [200, 200]
    assert web.server.urls[1].startswith("http://127.0.0.2:")


@needs_ipv6
def test_ipv6(serve: Serve) -> None:
    web = serve("[::1]:0")
    assert web.url.startswith("http://[::1]:")
    assert status(web.url) == 200


@needs_ipv6
@pytest.mark.parametrize("address", [":0", "[::]:0"])
def test_every_address_is_both_ipv6_and_ipv4(serve: Serve, address: str) -> None:
    web = serve(address)
    port = web.addresses[0][1]
    assert status(f"http://[::1]:{port}") == status(f"http://127.0.0.1:{port}") == 200
    assert web.server.urls == [f"http://localhost:{port}/"]


def test_ipv4_only(serve: Serve) -> None:
    web = serve("0.0.0.0:0")
    port = web.addresses[0][1]
    assert status(f"http://127.0.0.1:{port}") == 200
    with pytest.raises(OSError):  # noqa: PT011
        socket.create_connection(("::1", port), timeout=5)


def test_every_address_without_ipv6(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    assert status(serve(":0").url) == 200


def test_a_name_stands_for_all_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (name, 0))
        # The second is nobody's: a name may have addresses that a container does not.
        for name in ("127.0.0.1", "192.0.2.1", "127.0.0.3", "127.0.0.1")
    ]
    with monkeypatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", lambda *_, **__: found)
        listeners = listen(["exporter.test:0"])
    names = [listener.getsockname()[0] for listener in listeners]
    for listener in listeners:
        listener.close()
    assert names == ["127.0.0.1", "127.0.0.3"]


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("15457", "expected host:port, :port for every address, or [IPv6 address]:port"),
        ("::1:15457", "expected host:port, :port for every address, or [IPv6 address]:port"),
        ("", "expected host:port, :port for every address, or [IPv6 address]:port"),
        ("localhost:http", "the port is 'http'; expected a number from 0 to 65535"),
        ("localhost:", "the port is ''; expected a number from 0 to 65535"),
        (":65536", "the port is '65536'; expected a number from 0 to 65535"),
        (":²", "the port is '²'; expected a number from 0 to 65535"),
        ("192.0.2.1:0", "this machine does not have that address"),
        ("no-such-host.invalid:0", "that name has no address"),
        ("a..b:0", "that name has no address"),
    ],
)
def test_an_address_that_cannot_be(address: str, reason: str) -> None:
    with pytest.raises(ExporterError) as raised:
        listen([address])
    assert str(raised.value) == f"cannot listen on {address!r}: {reason}"


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "localhost:{}", ":{}", "0.0.0.0:{}"])
def test_a_taken_port_is_one_clear_line_and_keeps_nothing(form: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = form.format(taken.getsockname()[1])
        with pytest.raises(ExporterError) as raised:
            listen(["127.0.0.1:0", address])
    assert str(raised.value) == (
        f"cannot listen on {address!r}: "
        "the port is already in use, by another program or another address given here"
    )


def test_the_same_port_twice() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ExporterError, match="the port is already in use"):
        listen([f"127.0.0.1:{port}", f"0.0.0.0:{port}"])
