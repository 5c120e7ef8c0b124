from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Protocol

import pytest

from exporter.web.app import Reload
from exporter.web.follow import FollowedWebFile
from exporter.web.server.protocol import Limits
from tests.integration.web.web_fixtures import FakeRuntime, Running, running


class Serve(Protocol):
    def __call__(
        self,
        *addresses: str,
        runtime: FakeRuntime | None = None,
        max_requests: int = 40,
        limits: Limits | None = None,
        web_file: FollowedWebFile | None = None,
        reload: Reload | None = None,
    ) -> Running: ...


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start servers that are stopped when the test ends."""
    with contextlib.ExitStack() as stack:

        def start(
            *addresses: str,
            runtime: FakeRuntime | None = None,
            max_requests: int = 40,
            limits: Limits | None = None,
            web_file: FollowedWebFile | None = None,
            reload: Reload | None = None,
        ) -> Running:
            return stack.enter_context(
                running(
                    runtime or FakeRuntime(),
                    *addresses,
                    max_requests=max_requests,
                    limits=limits,
                    web_file=web_file,
                    reload=reload,
                )
            )

        yield start
