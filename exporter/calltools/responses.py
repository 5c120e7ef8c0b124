"""Read the API's answers, and refuse every one that does not plainly say what was asked.

An answer of the wrong shape must never read as a number. What is said of a 200 tells its shape
only: it holds people's names.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final, NoReturn

from exporter.errors import ApiError, Failure
from exporter.settings import Secret
from exporter.text import one_line
from exporter.transport import HttpAnswer

__all__ = ["ListPage", "filter_violation", "raise_for_status", "read_id", "read_page", "unexpected"]

#: No account has as many agents; a larger count is a fault.
LARGEST_COUNT: Final = 1_000_000

#: Many times what a whole page of rows holds. More would be read for seconds in which nothing else
#: in this process goes on, into hundreds of megabytes.
_MOST_CONTAINERS: Final = 250_000
_MOST_VALUES: Final = 1_000_000
# Reads each character once, however many tags begin and never end.
_MARKUP: Final = re.compile(
    r"<(script|style)\b.*?(</\1\s*>|\Z)|<[^<>]*>", re.DOTALL | re.IGNORECASE
)

_HINTS: Final = {
    400: "the API refuses the request",
    401: "the API refuses the key",
    403: "the API forbids this to the key",
    404: "the API knows no such page; is `url` the address you log in to?",
    429: "the API asks for fewer requests",
}


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of a list.

    ``count`` is the total over all pages, None where the answer is a bare list that tells none.
    """

    count: int | None
    rows: tuple[Mapping[str, Any], ...]


def raise_for_status(answer: HttpAnswer, token: Secret) -> None:
    """Let only a 200 pass.

    Raises:
        ApiError: any other status; an error's text is quoted, cut and cleaned, the key masked.
    """
    status = answer.status
    if status == 200:
        return
    quoted = _quote(answer, token)
    said = f", it says: {quoted}" if quoted else ""
    if 300 <= status <= 399:
        target = one_line(token.mask(answer.headers.get("location", "nowhere")))
        raise ApiError(
            Failure(
                "redirect",
                f"the API redirects ({status}) to {target}; that is not followed, since the key"
                " would travel with it. Is `url` the address you log in to?",
            )
        )
    if not 201 <= status <= 599:
        _refuse(f"HTTP status {status}, which does not exist")
    hint = _HINTS.get(status, "the API failed" if status >= 500 else "the API gave no count")
    failure = Failure(str(status), f"{hint} ({status}){said}")
    raise ApiError(failure, _retry_after(answer.headers.get("retry-after", "")))


def read_page(answer: HttpAnswer) -> ListPage:
    """Read a list answer: the envelope ``{count, next, previous, results}`` or a bare list.

    Raises:
        ApiError: `invalid_json` or `unexpected_answer`.
    """
    content = _read_json(answer.body)
    if isinstance(content, list):
        return ListPage(None, _rows(content))
    if not isinstance(content, dict):
        _refuse(f"{_shape(content)} where an object with `count` and `results` is expected")
    count, results = content.get("count"), content.get("results")
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= LARGEST_COUNT:
        found = _shape(count) if "count" in content else "nothing"
        _refuse(f"{found} as `count`, where the number of agents is expected")
    rows = _rows(results)
    if len(rows) > count:
        _refuse(f"{len(rows)} rows under a `count` of {count}")
    return ListPage(count, rows)


def filter_violation(row: Mapping[str, Any], status_id: int) -> str | None:
    """Say how a row contradicts the filters that it should have passed, or None.

    A field that is missing or cannot be read contradicts nothing.
    """
    if row.get("ready") is False:
        return "an agent who is not ready came back under ready=true"
    found = read_id(row.get("agent_status"))
    if found is not None and found != status_id:
        return f"an agent in status {found} came back under agent_status_id={status_id}"
    return None


def read_id(value: object) -> int | None:
    """Read an id given as number, digits, ``{"id": ...}`` or the last part of a URL."""
    match value:
        case bool():
            return None
        case int():
            return value
        case str():
            digits = value.rstrip("/").rpartition("/")[2].strip()
            return int(digits) if re.fullmatch("[0-9]{1,18}", digits) else None
        case {"id": identifier}:
            return None if isinstance(identifier, dict) else read_id(identifier)
    return None


def _read_json(body: bytes) -> object:
    containers = body.count(b"{") + body.count(b"[")
    if containers > _MOST_CONTAINERS or body.count(b",") > _MOST_VALUES:
        raise ApiError(Failure("too_large", "the API sent more values than any list of it has"))
    try:
        return json.loads(
            body.decode("utf-8-sig"),
            object_pairs_hook=_object_of,
            parse_constant=_refuse_constant,
        )
    except (json.JSONDecodeError, UnicodeDecodeError):
        kind = "an HTML page" if body.lstrip()[:1] == b"<" else "text that is not JSON"
        found = kind if body.strip() else "an empty answer"
        failure = Failure("invalid_json", f"the API sent {found}")
    except RecursionError:
        failure = Failure("unexpected_answer", "the API sent JSON that is nested too deep")
    except ValueError:
        failure = Failure("unexpected_answer", "the API sent a number with thousands of digits")
    # Raised out here, without a chain: what the decoders raise holds the whole text.
    raise ApiError(failure)


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        _refuse("an object with the same key twice")
    return content


def _refuse_constant(constant: str) -> NoReturn:
    _refuse(f"{constant}, which is no JSON")


def _rows(results: object) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(results, list):
        _refuse(f"{_shape(results)} as `results`, where a list is expected")
    if not all(isinstance(row, dict) for row in results):
        _refuse("rows that are not objects")
    return tuple(results)


def unexpected(found: str) -> ApiError:
    """Return the error for JSON of another shape, in words that tell no more than the shape."""
    return ApiError(Failure("unexpected_answer", f"the API sent {found}"))


def _refuse(found: str) -> NoReturn:
    raise unexpected(found)


def _shape(value: object) -> str:
    """Name the shape of a JSON value, without a word of what it holds."""
    if isinstance(value, int) and not isinstance(value, bool):
        if 0 <= value <= LARGEST_COUNT:
            return "a number"
        return "a negative number" if value < 0 else "an absurdly large number"
    names = {bool: "true or false", float: "a fraction", str: "a text", list: "a list"}
    return "null" if value is None else names.get(type(value), "an object")


def _retry_after(value: str) -> float | None:
    """Read ``Retry-After`` as seconds from now; RFC 9110, 10.2.3: a number or a date."""
    if re.fullmatch(r"[0-9]{1,9}", value.strip()):
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, aware.timestamp() - time.time())


def _quote(answer: HttpAnswer, token: Secret) -> str:
    """Quote the start of an error's text, without markup and without the key.

    Of JSON only what is an error's for sure is quoted: any other shape may be rows of people.
    """
    if answer.status < 300:
        return ""
    text = answer.body[: 64 * 1024].decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    text = _error_text(text) if text.startswith(("{", "[")) else _MARKUP.sub(" ", text)
    return one_line(token.mask(text))


def _error_text(text: str) -> str:
    """Return the words of Django REST Framework's errors: a detail, or a list for each field."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    match content:
        case {"detail": str(detail)}:
            return detail
        case dict() if all(isinstance(words, list) for words in content.values()):
            return "; ".join(
                f"{field}: {' '.join(words)}"
                for field, words in content.items()
                if all(isinstance(word, str) for word in words)
            )
    return ""
