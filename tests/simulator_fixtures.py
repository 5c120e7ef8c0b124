"""Fixtures around the simulator: certificates, and simulators that end with the test."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import pytest
import trustme

from exporter.simulator import SimulatedAccount
from tests.simulator import Dialect, Simulator


@dataclass(frozen=True)
class TlsAuthority:
    """A certificate authority; `ca_file` is what a client is told to trust."""

    authority: trustme.CA
    ca_file: Path

    @classmethod
    def create(cls, folder: Path) -> TlsAuthority:
        authority = trustme.CA()
        ca_file = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(ca_file))
        return cls(authority, ca_file)

    def server_context(
        self, *names: str, not_before: datetime | None = None, not_after: datetime | None = None
    ) -> ssl.SSLContext:
        """Return a server's side with a certificate for these names, else for loopback."""
        names = names or ("127.0.0.1", "localhost", "::1")
        certificate = self.authority.issue_cert(*names, not_before=not_before, not_after=not_after)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(context)
        return context

    def client_context(self) -> ssl.SSLContext:
        """Return a client's side that trusts this authority alone."""
        return ssl.create_default_context(cafile=str(self.ca_file))


class StartSimulator(Protocol):
    def __call__(
        self,
        *accounts: SimulatedAccount,
        tls: bool | ssl.SSLContext = False,
        latency: float = 0.0,
        dialect: Dialect | None = None,
    ) -> Simulator: ...


@pytest.fixture(scope="session")
def tls_authority(tmp_path_factory: pytest.TempPathFactory) -> TlsAuthority:
    return TlsAuthority.create(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def start_simulator(tls_authority: TlsAuthority) -> Iterator[StartSimulator]:
    with ExitStack() as stack:

        def start(
            *accounts: SimulatedAccount,
            tls: bool | ssl.SSLContext = False,
            latency: float = 0.0,
            dialect: Dialect | None = None,
        ) -> Simulator:
            context = tls_authority.server_context() if tls is True else tls or None
            made = Simulator(*accounts, tls=context, latency=latency, dialect=dialect)
            return stack.enter_context(made)

        yield start
