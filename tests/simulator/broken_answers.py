"""Faults of the answer: well sent, but not what the API should say."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from time import time
from typing import Any
from urllib.parse import urlencode

from exporter.simulator.server import Exchange
from exporter.simulator.wire import Answer, html_answer, json_answer


def in_a_minute() -> str:
    """Return the HTTP date of a minute from now."""
    return formatdate(time() + 60, usegmt=True)


def status(
    exchange: Exchange,
    *,
    code: int = 500,
    body: str = "json",
    retry_after: str | Callable[[], str] = "",
) -> Answer:
    """Answer another status; the body is ``json``, ``html``, the true ``answer``, or that text."""
    wait = retry_after if isinstance(retry_after, str) else retry_after()
    headers = (("Retry-After", wait),) if wait else ()
    match body:
        case "json":
            return json_answer(code, {"detail": "A simulated failure."}, *headers)
        case "html":
            return html_answer(code, f"{code} simulated failure", *headers)
        case "answer":
            return replace(exchange.answer, status=code)
    return Answer(code, (("Content-Type", "text/plain"), *headers), body.encode())


def redirect(exchange: Exchange, *, location: str = "{target}", code: int = 302) -> Answer:
    """Send the client elsewhere; ``{host}`` and ``{target}`` stand for what it asked."""
    request = exchange.request
    place = location.format(host=request.headers.get("host", ""), target=request.target)
    return html_answer(code, "Moved", ("Location", place))


def add_headers(
    exchange: Exchange, *, name: str = "X-Fault", number: int = 1, value: str = "x"
) -> Answer:
    """Add headers of about this name to the true answer."""
    added = ((name if number == 1 else f"{name}-{index}", value) for index in range(number))
    return replace(exchange.answer, headers=(*exchange.answer.headers, *added))


def page(exchange: Exchange, *, body: bytes, content_type: str = "application/json") -> Answer:  # noqa: ARG001 - every fault is given it
    """Answer 200 with this body."""
    return Answer(200, (("Content-Type", content_type),), body)


def fields(exchange: Exchange, **texts: str | None) -> Answer:
    """Give fields of the true answer another value, a JSON text, or leave them out (None)."""
    true = {name: json.dumps(value) for name, value in _document(exchange.answer).items()}
    written = {name: text for name, text in {**true, **texts}.items() if text is not None}
    body = ",".join(f'"{name}":{text}' for name, text in written.items())
    return page(exchange, body=f"{{{body}}}".encode())


def rows(exchange: Exchange, **values: object) -> Answer:
    """Give each row these values; a row is made up where there was none."""
    document = _document(exchange.answer)
    rows = [{**row, **values} for row in document["results"] or [{}]]
    return json_answer(200, {**document, "count": max(document["count"], 1), "results": rows})


def of_everybody(exchange: Exchange) -> Answer:
    """Give the answer to another request: for one agent of the whole account."""
    return exchange.ask(f"{exchange.request.path}?page_size=1")


def page_loop(exchange: Exchange) -> Answer:
    """Give the first page whichever is asked for, and always a next one."""
    request = exchange.request
    query = {name: value for name, value in request.query.items() if name != "page"}
    first = _document(exchange.ask(f"{request.path}?{urlencode(query)}"))
    number = int(request.query.get("page", "1")) + 1
    link = f"{request.path}?{urlencode({**query, 'page': number})}"
    return json_answer(200, {**first, "next": f"http://{request.headers.get('host', '')}{link}"})


def edit(
    exchange: Exchange, *, change: Callable[[bytes], bytes], content_encoding: str = ""
) -> Answer:
    """Change the bytes of the true answer's body."""
    answer = exchange.answer
    added = (("Content-Encoding", content_encoding),) if content_encoding else ()
    return replace(answer, headers=(*answer.headers, *added), body=change(answer.body))


def insert(text: bytes) -> Callable[[bytes], bytes]:
    """Return a change that adds members to a JSON object, after those that it has."""
    return lambda body: body[:-1] + b"," + text + b"}"


def cut_gzip(body: bytes) -> bytes:
    """Return the first half of the compressed body."""
    whole = gzip.compress(body)
    return whole[: len(whole) // 2]


def _document(answer: Answer) -> dict[str, Any]:
    document: object = json.loads(answer.body) if answer.status == 200 else None
    if isinstance(document, dict) and "results" in document:
        return document
    return {"count": 0, "next": None, "previous": None, "results": []}
