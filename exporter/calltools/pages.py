"""Read the API's lists, and refuse every answer that is not clearly the one asked for.

An answer of the wrong shape must never be read as a number. Messages describe only the shape of a
200, as it holds people's names.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn
from urllib.parse import parse_qsl, urlsplit

from exporter.errors import ApiError, Failure
from exporter.transport.transport import HttpAnswer

#: No account has so large a number of agents; a larger count is a fault.
LARGEST_COUNT = 1_000_000
#: Many times what a full page of rows holds. Decoding more would block this process for seconds and
#: take hundreds of megabytes.
_MOST_CONTAINERS = 250_000
_MOST_VALUES = 1_000_000
_LONGEST_LINK = 8192
_LIST_PATH = re.compile(r"/api/[a-z_]+/?$")
_FILTERS = ("queue", "agent_status_id", "ready")
#: The parameters of its own request that a link repeats, if any.
_REPEATED = (*_FILTERS, "page_size")


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page of a list.

    ``count`` is the total over all pages, None where that is not known, as in a bare list.
    ``has_next`` says whether another page is to come.
    """

    count: int | None
    rows: tuple[Mapping[str, Any], ...]
    has_next: bool = False


def read_page(answer: HttpAnswer, path: str, query: Mapping[str, object]) -> ListPage:
    """Read a list answer: the envelope ``{count, next, previous, results}`` or a bare list.

    Args:
        answer: is a 200.
        path: of the request; an answer that names another path belongs to another request.
        query: of the request; likewise for the filters.

    Raises:
        ApiError: `invalid_json` or `unexpected_answer`.
    """
    content = read_json(answer.body)
    if isinstance(content, list):
        return ListPage(None, _rows(content))
    if not isinstance(content, dict):
        refuse(f"{_shape(content)} where an object with `count` and `results` is expected")
    links = content.get("next"), content.get("previous")
    if any(_is_of_another(link, path, query) for link in links):
        refuse("the answer to another request, according to its `next` or `previous`")
    count, results = content.get("count"), content.get("results")
    if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= LARGEST_COUNT:
        found = _shape(count) if "count" in content else "nothing"
        refuse(f"{found} as `count`, where the number of agents is expected")
    rows = _rows(results)
    if len(rows) > count:
        refuse(f"{len(rows)} rows under a `count` of {count}")
    # A `count` of rows that are all here is that of this page alone if another one is to come.
    has_next = bool(content.get("next"))
    return ListPage(None if has_next and 0 < count == len(rows) else count, rows, has_next)


def _is_of_another(link: object, path: str, query: Mapping[str, object]) -> bool:
    """Return whether a link that should lead to another page of this list is for another list.

    A link that repeats none of the request's parameters may have been rewritten on the way; it
    proves nothing either way.
    """
    if not isinstance(link, str) or len(link) > _LONGEST_LINK:
        return False
    parameters = link.partition("?")[2].split("&")
    if path in link and all(f"{name}={query.get(name)}" in parameters for name in _FILTERS):
        return False  # word for word, as it should be
    try:
        parts = urlsplit(link)
        answered = dict(parse_qsl(parts.query, keep_blank_values=True))
    except ValueError:
        return False
    named_list = _LIST_PATH.search(parts.path)
    if named_list and named_list[0].rstrip("/") != path.rstrip("/"):
        return True
    if answered.keys().isdisjoint(_REPEATED):
        return False
    named = {name: answered[name].casefold() for name in _FILTERS if name in answered}
    asked = {name: str(query[name]).casefold() for name in _FILTERS if name in query}
    return named != asked


def filter_violation(row: Mapping[str, Any], status_id: int) -> str | None:
    """Return how a row contradicts the filters of its request, or None.

    A missing or unreadable field contradicts nothing.
    """
    if row.get("ready") is False:
        return "it returned an agent who is not ready for ready=true"
    found = read_id(row.get("agent_status"))
    if found is not None and found != status_id:
        return f"it returned an agent in status {found} for agent_status_id={status_id}"
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


def read_json(body: bytes) -> object:
    """Return the content of a body; refuse more than any list can hold.

    Raises:
        ApiError: `too_large`, `invalid_json` or `unexpected_answer`.
    """
    containers = body.count(b"{") + body.count(b"[")
    if containers > _MOST_CONTAINERS or body.count(b",") > _MOST_VALUES:
        raise ApiError(Failure("too_large", "the API sent more values than any of its lists has"))
    try:
        return _DECODER.decode(body.decode("utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        kind = "an HTML page" if body.lstrip()[:1] == b"<" else "text that is not JSON"
        found = kind if body.strip() else "an empty answer"
        failure = Failure("invalid_json", f"the API sent {found}")
    except RecursionError:
        failure = Failure("unexpected_answer", "the API sent JSON that is nested too deeply")
    except ValueError:
        failure = Failure("unexpected_answer", "the API sent a number with thousands of digits")
    # Raised outside the `except`, without a chain: a decoder's error holds the whole text.
    raise ApiError(failure)


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        refuse("an object with the same key twice")
    return content


def _refuse_constant(constant: str) -> NoReturn:
    refuse(f"{constant}, which is not JSON")


# One for all answers: `json.loads` would make one for each.
_DECODER = json.JSONDecoder(object_pairs_hook=_object_of, parse_constant=_refuse_constant)


def _rows(results: object) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(results, list):
        refuse(f"{_shape(results)} as `results`, where a list is expected")
    if not all(isinstance(row, dict) for row in results):
        refuse("rows that are not objects")
    return tuple(results)


def unexpected(found: str) -> ApiError:
    """Return the error for JSON of another shape; its message describes the shape only."""
    return ApiError(Failure("unexpected_answer", f"the API sent {found}"))


def refuse(found: str) -> NoReturn:
    """Raise `unexpected`."""
    raise unexpected(found)


def _shape(value: object) -> str:
    """Return the name of a JSON value's shape, without its content."""
    if isinstance(value, int) and not isinstance(value, bool):
        if 0 <= value <= LARGEST_COUNT:
            return "a number"
        return "a negative number" if value < 0 else "an absurdly large number"
    names = {bool: "true or false", float: "a fraction", str: "a text", list: "a list"}
    return "null" if value is None else names.get(type(value), "an object")
