from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Protocol

import pytest

from tests.integration.web.web_fixtures import MadePages, Running, running

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

    from exporter.web.protocol import Limits


class Serve(Protocol):
    def __call__(
        self,
        *addresses: str,
        pages: MadePages | None = None,
        max_requests: int = 40,
        limits: Limits | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> Running: ...


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers that are stopped when the test ends."""
    with contextlib.ExitStack() as stack:

        def start(
            *addresses: str,
            pages: MadePages | None = None,
            max_requests: int = 40,
            limits: Limits | None = None,
            ssl_context: ssl.SSLContext | None = None,
        ) -> Running:
            return stack.enter_context(
                running(
                    pages or MadePages(),
                    *addresses,
                    max_requests=max_requests,
                    limits=limits,
                    ssl_context=ssl_context,
                )
            )

        yield start
