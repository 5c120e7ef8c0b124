"""Read the command line and the environment, and run a command."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn

from exporter import __version__, config, logs
from exporter.commands import exits
from exporter.commands.check import check
from exporter.commands.demo import demo
from exporter.commands.flags import (
    CONFIGURATION,
    LISTEN_ADDRESS,
    LOGGING,
    SERVING,
    add_flags,
    several,
)
from exporter.commands.ping import ping
from exporter.commands.serve import ServeOptions, serve
from exporter.errors import ExporterError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from exporter.settings import Configuration

__all__ = ["main"]

_DESCRIPTION: Final = """\
Tell Prometheus which agents of your CallTools queues can take a call.

  calltools-exporter demo       try it: a simulated CallTools account, nothing to configure
  calltools-exporter check      read exporter.yml and list every mistake in it
  calltools-exporter ping       ask now, and print who is available
  calltools-exporter            serve /metrics for Prometheus
"""
_COMMANDS: Final = ("serve", "check", "ping", "schema", "demo")


class _Parser(argparse.ArgumentParser):
    """A parser whose mistakes fit in two lines."""

    def error(self, message: str) -> NoReturn:
        self.exit(exits.UNKNOWN, f"{self.prog}: {message}\nTry '{self.prog} --help'.\n")


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run one command and return the exit code of the process."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    environ = os.environ if environ is None else environ
    first = next((one for one in arguments if not one.startswith("-")), None)
    asks_for_help = any(one in {"-h", "--help", "--version"} for one in arguments)
    if first not in _COMMANDS and not (asks_for_help and first is None):
        arguments = ["serve", *arguments]
    try:
        options = _parser(environ).parse_args(arguments)
        logs.configure(options.log_level, options.log_format)
        run: Callable[[argparse.Namespace, Mapping[str, str]], int] = options.run
        return run(options, environ)
    except ExporterError as error:
        print(f"calltools-exporter: {error}", file=sys.stderr)
        return exits.UNKNOWN if first == "ping" else exits.WRONG
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.OK


def _parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="calltools-exporter",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="'calltools-exporter COMMAND --help' lists the flags of a command; 'serve' is the"
        " command where none is given.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"calltools-exporter {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True, parser_class=_Parser)

    def command(
        name: str, words: str, run: Callable[..., int], *flags: Any, **more: Any
    ) -> argparse.ArgumentParser:
        one = commands.add_parser(
            name, help=words, description=words[0].upper() + words[1:] + ".", allow_abbrev=False
        )
        add_flags(one, (*flags, *LOGGING), environ)
        one.set_defaults(run=run, **more)
        return one

    command("serve", "serve /metrics for Prometheus", _serve, *CONFIGURATION, *SERVING)
    command("check", "list every mistake in the configuration", _check, *CONFIGURATION)
    one = command("ping", "ask now, and print who is available", _ping, *CONFIGURATION)
    one.add_argument("target", nargs="?", metavar="ACCOUNT[/QUEUE]", help="default: everything")
    one.add_argument("--json", action="store_true", help="print JSON instead of a table")
    one.add_argument(
        "--timeout", type=float, default=10.0, metavar="SECONDS", help="for all of it; default 10"
    )
    command("schema", "print the JSON Schema of the configuration, for editors", _schema)
    command("demo", "run the exporter on a simulated CallTools account", _demo, *SERVING)
    return parser


def _load(options: argparse.Namespace, environ: Mapping[str, str]) -> Configuration:
    return config.load(config.find_file(options.config_file), environ).configuration


def _serve_options(options: argparse.Namespace, environ: Mapping[str, str]) -> ServeOptions:
    return ServeOptions(
        listen_addresses=several(LISTEN_ADDRESS, options, environ),
        max_requests=options.web_max_requests,
        timeout_offset_seconds=options.scrape_timeout_offset,
    )


def _serve(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    return serve(
        _load(options, environ),
        _serve_options(options, environ),
        options.scrape_max_parallel_requests,
    )


def _check(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    return check(options.config_file, environ)


def _ping(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    return ping(
        _load(options, environ),
        options.target,
        as_json=options.json,
        timeout_seconds=options.timeout,
        max_parallel_requests=options.scrape_max_parallel_requests,
    )


def _schema(_: argparse.Namespace, __: Mapping[str, str]) -> int:
    print(config.json_schema(), end="")
    return exits.OK


def _demo(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    return demo(_serve_options(options, environ))
