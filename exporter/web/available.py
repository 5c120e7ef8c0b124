"""`/available`: whether a call can be taken now, for programs that decide while a caller waits."""

import asyncio
import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import structlog
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from exporter.errors import UnknownNameError
from exporter.runtime import Runtime
from exporter.text import suggestion
from exporter.web.available_reader import Question, ReadAvailability, read_available
from exporter.web.available_users import AvailableUser, RateLimits
from exporter.web.responses import CALLER, BadRequestError
from exporter.web.shared_work import NoFreeSlotError, SharedWork

_PARAMETERS = ("account", "queue", "team", "can_take_call", "timeout", "max_age")
_SECONDS = re.compile(r"[0-9]{1,4}(\.[0-9]{1,20})?", re.ASCII)
_TIMEOUT_SECONDS = (0.05, 30.0, 2.0)
_MAX_AGE_SECONDS = (0.0, 60.0, 0.0)

#: The part of the timeout for sending the response: a fixed time, but at most a share of it.
_WAY_BACK_SECONDS = 0.05
_WAY_BACK_SHARE = 0.25
#: As for scrapes: requests that arrive while two of the same kind are in progress share the next.
_AT_ONCE = 2
_PATIENCE_SECONDS = 0.02

_ANSWERS = {True: "yes", False: "no", None: "unknown"}

log = structlog.get_logger(__name__)


def parse_question(parameters: QueryParams) -> Question:
    """Return the parsed request.

    Raises:
        BadRequestError: a parameter is unknown, given twice or out of its range.
    """
    for name in parameters:
        if name not in _PARAMETERS:
            hint = suggestion(name[:100], _PARAMETERS, f"expected {', '.join(_PARAMETERS)}")
            raise BadRequestError(f"unknown parameter {name[:100]!r}; {hint}")
        if name != "queue" and len(parameters.getlist(name)) > 1:
            raise BadRequestError(f"{name} is given more than once")
    account, queues = parameters.get("account"), tuple(dict.fromkeys(parameters.getlist("queue")))
    if queues and account is None:
        raise BadRequestError("queue needs account=NAME, the account of the queue")
    only = parameters.get("can_take_call")
    if only not in {None, "true"}:
        raise BadRequestError(
            f"can_take_call is {str(only)[:100]!r}; expected true, or no such parameter"
        )
    return Question(
        account=account,
        queues=queues,
        team=parameters.get("team"),
        only_true=only is not None,
        timeout=_seconds(parameters, "timeout", _TIMEOUT_SECONDS),
        max_age=_seconds(parameters, "max_age", _MAX_AGE_SECONDS),
    )


def _seconds(parameters: QueryParams, name: str, bounds: tuple[float, float, float]) -> float:
    least, most, default = bounds
    text = parameters.get(name)
    if text is None:
        return default
    if not _SECONDS.fullmatch(text) or not least <= float(text) <= most:
        expected = f"expected seconds from {least:g} to {most:g}"
        raise BadRequestError(f"{name} is {text[:100]!r}; {expected}")
    return float(text)


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer: its status, its content, how it is counted, when to ask again."""

    status: int
    content: Mapping[str, object]
    counted: str = "refused"
    retry_after: float | None = None

    def response(self) -> Response:
        """Return the response; no cache may store it."""
        headers = {"Cache-Control": "no-store"}
        if self.retry_after is not None:
            headers["Retry-After"] = str(max(1, math.ceil(self.retry_after)))
        body = json.dumps(self.content, separators=(",", ":")) + "\n"
        return Response(body, self.status, headers, "application/json")


class AvailableHandler:
    """Answer whether calls can be taken, within the timeout of each request.

    It has its own slots: many requests delay no scrape, and vice versa.
    """

    def __init__(self, runtime: Runtime, *, max_requests: int) -> None:
        self._counters = runtime.counters.server
        self._runtime = runtime
        self._limits = RateLimits()
        self._reads: SharedWork[ReadAvailability] = SharedWork(
            max_requests, at_once=_AT_ONCE, patience=_PATIENCE_SECONDS
        )

    async def answer(self, request: Request) -> Response:
        """Answer one question."""
        started = time.monotonic()
        answer = await self._answer(request)
        self._counters.record_available(answer.counted, time.monotonic() - started)
        return answer.response()

    async def _answer(self, request: Request) -> _Answer:  # noqa: PLR0911 - one for each end
        user: AvailableUser | None = request.scope["state"].get(CALLER)
        if user is not None and (wait := self._limits.seconds_to_wait(user)) > 0:
            words = f"more than {user.questions_per_second:g} requests a second"
            return _refusal(429, words, wait)
        try:
            question = parse_question(request.query_params)
            return _of_result(question, await self._ask(request, question, user))
        except BadRequestError as error:
            return _refusal(400, str(error))
        except UnknownNameError as error:
            return _refusal(404, str(error))
        except NoFreeSlotError:
            return _refusal(503, "too many requests in progress, and none ended in time", 1)
        except TimeoutError:
            content = {"can_take_call": None, "error": "no answer in time"}
            return _Answer(503, content, _ANSWERS[None])
        except Exception:
            log.exception("Internal error while answering /available")
            return _refusal(500, "internal error; see the log of the exporter")

    async def _ask(
        self, request: Request, question: Question, user: AvailableUser | None
    ) -> ReadAvailability:
        way_back = min(_WAY_BACK_SECONDS, question.timeout * _WAY_BACK_SHARE)
        # Requests with similar timeouts share the shortest, as for scrapes.
        key = (
            replace(question, timeout=math.floor(math.log2(question.timeout))),
            user and (user.accounts, user.teams),
        )
        read = partial(read_available, self._runtime, question, user)
        async with asyncio.timeout(question.timeout - way_back / 2):
            return await self._reads.get_in_time(key, read, request, question.timeout - way_back)


def _refusal(status: int, words: str, retry_after: float | None = None) -> _Answer:
    # For programs that read the field and not the status: "not known".
    return _Answer(status, {"can_take_call": None, "error": words}, retry_after=retry_after)


def _of_result(question: Question, result: ReadAvailability) -> _Answer:
    if len(question.queues) == 1:
        (found,) = result.report.queues
        counted = _ANSWERS[found.can_take_call]
        if found.can_take_call is None:
            return _Answer(503, found.as_json(), counted, result.retry_after)
        return _Answer(200, found.as_json(), counted)
    can_take_call, report = result.report.can_take_call, result.report
    if question.only_true:
        report = replace(report, queues=tuple(one for one in report.queues if one.can_take_call))
    return _Answer(
        200, {**report.as_json(), "can_take_call": can_take_call}, _ANSWERS[can_take_call]
    )
