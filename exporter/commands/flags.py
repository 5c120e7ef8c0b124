"""The flags: named as Prometheus names them, each with an environment variable of its own."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from exporter import logs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["CONFIGURATION", "LOGGING", "SERVING", "Flag", "add_flags"]


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag; ``metavar`` says what its value is in the help."""

    name: str
    metavar: str
    help: str
    default: str | None = None
    parse: Callable[[str], Any] = str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def variable(self) -> str:
        """The environment variable that gives the value where the flag does not."""
        return "CALLTOOLS_EXPORTER_" + self.name.replace(".", "_").replace("-", "_").upper()


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _seconds(text: str) -> float:
    seconds = float(text.removesuffix("s"))
    if not 0 <= seconds < float("inf"):
        raise ValueError
    return seconds


CONFIGURATION: Final = (
    Flag(
        "config.file",
        "PATH",
        "the configuration; without it exporter.yml if there is one, else CALLTOOLS_URL,"
        " CALLTOOLS_TOKEN, CALLTOOLS_AVAILABLE_STATUS and CALLTOOLS_QUEUES",
        parse=Path,
    ),
    Flag(
        "scrape.max-parallel-requests",
        "NUMBER",
        "requests to the API at a time, over all hosts",
        "256",
        _positive,
    ),
)
LOGGING: Final = (
    Flag("log.level", "LEVEL", "log this and above", "info", options={"choices": logs.LEVELS}),
    Flag("log.format", "FORMAT", "of log lines", "logfmt", options={"choices": logs.FORMATS}),
)
SERVING: Final = (
    Flag(
        "web.listen-address",
        "ADDRESS",
        "host:port to listen on; may be given several times",
        ":15457",
        options={"action": "append"},
    ),
    Flag(
        "web.max-requests",
        "NUMBER",
        "scrapes worked on at a time; more wait for a turn",
        "40",
        _positive,
    ),
    Flag(
        "scrape.timeout-offset",
        "SECONDS",
        "taken off Prometheus' scrape timeout, for the way back",
        "0.5",
        _seconds,
    ),
)


def add_flags(
    parser: argparse.ArgumentParser, flags: Iterable[Flag], environ: Mapping[str, str]
) -> None:
    """Let a parser know these flags; what the environment sets becomes their default."""
    for flag in flags:

        def parse(text: str, flag: Flag = flag) -> object:
            try:
                return flag.parse(text)
            except ValueError:
                message = f"found {text!r}, expected {flag.metavar.lower()}"
                raise argparse.ArgumentTypeError(message) from None

        default: object = environ.get(flag.variable) or flag.default
        shown = f"; default {flag.default}" if flag.default else ""
        options = {**flag.options, "type": parse}
        if options.get("action") == "append":
            # A list as default would be added to; the command splits what came from elsewhere.
            options["default"] = None
            parser.set_defaults(**{f"{_attribute(flag)}_default": str(default).split(",")})
        else:
            options["default"] = default
        parser.add_argument(
            f"--{flag.name}",
            dest=_attribute(flag),
            metavar=flag.metavar,
            help=f"{flag.help} (${flag.variable}{shown})",
            **options,
        )


def _attribute(flag: Flag) -> str:
    return flag.name.replace(".", "_").replace("-", "_")
