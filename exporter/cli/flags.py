"""The flags: named as Prometheus names them, each with an environment variable of its own."""

import os
import re
from collections.abc import Callable, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, TypeAlias

import click

Decorator: TypeAlias = Callable[[Any], Any]
Read: TypeAlias = Callable[[str], object]

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}

#: The environment variables that give a flag's value where the flag does not.
VARIABLES: set[str] = set()


class _Path(click.Path):
    """A path, as click completes it; whoever uses it reports what is wrong with the file."""

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Path:
        """Return the path; no text, as from a variable that is not set, is none."""
        if not value:  # it would be the current folder
            self.fail("found nothing, expected a path", param, ctx)
        return Path(value)


PATH = _Path()


def _expecting(expected: str) -> Callable[[Read], Read]:
    """Return a decorator for what reads a flag's value, or raises ValueError."""

    def decorate(read: Read) -> Read:
        def convert(text: str) -> object:
            try:
                return read(text)
            except ValueError:
                raise click.BadParameter(f"found {text!r}, expected {expected}") from None

        return convert

    return decorate


@_expecting("a whole number from 1")
def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _seconds(least: float) -> Read:
    """Return what reads seconds, or a duration as Prometheus writes it."""

    @_expecting(f"seconds, from {least:g} to 3600, or a duration such as 10s or 1m30s")
    def read(text: str) -> float:
        parts = re.findall("([0-9.]+)(ms|[smh])", text)
        is_duration = parts and "".join(map("".join, parts)) == text.strip()
        units = sum(float(number) * _UNITS[unit] for number, unit in parts)
        seconds = units if is_duration else float(text)
        if not least <= seconds <= 3600:
            raise ValueError
        return seconds

    return read


@_expecting("the beginning of links, such as https://example.com/x")
def link_base(text: str) -> str:
    """Read a URL that links begin with; it is written into YAML as it is."""
    if not re.fullmatch(r"https?://[\w./~%:?=&@+#-]+", text):
        raise ValueError
    return text


def combine(*options: Decorator) -> Decorator:
    """Return a decorator that gives a command several flags, listed in this order."""
    return lambda command: reduce(lambda made, option: option(made), reversed(options), command)


def _flag(name: str, words: str, *, spelling: str = "", **more: Any) -> Decorator:
    """Return a flag that an environment variable can give as well."""
    identifier = re.sub("[.-]", "_", name)
    variable = f"CALLTOOLS_EXPORTER_{identifier.upper()}"
    VARIABLES.add(variable)
    more.setdefault("show_default", "default" in more)
    return click.option(
        spelling or f"--{name}", identifier, envvar=variable, show_envvar=True, help=words, **more
    )


def _choice(name: str, words: str, choices: Sequence[str], default: str) -> Decorator:
    words = f"{words}: {', '.join(choices)}."
    return _flag(name, words, metavar="WORD", type=click.Choice(choices), default=default)


def _addresses(
    context: click.Context, parameter: click.Parameter, given: Sequence[str]
) -> tuple[str, ...]:
    """Return all addresses; in the variable there are commas or blanks between them."""
    found = tuple(word for text in given for word in re.split(r"[,\s]+", text) if word)
    if not found:
        raise click.BadParameter("found nothing, expected host:port", context, parameter)
    return found


def _listen_address(default: str) -> Decorator:
    return _flag(
        "web.listen-address",
        "host:port to listen on. Can be given several times.",
        metavar="ADDRESS",
        multiple=True,
        default=(default,),
        callback=_addresses,
    )


CONFIG_FILE = _flag(
    "config.file",
    "The configuration: a file, or a folder of *.yml. Default: exporter.yml if it exists, else the"
    " variables CALLTOOLS_URL, CALLTOOLS_TOKEN and CALLTOOLS_QUEUES, and optionally"
    " CALLTOOLS_AVAILABLE_STATUS and CALLTOOLS_ACCOUNT.",
    type=PATH,
)
PARALLEL = _flag(
    "scrape.max-parallel-requests",
    "Maximum number of concurrent requests to the API, across all hosts.",
    metavar="NUMBER",
    type=_count,
    default="256",
)
TIMEOUT = _flag(
    "timeout",
    "Time limit for the whole command.",
    metavar="DURATION",
    type=_seconds(0.05),
    default="10s",
)
LOGGING = combine(
    # As `exporter.logs` has them, which takes long to import.
    _choice("log.level", "Lowest level to log", ("debug", "info", "warn", "error"), "info"),
    _choice("log.format", "Format of log lines", ("logfmt", "json"), "logfmt"),
)
LISTEN_ADDRESS = _listen_address(":15457")
#: A demo is for the person at this machine.
LOOPBACK_ADDRESS = _listen_address("127.0.0.1:15457")
RELOAD_INTERVAL = _flag(
    "config.auto-reload-interval",
    "How often to check the configuration for changes, to reload it then. 0: never.",
    metavar="DURATION",
    type=_seconds(0),
    default="0s",
)
WEB_CONFIG_FILE = _flag(
    "web.config.file",
    "TLS, passwords and headers, in the format of Prometheus' exporter-toolkit.",
    type=PATH,
)
AVAILABLE_USERS_FILE = _flag(
    "web.available-users.file",
    "A file of users who may request /available only, each for its accounts and teams.",
    type=PATH,
)
LIFECYCLE = _flag(
    "web.enable-lifecycle",
    "Enable POST /-/reload, which reloads the configuration.",
    spelling="--web.enable-lifecycle/--no-web.enable-lifecycle",
    default=False,
    show_default=False,
)
SERVING = combine(
    _flag(
        "web.max-requests",
        "Maximum number of concurrent scrapes; further ones wait.",
        metavar="NUMBER",
        type=_count,
        default="40",
    ),
    _flag(
        "scrape.timeout-offset",
        "Time to subtract from Prometheus' scrape timeout.",
        metavar="DURATION",
        type=_seconds(0),
        default="0.5s",
    ),
    _flag(
        "scrape.max-timeout",
        "Longest scrape timeout that a request can ask for.",
        metavar="DURATION",
        type=_seconds(1),
        default="2m",
    ),
)
