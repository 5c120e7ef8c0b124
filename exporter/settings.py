"""The configuration as the rest of the program uses it: checked, resolved and frozen."""

import os
import re
from base64 import b64decode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NoReturn, Protocol
from urllib.parse import urlsplit

from exporter.errors import TokenError
from exporter.files import read_file
from exporter.schedule import Schedule
from exporter.text import path_text

#: The ``available_status`` that is found by the actions of the account's statuses.
AUTO = "auto"

_PREFIX = re.compile(r"\s*(?:token\s+)?", re.IGNORECASE)
#: What may separate the characters of a key that an answer repeats: tags, and anything but visible
#: ASCII, which all characters of a key are.
_BETWEEN = r"(?:<[^<>]*>|[^!-~])*"
_ASSIGNMENT = re.compile(
    r"(?:export\s+)?(?:[A-Z][A-Z0-9_]{2,}|(?i:[a-z_.-]*(?:key|token|secret)))\s*[=:]\s*\S.*"
)


class Secret:
    """Hold an API key so that no log, page, traceback or ``repr`` can show it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the key itself, for its one header."""
        return self._value

    def mask(self, text: str) -> str:
        """Return the text with the key replaced, for answers that echo it.

        The key is found in any case, and with tags, blanks or invisible characters inside.
        """
        if not self._value:
            return text
        pattern = _BETWEEN.join(re.escape(character) for character in self._value)
        return re.sub(pattern, "***", text, flags=re.IGNORECASE)

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(("Secret", self._value))

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is never written anywhere, so it cannot be pickled or copied")


class TokenSource(Protocol):
    """Where an API key is read, again for each scrape, so that a changed key is used at once."""

    def read(self) -> Secret:
        """Return the key.

        Raises:
            TokenError: it is missing, empty, or holds what no key holds.
        """

    def describe(self) -> str:
        """Return where the key is, never what it is."""


def read_key(text: str, source: str) -> Secret:
    """Return a key as people paste it: with white space around it or its ``Token `` prefix.

    Raises:
        TokenError: it is empty, or holds what no key holds; the message names only the source.
    """
    key = _PREFIX.sub("", text.strip(), count=1)
    if not key:
        raise TokenError(f"{source} is empty; expected the API key")
    if looks := _looks_like(key):
        raise TokenError(f"{source} looks like {looks}; expected the API key alone")
    if not key.isascii() or not key.isprintable() or " " in key:
        words = "more than one word, or characters that no API key has; expected the API key alone"
        raise TokenError(f"{source} holds {words}")
    return Secret(key)


def _looks_like(text: str) -> str | None:
    """Return what a text looks like instead of a key, None if it may be one."""
    if len(text) > 1 and text[0] in "\"'`" and text[-1] == text[0]:
        return "a key in quotation marks"
    if text.startswith(("{", "[")):
        return "JSON"
    if text.startswith("-----BEGIN "):
        return "a certificate or private key in PEM form"
    if _ASSIGNMENT.fullmatch(text):
        return "a line NAME=VALUE"
    return "base64 of a text" if _is_base64_of_text(text) else None


def _is_base64_of_text(text: str) -> bool:
    """Return whether decoding base64 gives plain text, which it does not for a key."""
    if len(text) < 16:
        return False
    try:
        decoded = b64decode("".join(text.split()), validate=True).decode("ascii")
    except ValueError:
        return False
    return decoded.strip().isprintable()


@dataclass(frozen=True, slots=True)
class TokenFile:
    """An API key in a file."""

    path: Path

    def read(self) -> Secret:
        """Return the key in the file; see `TokenSource`."""
        try:
            text = read_file(self.path).decode("utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a text file"
            raise TokenError(f"{self.describe()} cannot be read: {reason}") from None
        return read_key(text, self.describe())

    def describe(self) -> str:
        """Return the name of the file."""
        return f"token_file {path_text(self.path)}"


@dataclass(frozen=True, slots=True)
class TokenEnvironment:
    """An API key in an environment variable."""

    variable: str

    def read(self) -> Secret:
        """Return the key in the variable; see `TokenSource`."""
        return read_key(os.environ.get(self.variable, ""), self.describe())

    def describe(self) -> str:
        """Return the name of the variable."""
        return f"token_env {self.variable}"


@dataclass(frozen=True, slots=True)
class TokenValue:
    """An API key that is at hand, with words for where it is from."""

    secret: Secret
    source: str

    def read(self) -> Secret:
        """Return the key."""
        return self.secret

    def describe(self) -> str:
        """Return where it is from."""
        return self.source


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """How the API's certificate is verified, and the client's own."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    insecure_skip_verify: bool = False

    @property
    def files(self) -> dict[str, Path]:
        """The files, by the key that names each."""
        files = {"ca_file": self.ca_file, "cert_file": self.cert_file, "key_file": self.key_file}
        return {key: path for key, path in files.items() if path is not None}


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue to ask for.

    ``available_status`` holds the statuses whose agents are added up: ids, and until the account's
    list has been read also names or `AUTO`. ``schedule`` is None for a queue that is always open.
    """

    id: int
    name: str
    available_status: tuple[int | str, ...]
    required_agents: int = 1
    team: str = ""
    schedule: Schedule | None = None

    @property
    def status_ids(self) -> tuple[int, ...]:
        """The ids among the available statuses; all of them, once names are resolved."""
        return tuple(choice for choice in self.available_status if isinstance(choice, int))


@dataclass(frozen=True, slots=True)
class QueueException:
    """How one queue differs from the others of an account whose queues the API lists.

    It applies to the queue with ``id``, where that is given; ``name`` is then its label, None for
    the API's name. Without an id it applies to every queue that the API calls ``name``. ``queue``
    has its settings, complete except for id and name; None for a queue to be ignored.
    """

    id: int | None
    name: str | None
    queue: Queue | None


@dataclass(frozen=True, slots=True)
class Account:
    """One CallTools account: a silo, a key and the queues asked for with it.

    ``url`` is an origin without a path. ``timeout`` is in seconds, for one request; None leaves it
    to the scrape's budget. ``max_parallel_requests`` are those to the account's host, the same for
    all accounts there. ``proxy`` is the resolved URL of the proxy to use, None for none. A queue
    asked for less than ``max_age`` seconds ago is not asked for again. Where the API is asked which
    queues there are, ``queues`` is empty and ``every_queue`` has the settings of each, except for
    id and name, unless one of the ``exceptions`` applies to it; otherwise it is None.
    """

    name: str
    url: str
    token: TokenSource
    queues: tuple[Queue, ...]
    timeout: float | None = None
    max_parallel_requests: int = 16
    tls: TlsFiles = field(default_factory=TlsFiles)
    proxy: str | None = field(default=None, repr=False)
    detail: Literal["count", "agents"] = "count"
    max_age: float = 0.0
    every_queue: Queue | None = None
    exceptions: tuple[QueueException, ...] = ()

    def exception_for(self, id_: int, name: str) -> QueueException | None:
        """Return the exception that applies to a queue of the API, if any; its id counts first."""
        by_name = None
        for exception in self.exceptions:
            if exception.id == id_:
                return exception
            if exception.id is None and exception.name == name:
                by_name = exception
        return by_name

    @property
    def described_queues(self) -> list[Queue]:
        """Every queue that the configuration describes, also what stands for those of the API."""
        queues = [*self.queues, self.every_queue, *(one.queue for one in self.exceptions)]
        return [queue for queue in queues if queue is not None]

    @property
    def host(self) -> str:
        """The host, with its port where the URL names one: the silo."""
        return urlsplit(self.url).netloc


@dataclass(frozen=True, slots=True)
class Configuration:
    """All accounts, in the order of the file."""

    accounts: tuple[Account, ...]
