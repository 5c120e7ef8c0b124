"""HTTP/1.1 of the simulator: requests as they are read, and answers as they are written."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import parse_qsl

_REQUEST_LINE = re.compile(r"([A-Z]+) (\S+) HTTP/1\.[01]")


@dataclass(frozen=True, slots=True)
class Request:
    """One request; header names are in lower case, ``query`` holds the last of equal names."""

    method: str
    target: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]

    def to(self, target: str) -> Request:
        """Return the same request for another path and query."""
        path, _, query = target.partition("?")
        words = dict(parse_qsl(query, keep_blank_values=True))
        return Request(self.method, target, path, words, self.headers)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; ``wire`` is all of it in bytes, with its ``Content-Length``."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    wire: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "wire", self.head() + self.body)

    def head(self, *extra: tuple[str, str]) -> bytes:
        """Return the head; an extra header takes the place of the one with its name."""
        try:
            reason = HTTPStatus(self.status).phrase
        except ValueError:
            reason = ""
        headers = {"Content-Length": str(len(self.body))} if self.status != 204 else {}
        lines = {**headers, **dict(self.headers), **dict(extra)}
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
        return f"HTTP/1.1 {self.status} {reason}\r\n{text}\r\n".encode("latin-1")


def json_answer(status: int, document: object, *headers: tuple[str, str]) -> Answer:
    """Return an answer as Django REST Framework renders it."""
    body = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    return Answer(status, (("Content-Type", "application/json"), *headers), body)


def html_answer(status: int, title: str, *headers: tuple[str, str]) -> Answer:
    """Return a page as Django, or a gateway in front of it, writes one."""
    page = f"<!doctype html>\n<html><head><title>{title}</title></head><body>{title}</body></html>"
    return Answer(status, (("Content-Type", "text/html; charset=utf-8"), *headers), page.encode())


@lru_cache(maxsize=10_000)
def parse_request(head: bytes) -> Request | None:
    """Return the request in a head up to its empty line, or None if that is not HTTP.

    Clients send the same few heads again and again, so these are cached.
    """
    first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    match = _REQUEST_LINE.fullmatch(first)
    if match is None or not all(":" in line for line in lines):
        return None
    method, target = match.groups()
    pairs = (line.split(":", 1) for line in lines)
    headers = {name.strip().lower(): value.strip() for name, value in pairs}
    if not headers.get("content-length", "0").isdecimal():
        return None
    return Request(method, "", "", {}, headers).to(target)
