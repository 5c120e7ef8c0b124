"""What a scrape says under each fault: the table that the matrix tests, and that people read."""

from __future__ import annotations

from dataclasses import dataclass

#: What the broken queue would show if all were well.
TRUE_NUMBER = 3


@dataclass(frozen=True)
class Row:
    """What becomes of a queue whose requests meet a fault.

    ``says`` is the failure's code, or "" where the number is read all the same. ``words`` begin
    what the log gives as the reason, ``detailed`` with `detail: agents`. ``late`` faults end with
    the page's budget, others at once. ``attempts`` are those for the one queue. ``holds``
    names what the next scrape does not ask, though the fault is over: the "queue" or the "account".
    ``stops`` tells that the account's other queues are not asked in this scrape. ``agents`` is the
    number with `detail: agents`, where the fault is none, and ``more_pages`` are those that are
    asked for in that case, as the list seems to go on.
    """

    says: str = ""
    words: str = ""
    detailed: str = ""
    late: bool = False
    attempts: int = 1
    holds: str = ""
    stops: bool = False
    agents: int | None = None
    more_pages: int = 0


def _status(code: str, words: str, **more: str | bool) -> Row:
    return Row(code, f"{words} ({code})", **more)  # type: ignore[arg-type]


def _surrounded(words: str) -> Row:
    return Row("too_large", f"the answer of {{host}} has {words}")


def _shape(words: str) -> Row:
    return Row("unexpected_answer", f"the API sent {words}")


_FINE = Row()
_SILENCE = Row("timeout", "no complete answer", late=True)
_REDIRECT = Row("redirect", "the API redirects (302) to ")
_CLOSED = Row("connection", "{host}: the connection was closed before an answer came", attempts=2)
_CUT = Row("connection", "{host}: the connection was closed in the middle of the answer")
_REFUSED_KEY = _status("401", "the API refuses the key", stops=True)
_SLOWER = _status("429", "the API limits the rate of requests", stops=True)
_TOLD_TO_WAIT = _status("429", "the API limits the rate of requests", stops=True, holds="account")
_TOO_LARGE = Row(
    "too_large",
    "the answer of {host} is larger than 512 KiB",
    detailed="the answer of {host} is larger than 10 MiB",
)
_BAD_COUNT = " as `count`, where the number of agents is expected"

#: Faults of the simulator, by name: for one queue, or for all that an account asks.
ROWS = {
    "status": _status("500", "the API failed"),
    "status-204": _status("204", "the API gave no count"),
    "status-206": _status("206", "the API gave no count"),
    "status-304": Row("redirect", "the API redirects (304) to nowhere"),
    "status-400": _status("400", "the API refuses the request"),
    "status-400-html": _status("400", "the API refuses the request"),
    "status-401": _REFUSED_KEY,
    "status-401-html": _REFUSED_KEY,
    "status-403": _status("403", "the API does not allow this with the key"),
    "status-404-html": _status(
        "404", "the API has no such path; is `url` the address you log in to?"
    ),
    "status-407": _status("407", "the API gave no count"),
    "status-429": _SLOWER,
    "status-429-seconds": _TOLD_TO_WAIT,
    "status-429-date": _TOLD_TO_WAIT,
    "status-429-rubbish": _SLOWER,
    "status-429-huge": _SLOWER,
    "status-500-answer": _status("500", "the API failed"),
    "status-502-html": _status("502", "the API failed"),
    "status-503-seconds": _status("503", "the API failed", holds="queue"),
    "status-503-date": _status("503", "the API failed", holds="queue"),
    "status-503-rubbish": _status("503", "the API failed"),
    "status-503-huge": _status("503", "the API failed"),
    "status-504-empty": _status("504", "the API failed"),
    "status-530": _status("530", "the API failed"),
    "redirect-to-itself": _REDIRECT,
    "redirect-elsewhere": _REDIRECT,
    "redirect-to-http": _REDIRECT,
    "silent": _SILENCE,
    "hang": _SILENCE,
    "drip-head": _SILENCE,
    "drip-body": _SILENCE,
    "endless-body": _TOO_LARGE,
    "endless-chunks": _surrounded("more than 4096 chunks"),
    "endless-trailers": _surrounded("more than 100 trailers"),
    "endless-continue": _surrounded("more than 20 interim answers"),
    "reset": _CLOSED,
    "reset-in-head": _CUT,
    "reset-in-body": _CUT,
    "close": _CLOSED,
    "close-in-head": _CUT,
    "close-in-body": _CUT,
    "stale-connection": Row(attempts=2),
    "length-too-long": _SILENCE,
    "length-too-short": Row("invalid_json", "the API sent text that is not JSON"),
    "unasked-answer": _FINE,
    "chunked": _FINE,
    "chunked-cut": _CUT,
    "gzip": _FINE,
    "gzip-cut": Row("connection", "{host}: the answer's gzip was cut short"),
    "gzip-bomb": _TOO_LARGE,
    "header-of-200-kb": _surrounded("a head larger than 64 KiB"),
    "headers-5000": _surrounded("a head larger than 64 KiB"),
    "set-cookie": _FINE,
    "continue-100": _FINE,
    "early-hints-103": _FINE,
    "not-http": Row("connection", "{host}: the answer is not HTTP"),
    "age-of-a-second": _FINE,
    "age-of-a-day": _shape("an answer that a cache has kept for 86400 s"),
    "stale-from-a-cache": _shape("an answer that a cache marks as stale"),
    "answer-without-filters": _shape("the answer to another request"),
    "answer-of-600-kb": Row(
        "too_large",
        "the answer of {host} is larger than 512 KiB",
        agents=TRUE_NUMBER,
    ),
    "empty-body": Row("invalid_json", "the API sent an empty answer"),
    "html-page": Row("invalid_json", "the API sent an HTML page"),
    "invalid-utf-8": Row("invalid_json", "the API sent text that is not JSON"),
    "byte-order-mark": _FINE,
    "deep-json": _shape("JSON that is nested too deeply"),
    "nan": _shape("NaN, which is not JSON"),
    "doubled-key": _shape("an object with the same key twice"),
    "json-array": _shape("rows that are not objects"),
    "json-number": _shape("a number where an object with `count` and `results` is expected"),
    "json-null": _shape("null where an object with `count` and `results` is expected"),
    "json-string": _shape("a text where an object with `count` and `results` is expected"),
    "count-text": _shape("a text" + _BAD_COUNT),
    "count-float": _shape("a fraction" + _BAD_COUNT),
    "count-bool": _shape("true or false" + _BAD_COUNT),
    "count-null": _shape("null" + _BAD_COUNT),
    "count-nan": _shape("NaN, which is not JSON"),
    "count-infinite": _shape("a fraction" + _BAD_COUNT),
    "count-negative": _shape("a negative number" + _BAD_COUNT),
    "count-missing": _shape("nothing" + _BAD_COUNT),
    "count-absurd": _shape("an absurdly large number" + _BAD_COUNT),
    "count-of-400-digits": _shape("an absurdly large number" + _BAD_COUNT),
    "count-of-5000-digits": _shape("a number with thousands of digits"),
    "results-missing": _shape("null as `results`, where a list is expected"),
    "results-null": _shape("null as `results`, where a list is expected"),
    "results-object": _shape("an object as `results`, where a list is expected"),
    "rows-not-objects": _shape("rows that are not objects"),
    "row-not-ready": Row(
        "filter_ignored",
        "the API ignores filters: it returned an agent who is not ready for ready=true",
        agents=0,
    ),
    "row-other-status": Row(
        "filter_ignored",
        "the API ignores filters: it returned an agent in status 1 for agent_status_id=",
        agents=0,
    ),
    "page-loop": Row(more_pages=1),
}

#: Faults on the way to an account's host.
NETWORK_ROWS = {
    "dns-fails": Row("dns", "no address for east-2.calltools.test: Name or service not known"),
    "dns-hangs": _SILENCE,
    "refused": Row("connection", "{host}: connection refused"),
    "silent-host": _SILENCE,
    "certificate-expired": Row(
        "tls", "the certificate of {host} is refused: certificate has expired"
    ),
    "certificate-of-another-host": Row(
        "tls", "the certificate of {host} is refused: IP address mismatch"
    ),
    "certificate-of-unknown-authority": Row(
        "tls", "the certificate of {host} is refused: unable to get local issuer certificate"
    ),
}


def table() -> str:
    """Return the rows as a table for people."""
    lines = [
        "| fault | the scrape says | seconds | the reason in the log | besides |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, row in (ROWS | NETWORK_ROWS).items():
        says = f"`{row.says}`" if row.says else "the number"
        after = "the budget" if row.late else "at once"
        words = row.words.replace("{host}", "HOST").strip()
        lines.append(f"| {name} | {says} | {after} | {words} | {_besides(row)} |")
    return "\n".join(lines).replace("|  |", "| |")


def _besides(row: Row) -> str:
    words = []
    if row.detailed:
        words.append(f"with `detail: agents` {row.detailed}".replace("{host}", "HOST"))
    if row.stops:
        words.append("the account's other queues are not asked in this scrape")
    if row.holds:
        words.append(f"the exporter backs off from the {row.holds} as long as the API asks")
    if row.agents is not None:
        words.append("with `detail: agents` no fault: the rows are counted there")
    return "; ".join(words)
