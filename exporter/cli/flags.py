"""The flags: named as Prometheus names them, each with an environment variable of its own."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from exporter import logs
from exporter.config import DEFAULT_FILE

__all__ = [
    "CONFIGURATION",
    "DEMO",
    "ENABLE_LIFECYCLE",
    "LISTEN_ADDRESS",
    "LOGGING",
    "PARALLEL",
    "RELOADING",
    "SERVING",
    "TIMEOUT",
    "WEB",
    "WEB_FILE",
    "Flag",
    "add_flags",
    "add_init_arguments",
    "several",
]


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag; ``parse`` raises ValueError for what is not ``expected``."""

    name: str
    metavar: str
    help: str
    default: str | None = None
    parse: Callable[[str], Any] = str
    expected: str = ""
    repeatable: bool = False
    switch: bool = False

    @property
    def variable(self) -> str:
        """The environment variable that gives the value where the flag does not."""
        return "CALLTOOLS_EXPORTER_" + self.attribute.upper()

    @property
    def attribute(self) -> str:
        """Where the parsed value is kept."""
        return self.name.replace(".", "_").replace("-", "_")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _seconds(text: str) -> float:
    seconds = float(text.removesuffix("s"))
    if not 0 <= seconds <= 3600:
        raise ValueError
    return seconds


def _one_of(words: tuple[str, ...]) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError
        return text

    return parse


PARALLEL: Final = Flag(
    "scrape.max-parallel-requests",
    "NUMBER",
    "requests to the API at a time, over all hosts",
    "256",
    _positive,
    "a whole number from 1",
)
CONFIGURATION: Final = (
    Flag(
        "config.file",
        "PATH",
        "the configuration; without it exporter.yml if there is one, else CALLTOOLS_URL,"
        " CALLTOOLS_TOKEN, CALLTOOLS_AVAILABLE_STATUS and CALLTOOLS_QUEUES",
        parse=Path,
    ),
    PARALLEL,
)
LOGGING: Final = (
    Flag(
        "log.level",
        "LEVEL",
        f"log this and above: {', '.join(logs.LEVELS)}",
        "info",
        _one_of(logs.LEVELS),
        " or ".join(logs.LEVELS),
    ),
    Flag(
        "log.format",
        "FORMAT",
        f"of log lines: {', '.join(logs.FORMATS)}",
        "logfmt",
        _one_of(logs.FORMATS),
        " or ".join(logs.FORMATS),
    ),
)
LISTEN_ADDRESS: Final = Flag(
    "web.listen-address",
    "ADDRESS",
    "host:port to listen on; may be given several times",
    ":15457",
    repeatable=True,
)
RELOADING: Final = Flag(
    "config.auto-reload-interval",
    "SECONDS",
    "look so often whether the configuration has changed, and reload it then; 0: never",
    "0",
    _seconds,
    "seconds, from 0 to 3600",
)
ENABLE_LIFECYCLE: Final = Flag(
    "web.enable-lifecycle", "", "let POST /-/reload read the configuration again", switch=True
)
WEB_FILE: Final = Flag(
    "web.config.file",
    "PATH",
    "TLS, passwords and headers, in the format of Prometheus' exporter-toolkit",
    parse=Path,
)
WEB: Final = (
    WEB_FILE,
    ENABLE_LIFECYCLE,
)
SERVING: Final = (
    LISTEN_ADDRESS,
    Flag(
        "web.max-requests",
        "NUMBER",
        "scrapes worked on at a time; more wait for a turn",
        "40",
        _positive,
        "a whole number from 1",
    ),
    Flag(
        "scrape.timeout-offset",
        "SECONDS",
        "taken off Prometheus' scrape timeout, for the way back",
        "0.5",
        _seconds,
        "seconds, from 0 to 3600",
    ),
)
#: A demo is for who sits at this machine.
DEMO: Final = (replace(LISTEN_ADDRESS, default="127.0.0.1:15457"), *SERVING[1:])
TIMEOUT: Final = Flag(
    "timeout", "SECONDS", "for all of it", "10", _seconds, "seconds, from 0 to 3600"
)


class _FromEnvironment(str):
    """A value that a variable gave, and not the command line."""

    __slots__ = ()


def add_flags(
    parser: argparse.ArgumentParser, flags: Iterable[Flag], environ: Mapping[str, str]
) -> None:
    """Let a parser know these flags; what the environment sets becomes their default."""
    for flag in flags:

        def parse(text: str, flag: Flag = flag) -> object:
            try:
                return flag.parse(text)
            except ValueError:
                where = f" in ${flag.variable}" if isinstance(text, _FromEnvironment) else ""
                message = f"found {str(text)!r}{where}, expected {flag.expected}"
                raise argparse.ArgumentTypeError(message) from None

        if flag.switch:
            parser.add_argument(
                f"--{flag.name}",
                dest=flag.attribute,
                action="store_true",
                default=environ.get(flag.variable, "").lower() in {"1", "true", "yes"},
                help=f"{flag.help} (${flag.variable}=true)",
            )
            continue
        default = _FromEnvironment(environ.get(flag.variable, "")) or flag.default
        shown = f"; default {flag.default}" if flag.default else ""
        parser.add_argument(
            f"--{flag.name}",
            dest=flag.attribute,
            metavar=flag.metavar,
            type=parse,
            action="append" if flag.repeatable else "store",
            default=None if flag.repeatable else default,
            help=f"{flag.help} (${flag.variable}{shown})",
        )


def add_init_arguments(parser: argparse.ArgumentParser) -> None:
    """Let a parser know what `init` takes; what is not given is asked for on a terminal."""
    for name, metavar, words in (
        ("url", "URL", "the URL you log in to ($CALLTOOLS_URL)"),
        ("token-file", "PATH", "the file that holds the API key"),
        ("token-env", "NAME", "the variable that holds it; default CALLTOOLS_TOKEN if it is set"),
        ("account", "NAME", "the account's name, a label; default the silo"),
    ):
        parser.add_argument(f"--{name}", metavar=metavar, help=words)
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=Path,
        default=DEFAULT_FILE,
        help="the file to write, which must not exist; default %(default)s",
    )


def several(flag: Flag, options: argparse.Namespace, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return all values of a repeatable flag; its variable holds them with commas between."""
    given: list[str] | None = getattr(options, flag.attribute)
    words = given or (environ.get(flag.variable) or flag.default or "").split(",")
    return tuple(word.strip() for word in words)
