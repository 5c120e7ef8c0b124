"""The URLs of a configuration: of accounts, and of proxies and the hosts reached without one."""

import functools
import ipaddress
import re
import unicodedata
from collections.abc import Mapping
from typing import TypeAlias
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

Ip: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
_EXAMPLE = "https://east-2.calltools.io"


@functools.lru_cache(maxsize=4096)  # each is parsed more than once
def parse_account_url(text: str) -> str:
    """Return scheme, host and port of the URL that people log in to.

    Raises:
        ValueError: it is invalid; the message says why, and never shows a password.
    """
    parts = _split(text, f"expected the URL you log in to, such as {_EXAMPLE}")
    host, address = _host(parts), _address(parts)
    if host == "calltools.com" or host.endswith(".calltools.com"):
        raise ValueError(
            f"found {host}, which has no accounts; expected the host you log in to, under"
            f" calltools.io, such as {_EXAMPLE}"
        )
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(
            f"found more than a host; expected {address} alone, as the exporter adds the path"
            " itself"
        )
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"found a user or password in the URL; expected {address} alone")
    return address


def account_name(address: str) -> str:
    """Return the default name of an account: its host's first label, the silo, or its address."""
    host = urlsplit(address).hostname or ""
    return host if re.fullmatch(r"[0-9.]+|.*:.*", host) else host.partition(".")[0]


def is_loopback(address: str) -> bool:
    """Return whether an origin is this machine, where plain HTTP shows the key to nobody."""
    host = urlsplit(address).hostname or ""
    if (ip := _ip(host)) is not None:
        return ip.is_loopback
    return host == "localhost" or host.endswith(".localhost")


def parse_proxy_url(text: str) -> str:
    """Return the URL of a proxy, checked.

    Raises:
        ValueError: it is invalid; the message never shows its password.
    """
    wanted = "expected the URL of an HTTP proxy, such as http://proxy:3128"
    parts = _split(text, wanted)
    _host(parts)
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError(f"found more than a host and a port; {wanted}")
    for part, name in ((parts.username, "user"), (parts.password, "password")):
        if not _is_readable(part or ""):
            raise ValueError(
                f"found a {name} that cannot be sent; expected UTF-8 without control characters,"
                " with %XX for characters that a URL cannot hold"
            )
    return text.rstrip("/")


def _is_readable(part: str) -> bool:
    if re.search("%(?![0-9a-fA-F]{2})", part):
        return False
    try:
        text = unquote_to_bytes(part).decode("utf-8")
    except UnicodeError:
        return False
    return not any(unicodedata.category(character) == "Cc" for character in text)


def environment_proxy(address: str, environ: Mapping[str, str]) -> tuple[str, str] | None:
    """Return the variable that names a proxy for an origin, and its value; None for no proxy.

    The variables are those of curl and requests: lower case wins, ``no_proxy`` lists exceptions.
    This machine is never reached through a proxy: the key would leave it unencrypted.
    """
    parts = urlsplit(address)
    scheme, host = parts.scheme, parts.hostname or ""
    names = (f"{scheme}_proxy", f"{scheme.upper()}_PROXY", "all_proxy", "ALL_PROXY")
    name = next((name for name in names if environ.get(name)), None)
    exceptions = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    if name is None or is_loopback(address):
        return None
    if is_excepted(host, parts.port or _PORTS[scheme], exceptions):
        return None
    value = environ[name]
    return name, value if "://" in value else f"http://{value}"


def _split(text: str, wanted: str) -> SplitResult:
    try:
        parts = urlsplit(text if re.fullmatch(r"\S{1,1000}", text) else "")
        port = parts.port
    except ValueError:
        raise ValueError(f"found an invalid URL; {wanted}") from None
    if parts.scheme not in _PORTS or not parts.netloc:
        raise ValueError(f"found no http:// or https:// in front; {wanted}")
    if port == 0:
        raise ValueError(f"found the port 0; {wanted}")
    return parts


def _host(parts: SplitResult) -> str:
    host = (parts.hostname or "").removesuffix(".")
    if not _HOST.fullmatch(host):
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            message = f"found no host name in {parts.netloc.rpartition('@')[2]!r}"
            raise ValueError(f"{message}, expected one such as east-2.calltools.io") from None
    return host


def _address(parts: SplitResult) -> str:
    host = _host(parts)
    bracketed = f"[{host}]" if ":" in host else host
    default = parts.port in {None, _PORTS[parts.scheme]}
    return f"{parts.scheme}://{bracketed}" + ("" if default else f":{parts.port}")


def is_excepted(host: str, port: int, exceptions: str) -> bool:
    """Return whether ``no_proxy`` excepts a host.

    It is read like Go's `httpproxy`, which Prometheus uses: ``*`` is every host; a name is the host
    and those below it, with a leading dot or ``*.`` only those below; an address or a network is
    itself, and ``:port`` narrows each to one port. Blanks separate like commas.
    """
    host = host.lower().rstrip(".")
    address = _ip(host)
    return any(
        _matches(entry, host, port, address)
        for entry in re.split(r"[,\s]+", exceptions.lower())
        if entry
    )


def _matches(entry: str, host: str, port: int, address: Ip | None) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        return address is not None and _is_in(address, entry)
    name, only_port = _split_port(entry)
    if only_port not in {None, port}:
        return False
    excepted = _ip(name)
    if excepted is not None or address is not None:
        return excepted == address
    if name.startswith((".", "*.")):
        return host.endswith(name.removeprefix("*"))
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _split_port(entry: str) -> tuple[str, int | None]:
    """Return a name or address, and its port where one is given."""
    found = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::([0-9]{1,5}))?", entry)
    if found is None:  # an IPv6 address without brackets
        return entry, None
    return found[1].strip("[]").rstrip("."), int(found[2]) if found[2] else None


def _is_in(address: Ip, network: str) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _ip(text: str) -> Ip | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(found, "ipv4_mapped", None)
    return mapped or found
