"""The errors that people may see, each with what they need to act on it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from exporter.text import did_you_mean

#: Status codes whose error counters exist, at 0, from the start.
HTTP_CODES = ("400", "401", "403", "404", "429", "500", "502", "503", "504")

#: The codes of failures without an HTTP status.
WORD_CODES = (
    "timeout",
    "dns",
    "connection",
    "tls",
    "redirect",
    "too_large",
    "invalid_json",
    "unexpected_answer",
    "filter_ignored",
    "unknown_id",
    "token",
)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something could not be read: a code for machines and words for people.

    ``code`` is three digits of an HTTP status or one of ``WORD_CODES``.
    """

    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class ExporterError(Exception):
    """An error for people: what was found, what is expected and what to do."""


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """One mistake in a configuration, at its place.

    Lines and columns count from 1; they are 0 where there is no such place (a missing file, an
    environment variable).
    """

    file: str
    line: int
    column: int
    path: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.path}: {self.message}" if self.path else f"{place}: {self.message}"


class ConfigurationError(ExporterError):
    """All mistakes of a configuration at once."""

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(sorted(mistakes))
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))


class UnknownNameError(ExporterError):
    """An account, a queue or a team was asked for that does not exist."""


class UnknownAccountError(UnknownNameError):
    """An account was asked for that is not configured; ``known`` are those that it may mean."""

    def __init__(self, name: str, known: Iterable[str] = ()) -> None:
        # The name is untrusted input: it is cut, and its control characters are escaped.
        super().__init__(f"account {name[:100]!r} is not configured{did_you_mean(name, known)}")


class UnknownQueueError(UnknownNameError):
    """A queue was asked for that its account does not have; ``known`` are those that it has."""

    def __init__(self, account: str, name: str, known: Iterable[str] = ()) -> None:
        super().__init__(
            f"account {account!r} has no queue {name[:100]!r}{did_you_mean(name, known)}"
        )


class UnknownTeamError(UnknownNameError):
    """A team was asked for that no queue has; ``known`` are those that there are."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"team {name[:100]!r} is not configured{did_you_mean(name, known)}")


class TokenError(ExporterError):
    """The API key of one account could not be read; other accounts are not affected."""


class ApiError(ExporterError):
    """The API gave no usable answer; ``failure`` says why, in a code and in words.

    ``retry_after`` is how many seconds the API asked to wait, None if it did not.
    """

    def __init__(self, failure: Failure, retry_after: float | None = None) -> None:
        self.failure = failure
        self.retry_after = retry_after
        super().__init__(str(failure))
