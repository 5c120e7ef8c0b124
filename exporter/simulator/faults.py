"""What can go wrong, by name."""

from __future__ import annotations

import gzip
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from exporter.simulator import broken_answers as answers
from exporter.simulator import broken_wires as wires
from exporter.simulator.messages import Answer
from exporter.simulator.wire import Exchange

__all__ = ["FAULTS", "Fault"]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to go wrong: what makes the bytes, and the parameters that its name stands for.

    ``apply`` either returns another answer, which is then sent, or writes to the connection.
    """

    apply: Callable[..., Answer | Awaitable[None]]
    parameters: Mapping[str, object] = field(default_factory=dict)

    async def run(self, exchange: Exchange) -> None:
        """Answer one request in this way."""
        made = self.apply(exchange, **self.parameters)
        if inspect.isawaitable(made):
            await made
        else:
            exchange.connection.send(made)


FAULTS: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        # another status
        "status": Fault(answers.status),
        "status-204": Fault(answers.status, {"code": 204, "body": ""}),
        "status-206": Fault(answers.status, {"code": 206, "body": "answer"}),
        "status-304": Fault(answers.status, {"code": 304, "body": ""}),
        "status-400": Fault(answers.status, {"code": 400}),
        "status-401": Fault(answers.status, {"code": 401}),
        "status-401-html": Fault(answers.status, {"code": 401, "body": "html"}),
        "status-403": Fault(answers.status, {"code": 403}),
        "status-404-html": Fault(answers.status, {"code": 404, "body": "html"}),
        "status-407": Fault(answers.status, {"code": 407, "body": "html"}),
        "status-429": Fault(answers.status, {"code": 429}),
        "status-429-seconds": Fault(answers.status, {"code": 429, "retry_after": "60"}),
        "status-429-date": Fault(answers.status, {"code": 429, "retry_after": answers.in_a_minute}),
        "status-429-rubbish": Fault(answers.status, {"code": 429, "retry_after": "soon"}),
        "status-429-huge": Fault(answers.status, {"code": 429, "retry_after": "9" * 30}),
        "status-500-answer": Fault(answers.status, {"code": 500, "body": "answer"}),
        "status-502-html": Fault(answers.status, {"code": 502, "body": "html"}),
        "status-503-seconds": Fault(answers.status, {"code": 503, "retry_after": "60"}),
        "status-503-date": Fault(answers.status, {"code": 503, "retry_after": answers.in_a_minute}),
        "status-503-rubbish": Fault(answers.status, {"code": 503, "retry_after": "soon"}),
        "status-503-huge": Fault(answers.status, {"code": 503, "retry_after": "9" * 30}),
        "status-504-empty": Fault(answers.status, {"code": 504, "body": ""}),
        "status-530": Fault(answers.status, {"code": 530, "body": "error code: 1016"}),
        "redirect-to-itself": Fault(answers.redirect),
        "redirect-elsewhere": Fault(
            answers.redirect, {"location": "https://elsewhere.invalid{target}"}
        ),
        "redirect-to-http": Fault(answers.redirect, {"location": "http://{host}{target}"}),
        # too late, or never
        "silent": Fault(wires.silent),
        "hang": Fault(wires.hang),
        "drip-head": Fault(wires.drip_head),
        "drip-body": Fault(wires.drip_body),
        "endless-body": Fault(wires.endless_body),
        "endless-continue": Fault(wires.interim, {"times": None, "seconds": 0.1}),
        # cut short, or longer than it says
        "reset": Fault(wires.cut),
        "reset-in-head": Fault(wires.cut, {"after": "head"}),
        "reset-in-body": Fault(wires.cut, {"after": "body"}),
        "close": Fault(wires.cut, {"reset": False}),
        "close-in-head": Fault(wires.cut, {"after": "head", "reset": False}),
        "close-in-body": Fault(wires.cut, {"after": "body", "reset": False}),
        "stale-connection": Fault(wires.stale),
        "length-too-long": Fault(wires.wrong_length, {"factor": 2}),
        "length-too-short": Fault(wires.wrong_length, {"factor": 0.5}),
        "unasked-answer": Fault(wires.unasked_answer),
        "chunked": Fault(wires.chunked),
        "chunked-cut": Fault(wires.chunked, {"whole": False}),
        "gzip": Fault(answers.edit, {"change": gzip.compress, "content_encoding": "gzip"}),
        "gzip-cut": Fault(answers.edit, {"change": answers.cut_gzip, "content_encoding": "gzip"}),
        "gzip-bomb": Fault(wires.gzip_bomb),
        # around the answer
        "header-of-200-kb": Fault(answers.add_headers, {"value": "x" * 200_000}),
        "headers-5000": Fault(answers.add_headers, {"number": 5000}),
        "set-cookie": Fault(
            answers.add_headers, {"name": "Set-Cookie", "value": "session=simulated; Path=/"}
        ),
        "continue-100": Fault(wires.interim),
        "early-hints-103": Fault(wires.interim, {"code": 103}),
        "not-http": Fault(wires.not_http),
        # not JSON, or JSON to stumble over
        "empty-body": Fault(answers.page, {"body": b""}),
        "html-page": Fault(answers.status, {"code": 200, "body": "html"}),
        "invalid-utf-8": Fault(answers.edit, {"change": answers.insert(b'"name":"\xff\xfe"')}),
        "byte-order-mark": Fault(answers.edit, {"change": b"\xef\xbb\xbf".__add__}),
        "deep-json": Fault(
            answers.edit,
            {"change": answers.insert(b'"deep":' + b"[" * 100_000 + b"]" * 100_000)},
        ),
        "nan": Fault(answers.edit, {"change": answers.insert(b'"average":NaN')}),
        "doubled-key": Fault(answers.edit, {"change": answers.insert(b'"count":99')}),
        # JSON of another shape
        "json-array": Fault(answers.page, {"body": b"[1,2]"}),
        "json-number": Fault(answers.page, {"body": b"3"}),
        "json-null": Fault(answers.page, {"body": b"null"}),
        "json-string": Fault(answers.page, {"body": b'"3"'}),
        "count-text": Fault(answers.fields, {"count": '"3"'}),
        "count-float": Fault(answers.fields, {"count": "3.0"}),
        "count-bool": Fault(answers.fields, {"count": "true"}),
        "count-null": Fault(answers.fields, {"count": "null"}),
        "count-nan": Fault(answers.fields, {"count": "NaN"}),
        "count-infinite": Fault(answers.fields, {"count": "1e999"}),
        "count-negative": Fault(answers.fields, {"count": "-1"}),
        "count-missing": Fault(answers.fields, {"count": None}),
        "count-absurd": Fault(answers.fields, {"count": "3000000000"}),
        "count-of-400-digits": Fault(answers.fields, {"count": "9" * 400}),
        "count-of-5000-digits": Fault(answers.fields, {"count": "9" * 5000}),
        "results-missing": Fault(answers.fields, {"results": None}),
        "results-null": Fault(answers.fields, {"results": "null"}),
        "results-object": Fault(answers.fields, {"results": "{}"}),
        "rows-not-objects": Fault(answers.fields, {"results": '[1,"two",null]'}),
        "row-not-ready": Fault(answers.rows, {"ready": False}),
        "row-other-status": Fault(answers.rows, {"agent_status": 1}),
        "page-loop": Fault(answers.page_loop),
    }
)
