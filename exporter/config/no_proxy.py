"""Hosts that are reached without the environment's proxy."""

from __future__ import annotations

import ipaddress
import re
from typing import TypeAlias

Ip: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"


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
