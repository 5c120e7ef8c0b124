"""What can go wrong, by name."""

from __future__ import annotations

import gzip
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from exporter.simulator.server import Exchange
from exporter.simulator.wire import Answer
from tests.simulator import broken_answers as answers
from tests.simulator import broken_wires as wires


@dataclass(frozen=True, slots=True)
class NamedFault:
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


FAULTS: Mapping[str, NamedFault] = MappingProxyType(
    {
        # another status
        "status": NamedFault(answers.status),
        "status-204": NamedFault(answers.status, {"code": 204, "body": ""}),
        "status-206": NamedFault(answers.status, {"code": 206, "body": "answer"}),
        "status-304": NamedFault(answers.status, {"code": 304, "body": ""}),
        "status-400": NamedFault(answers.status, {"code": 400}),
        "status-400-html": NamedFault(answers.status, {"code": 400, "body": "html"}),
        "status-401": NamedFault(answers.status, {"code": 401}),
        "status-401-html": NamedFault(answers.status, {"code": 401, "body": "html"}),
        "status-403": NamedFault(answers.status, {"code": 403}),
        "status-404-html": NamedFault(answers.status, {"code": 404, "body": "html"}),
        "status-407": NamedFault(answers.status, {"code": 407, "body": "html"}),
        "status-429": NamedFault(answers.status, {"code": 429}),
        "status-429-seconds": NamedFault(answers.status, {"code": 429, "retry_after": "60"}),
        "status-429-date": NamedFault(
            answers.status, {"code": 429, "retry_after": answers.in_a_minute}
        ),
        "status-429-rubbish": NamedFault(answers.status, {"code": 429, "retry_after": "soon"}),
        "status-429-huge": NamedFault(answers.status, {"code": 429, "retry_after": "9" * 30}),
        "status-500-answer": NamedFault(answers.status, {"code": 500, "body": "answer"}),
        "status-502-html": NamedFault(answers.status, {"code": 502, "body": "html"}),
        "status-503-seconds": NamedFault(answers.status, {"code": 503, "retry_after": "60"}),
        "status-503-date": NamedFault(
            answers.status, {"code": 503, "retry_after": answers.in_a_minute}
        ),
        "status-503-rubbish": NamedFault(answers.status, {"code": 503, "retry_after": "soon"}),
        "status-503-huge": NamedFault(answers.status, {"code": 503, "retry_after": "9" * 30}),
        "status-504-empty": NamedFault(answers.status, {"code": 504, "body": ""}),
        "status-530": NamedFault(answers.status, {"code": 530, "body": "error code: 1016"}),
        "redirect-to-itself": NamedFault(answers.redirect),
        "redirect-elsewhere": NamedFault(
            answers.redirect, {"location": "https://elsewhere.invalid{target}"}
        ),
        "redirect-to-http": NamedFault(answers.redirect, {"location": "http://{host}{target}"}),
        # too late, or never
        "silent": NamedFault(wires.silent),
        "hang": NamedFault(wires.hang),
        "drip-head": NamedFault(wires.drip_head),
        "drip-body": NamedFault(wires.drip_body),
        "endless-body": NamedFault(wires.endless_body),
        "endless-chunks": NamedFault(wires.endless_chunks),
        "endless-trailers": NamedFault(wires.endless_trailers),
        "endless-continue": NamedFault(wires.interim, {"times": None}),
        # cut short, or longer than it says
        "reset": NamedFault(wires.cut),
        "reset-in-head": NamedFault(wires.cut, {"after": "head"}),
        "reset-in-body": NamedFault(wires.cut, {"after": "body"}),
        "close": NamedFault(wires.cut, {"reset": False}),
        "close-in-head": NamedFault(wires.cut, {"after": "head", "reset": False}),
        "close-in-body": NamedFault(wires.cut, {"after": "body", "reset": False}),
        "stale-connection": NamedFault(wires.stale),
        "length-too-long": NamedFault(wires.wrong_length, {"factor": 2}),
        "length-too-short": NamedFault(wires.wrong_length, {"factor": 0.5}),
        "unasked-answer": NamedFault(wires.unasked_answer),
        "chunked": NamedFault(wires.chunked),
        "chunked-cut": NamedFault(wires.chunked, {"whole": False}),
        "gzip": NamedFault(answers.edit, {"change": gzip.compress, "content_encoding": "gzip"}),
        "gzip-cut": NamedFault(
            answers.edit, {"change": answers.cut_gzip, "content_encoding": "gzip"}
        ),
        "gzip-bomb": NamedFault(wires.gzip_bomb),
        # around the answer
        "header-of-200-kb": NamedFault(answers.add_headers, {"value": "x" * 200_000}),
        "headers-5000": NamedFault(answers.add_headers, {"number": 5000}),
        "set-cookie": NamedFault(
            answers.add_headers, {"name": "Set-Cookie", "value": "session=simulated; Path=/"}
        ),
        "continue-100": NamedFault(wires.interim),
        "early-hints-103": NamedFault(wires.interim, {"code": 103}),
        "not-http": NamedFault(wires.not_http),
        # right, but old, another's, or too much for one row
        "age-of-a-second": NamedFault(answers.add_headers, {"name": "Age", "value": "1"}),
        "age-of-a-day": NamedFault(answers.add_headers, {"name": "Age", "value": "86400"}),
        "stale-from-a-cache": NamedFault(
            answers.add_headers, {"name": "Warning", "value": '110 cache "Response is Stale"'}
        ),
        "answer-without-filters": NamedFault(answers.of_everybody),
        "answer-of-600-kb": NamedFault(answers.edit, {"change": (b" " * 600_000).__add__}),
        # not JSON, or JSON to stumble over
        "empty-body": NamedFault(answers.page, {"body": b""}),
        "html-page": NamedFault(answers.status, {"code": 200, "body": "html"}),
        "invalid-utf-8": NamedFault(answers.edit, {"change": answers.insert(b'"name":"\xff\xfe"')}),
        "byte-order-mark": NamedFault(answers.edit, {"change": b"\xef\xbb\xbf".__add__}),
        "deep-json": NamedFault(
            answers.edit,
            {"change": answers.insert(b'"deep":' + b"[" * 100_000 + b"]" * 100_000)},
        ),
        "nan": NamedFault(answers.edit, {"change": answers.insert(b'"average":NaN')}),
        "doubled-key": NamedFault(answers.edit, {"change": answers.insert(b'"count":99')}),
        # JSON of another shape
        "json-array": NamedFault(answers.page, {"body": b"[1,2]"}),
        "json-number": NamedFault(answers.page, {"body": b"3"}),
        "json-null": NamedFault(answers.page, {"body": b"null"}),
        "json-string": NamedFault(answers.page, {"body": b'"3"'}),
        "count-text": NamedFault(answers.fields, {"count": '"3"'}),
        "count-float": NamedFault(answers.fields, {"count": "3.0"}),
        "count-bool": NamedFault(answers.fields, {"count": "true"}),
        "count-null": NamedFault(answers.fields, {"count": "null"}),
        "count-nan": NamedFault(answers.fields, {"count": "NaN"}),
        "count-infinite": NamedFault(answers.fields, {"count": "1e999"}),
        "count-negative": NamedFault(answers.fields, {"count": "-1"}),
        "count-missing": NamedFault(answers.fields, {"count": None}),
        "count-absurd": NamedFault(answers.fields, {"count": "3000000000"}),
        "count-of-400-digits": NamedFault(answers.fields, {"count": "9" * 400}),
        "count-of-5000-digits": NamedFault(answers.fields, {"count": "9" * 5000}),
        "results-missing": NamedFault(answers.fields, {"results": None}),
        "results-null": NamedFault(answers.fields, {"results": "null"}),
        "results-object": NamedFault(answers.fields, {"results": "{}"}),
        "rows-not-objects": NamedFault(answers.fields, {"results": '[1,"two",null]'}),
        "row-not-ready": NamedFault(answers.rows, {"ready": False}),
        "row-other-status": NamedFault(answers.rows, {"agent_status": 1}),
        "page-loop": NamedFault(answers.page_loop),
    }
)
