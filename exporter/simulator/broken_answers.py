"""Faults of the answer: whole and well sent, but not what the API should say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exporter.simulator.messages import Answer, html_answer, json_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from exporter.simulator.wire import Exchange


def status(
    exchange: Exchange,  # noqa: ARG001 - every fault is given it
    *,
    code: int = 500,
    body: str = "json",
    retry_after: str | Callable[[], str] = "",
) -> Answer:
    """Answer another status, with a body of ``json``, ``html`` or that very text."""
    wait = retry_after if isinstance(retry_after, str) else retry_after()
    headers = (("Retry-After", wait),) if wait else ()
    if body == "json":
        return json_answer(code, {"detail": "A simulated failure."}, *headers)
    if body == "html":
        return html_answer(code, f"{code} simulated failure", *headers)
    return Answer(code, (("Content-Type", "text/plain"), *headers), body.encode())
