"""The flags: named as Prometheus names them, each with an environment variable of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import click
from click.shell_completion import CompletionItem

__all__ = [
    "CONFIG_FILE",
    "LIFECYCLE",
    "LISTEN_ADDRESS",
    "LOGGING",
    "LOG_FORMATS",
    "LOG_LEVELS",
    "LOOPBACK_ADDRESS",
    "PARALLEL",
    "RELOAD_INTERVAL",
    "SERVING",
    "TIMEOUT",
    "VARIABLES",
    "WEB_CONFIG_FILE",
    "combine",
    "link_base",
]

Decorator: TypeAlias = Callable[[Any], Any]
T = TypeVar("T")

#: As `exporter.logs` has them, which takes long to import.
LOG_LEVELS: Final = ("debug", "info", "warn", "error")
LOG_FORMATS: Final = ("logfmt", "json")

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}

#: The environment variables that give a flag's value where the flag does not.
VARIABLES: Final[set[str]] = set()


def combine(*options: Decorator) -> Decorator:
    """Return a decorator that gives a command several flags, listed in this order."""
    return lambda command: reduce(lambda made, option: option(made), reversed(options), command)


def _variable(name: str) -> str:
    variable = "CALLTOOLS_EXPORTER_" + re.sub("[.-]", "_", name).upper()
    VARIABLES.add(variable)
    return variable


def _flag(  # noqa: PLR0913 - by name, and most have a default
    name: str,
    words: str,
    *,
    metavar: str,
    parse: Callable[[str], object] = str,
    expected: str = "",
    default: str | None = None,
    choices: Sequence[str] = (),
    **more: Any,
) -> Decorator:
    """Return a flag whose value ``parse`` reads; it raises ValueError for what is not expected."""

    def read(context: click.Context, parameter: click.Parameter, value: object) -> object:
        def one(text: str) -> object:
            try:
                return parse(text)
            except ValueError:
                message = f"found {text!r}, expected {expected}"
                raise click.BadParameter(message, context, parameter) from None

        return one(value) if isinstance(value, str) else value

    def complete(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
        return [CompletionItem(word) for word in choices if word.startswith(begun)]

    settings: dict[str, Any] = {"callback": read, **more}
    if choices:
        settings["shell_complete"] = complete
    return click.option(
        f"--{name}",
        re.sub("[.-]", "_", name),
        metavar=metavar,
        default=default,
        envvar=_variable(name),
        show_envvar=True,
        show_default=default is not None,
        help=words,
        **settings,
    )


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _seconds(text: str) -> float:
    """Read seconds, with or without a unit, as Prometheus' durations have one."""
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)(ms|s|m|h|)", text.strip(), re.ASCII)
    if match is None:
        raise ValueError
    seconds = float(match[1]) * _UNITS[match[2]]
    if seconds > 3600:
        raise ValueError
    return seconds


def _a_second_or_more(text: str) -> float:
    seconds = _seconds(text)
    if seconds < 1:
        raise ValueError
    return seconds


def _seconds_flag(name: str, words: str, default: str) -> Decorator:
    return _flag(
        name,
        words,
        metavar="DURATION",
        parse=_seconds,
        expected="seconds, from 0 to 3600, or a duration such as 500ms, 10s or 1m",
        default=default,
    )


def link_base(name: str, words: str) -> Decorator:
    """Return a flag for a URL that links begin with; it is written into YAML as it is."""

    def read(context: click.Context, parameter: click.Parameter, url: str | None) -> str | None:
        if url is not None and not re.fullmatch(r"https?://[\w./~%:?=&@+#-]+", url):
            message = (
                f"found {url!r}, expected the beginning of links, such as https://example.com/x"
            )
            raise click.BadParameter(message, context, parameter)
        return url

    return click.option(f"--{name}", metavar="URL", callback=read, help=words)


def _choice(name: str, words: str, choices: Sequence[str], default: str) -> Decorator:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError
        return text

    return _flag(
        name,
        f"{words}: {', '.join(choices)}.",
        metavar="WORD",
        parse=parse,
        expected=" or ".join(choices),
        default=default,
        choices=choices,
    )


def _addresses(
    context: click.Context, parameter: click.Parameter, given: Sequence[str]
) -> tuple[str, ...]:
    """Return all addresses; in the variable there are commas or blanks between them."""
    found = tuple(word for text in given for word in re.split(r"[,\s]+", text) if word)
    if not found:
        raise click.BadParameter("found nothing, expected host:port", context, parameter)
    return found


def _listen_address(default: str) -> Decorator:
    return click.option(
        "--web.listen-address",
        "web_listen_address",
        metavar="ADDRESS",
        multiple=True,
        default=(default,),
        envvar=_variable("web.listen-address"),
        show_envvar=True,
        show_default=True,
        callback=_addresses,
        help="host:port to listen on. Can be given several times.",
    )


CONFIG_FILE: Final = _flag(
    "config.file",
    "The configuration: a file, or a folder of *.yml. Default: exporter.yml if it exists, else the"
    " variables CALLTOOLS_URL, CALLTOOLS_TOKEN, CALLTOOLS_AVAILABLE_STATUS and CALLTOOLS_QUEUES.",
    metavar="PATH",
    type=click.Path(path_type=Path),
)
PARALLEL: Final = _flag(
    "scrape.max-parallel-requests",
    "Maximum number of concurrent requests to the API, across all hosts.",
    metavar="NUMBER",
    parse=_count,
    expected="a whole number from 1",
    default="256",
)
TIMEOUT: Final = _seconds_flag("timeout", "Time limit for the whole command.", "10s")
LOGGING: Final = combine(
    _choice("log.level", "Lowest level to log", LOG_LEVELS, "info"),
    _choice("log.format", "Format of log lines", LOG_FORMATS, "logfmt"),
)
LISTEN_ADDRESS: Final = _listen_address(":15457")
#: A demo is for the person at this machine.
LOOPBACK_ADDRESS: Final = _listen_address("127.0.0.1:15457")
RELOAD_INTERVAL: Final = _seconds_flag(
    "config.auto-reload-interval",
    "How often to check the configuration for changes, to reload it then. 0: never.",
    "0s",
)
WEB_CONFIG_FILE: Final = _flag(
    "web.config.file",
    "TLS, passwords and headers, in the format of Prometheus' exporter-toolkit.",
    metavar="PATH",
    type=click.Path(path_type=Path),
)
AVAILABLE_USERS_FILE: Final = _flag(
    "web.available-users.file",
    "A file of users who may request /available only, each for its accounts and teams.",
    metavar="PATH",
    type=click.Path(path_type=Path),
)
LIFECYCLE: Final = click.option(
    "--web.enable-lifecycle/--no-web.enable-lifecycle",
    "web_enable_lifecycle",
    default=False,
    envvar=_variable("web.enable-lifecycle"),
    show_envvar=True,
    help="Enable POST /-/reload, which reloads the configuration.",
)
SERVING: Final = combine(
    _flag(
        "web.max-requests",
        "Maximum number of concurrent scrapes; further ones wait.",
        metavar="NUMBER",
        parse=_count,
        expected="a whole number from 1",
        default="40",
    ),
    _seconds_flag(
        "scrape.timeout-offset", "Time to subtract from Prometheus' scrape timeout.", "0.5s"
    ),
    _flag(
        "scrape.max-timeout",
        "Longest scrape timeout that a request can ask for.",
        metavar="DURATION",
        parse=_a_second_or_more,
        expected="seconds, from 1 to 3600, or a duration such as 30s or 2m",
        default="2m",
    ),
)
