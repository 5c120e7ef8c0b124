"""Requests to one account's API: each attempt is reported, and only a fresh 200 passes.

The error text of any other answer is quoted.
"""

import html
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TypeVar

from requests import PreparedRequest
from requests.structures import CaseInsensitiveDict

from exporter import __version__
from exporter.calltools.pages import ListPage, read_json, read_page, refuse
from exporter.errors import ApiError, Failure
from exporter.settings import Account, Secret
from exporter.snapshot import Attempt, RequestObserver
from exporter.text import one_line
from exporter.transport.deadline import Deadline
from exporter.transport.http1 import BODY_LIMIT, SMALL_BODY_LIMIT
from exporter.transport.transport import HttpAnswer, StaleConnectionError, Transport, proxy_secrets

T = TypeVar("T")

_HEADERS = {
    "User-Agent": f"calltools-exporter/{__version__}",
    "Accept": "application/json",
    "Cache-Control": "no-cache",
    "Accept-Encoding": "gzip",
}

#: The oldest answer that is accepted, in seconds.
OLDEST_SECONDS = 5

# Reads each character once, even if many tags begin and never end.
_MARKUP = re.compile(r"<(script|style)\b.*?(</\1\s*>|\Z)|<[^<>]*>", re.DOTALL | re.IGNORECASE)

_HINTS = {
    400: "the API refuses the request",
    401: "the API refuses the key",
    403: "the API does not allow this with the key",
    404: "the API has no such path; is `url` the address you log in to?",
    429: "the API limits the rate of requests",
}


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What the requests of one fetch have in common.

    ``deadline`` is that of the fetch: no request is sent after it. An account's own ``timeout``
    applies to each request, so the last one may end that much later.
    """

    transport: Transport
    token: Secret
    deadline: Deadline
    observer: RequestObserver


class Requester:
    """Send requests to one account's API."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._proxy_secrets = proxy_secrets(account.proxy)
        self._headers = {"Host": account.host, **_HEADERS}

    def ask(
        self,
        path: str,
        query: Mapping[str, object],
        context: RequestContext,
        judge: Callable[[ListPage], T],
        judge_refusal: Callable[[HttpAnswer], T | None] = lambda _: None,
    ) -> T:
        """Send one request and judge its answer; send it again if a kept connection was closed.

        Args:
            path: of the list.
            query: filters, and which page: numbers, `true` or `false`.
            context: its key, deadline and observer.
            judge: returns the result of a page, or raises an `ApiError`.
            judge_refusal: returns the result of an answer other than 200, None if it has none.

        Raises:
            ApiError: there is no valid answer.
        """
        if context.deadline.remaining() <= 0:
            raise ApiError(Failure("timeout", "no time was left for the next request"))
        # Numbers and single words, which need no encoding.
        words = "&".join(f"{name}={value}" for name, value in query.items())
        prepared = self._prepare(f"{path}?{words}", context.token)
        timeout = self._account.timeout
        deadline = context.deadline if timeout is None else Deadline.after(timeout)
        limit = SMALL_BODY_LIMIT if query.get("page_size") == 1 else BODY_LIMIT

        def send(*, fresh: bool) -> T:
            answer = context.transport.get(
                prepared, deadline, context.observer.connection_opened, limit, fresh=fresh
            )
            try:
                if answer.status != 200 and (found := judge_refusal(answer)) is not None:
                    return found
                raise_for_status(answer, context.token, *self._proxy_secrets)
                return judge(read_page(answer, path, query))
            finally:
                answer.release()

        try:
            return _attempt(partial(send, fresh=False), context.observer, forgive_stale=True)
        except StaleConnectionError:
            # Another kept one may have been closed at the same moment.
            return _attempt(partial(send, fresh=True), context.observer, forgive_stale=False)

    def _prepare(self, target: str, token: Secret) -> PreparedRequest:
        """Return the request as it is sent; `requests` would check again what is right already."""
        headers = CaseInsensitiveDict(self._headers)
        if token.reveal():  # without a key, only to see whether the host answers
            headers["Authorization"] = f"Token {token.reveal()}"
        prepared = PreparedRequest()
        prepared.method = "GET"
        prepared.url = self._account.url + target
        prepared.headers = headers
        return prepared


def _attempt(send: Callable[[], T], observer: RequestObserver, *, forgive_stale: bool) -> T:
    """Send a request and judge its answer: each attempt ends with exactly one code, or none.

    A stale connection counts as an attempt without an error: the server was free to close it.
    """
    begun = time.monotonic()
    code: str | None = "unexpected_answer"
    observer.attempt_started()
    try:
        value = send()
        code = None
    except ApiError as error:
        stale = isinstance(error, StaleConnectionError)
        code = None if stale and forgive_stale else error.failure.code
        raise
    finally:
        observer.attempt_ended(Attempt(code, time.monotonic() - begun))
    return value


def raise_for_status(answer: HttpAnswer, *secrets: Secret) -> None:
    """Raise for every answer but a fresh 200.

    Args:
        answer: an error's text is quoted, cut and cleaned.
        secrets: masked in the quote.

    Raises:
        ApiError: for any other answer.
    """
    status = answer.status
    if status == 200:
        _refuse_old(answer.headers)
        return
    quoted = _quote(answer, secrets)
    said = f", it says: {quoted}" if quoted else ""
    if 300 <= status <= 399:
        target = _clean(answer.headers.get("location", "nowhere"), secrets)
        raise ApiError(
            Failure(
                "redirect",
                f"the API redirects ({status}) to {target}, which is not followed, as it would"
                " send the key there; is `url` the address you log in to?",
            )
        )
    if not 201 <= status <= 599:
        refuse(f"HTTP status {status}, which does not exist")
    hint = _HINTS.get(status, "the API failed" if status >= 500 else "the API gave no count")
    failure = Failure(str(status), f"{hint} ({status}){said}")
    raise ApiError(failure, _retry_after(answer.headers.get("retry-after", "")))


def _refuse_old(headers: Mapping[str, str]) -> None:
    """Refuse an answer from a cache, by its age (RFC 9111, 5.1) or its warning (110, 111)."""
    if age := headers.get("age"):
        # Of one that is absurdly long, the first digits say enough.
        numbers = [digits.lstrip("0") for digits in re.findall("[0-9]+", age)]
        seconds = max((int(digits[:9] or "0") for digits in numbers), default=0)
        if seconds > OLDEST_SECONDS:
            refuse(f"an answer that a cache has kept for {seconds} s")
    warning = headers.get("warning")
    if warning and re.search(r"(^|,)\s*11[01]\b", warning):
        refuse("an answer that a cache marks as stale")


def names_field(answer: HttpAnswer, field: str) -> bool:
    """Return whether a refusal is the API's own and names the field that it refuses.

    A firewall's page shows nothing about the API.
    """
    try:
        content = read_json(answer.body)
    except ApiError:
        return False
    levels = [content, *content.values()] if isinstance(content, dict) else []
    names = {field, field.removesuffix("_id")}
    return any(isinstance(level, dict) and not names.isdisjoint(level) for level in levels)


def _retry_after(value: str) -> float | None:
    """Read ``Retry-After`` as seconds from now; RFC 9110, 10.2.3: a number or a date."""
    if re.fullmatch("0*[0-9]{1,9}", value.strip()):
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, aware.timestamp() - time.time())


def _quote(answer: HttpAnswer, secrets: Iterable[Secret]) -> str:
    """Quote the start of an error's text, without markup and without the key.

    Of JSON, only what is certainly an error is quoted: any other shape may be rows of people.
    """
    if answer.status < 300:
        return ""
    text = answer.body[: 64 * 1024].decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    if text.startswith(("{", "[")):
        return _clean(_error_text(text), secrets)
    return _clean(html.unescape(_MARKUP.sub(" ", _masked(text, secrets))), secrets)


def _clean(text: str, secrets: Iterable[Secret]) -> str:
    """Return the text as one line, masked again after cleaning, which may join parts of a key."""
    line = one_line(_masked(text, secrets), longest=len(text))
    return one_line(_masked(line, secrets))


def _masked(text: str, secrets: Iterable[Secret]) -> str:
    for secret in secrets:
        text = secret.mask(text)
    return text


def _error_text(text: str) -> str:
    """Return the text of Django REST Framework's errors: a detail, or a list for each field."""
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
