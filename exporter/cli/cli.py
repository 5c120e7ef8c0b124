"""Read the command line and the environment, and run a command."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, NoReturn

from exporter import __version__, config, logs
from exporter.cli import exits
from exporter.cli.check import check
from exporter.cli.demo import demo
from exporter.cli.flags import (
    CONFIGURATION,
    DEMO,
    ENABLE_LIFECYCLE,
    LISTEN_ADDRESS,
    LOGGING,
    PARALLEL,
    RELOADING,
    SERVING,
    TIMEOUT,
    WEB,
    WEB_FILE,
    Flag,
    add_flags,
    add_init_arguments,
    several,
)
from exporter.cli.init import init
from exporter.cli.init_input import InitOptions
from exporter.cli.online import check_online
from exporter.cli.ping import ping
from exporter.cli.serve import ServeOptions, serve
from exporter.errors import ConfigurationError, ExporterError
from exporter.settings import Configuration
from exporter.text import did_you_mean

__all__ = ["main"]

_DESCRIPTION: Final = """\
Tell Prometheus which agents of your CallTools queues can take a call.

  calltools-exporter demo       try it: a simulated CallTools account, nothing to configure
  calltools-exporter init       write exporter.yml with what the API tells of your account
  calltools-exporter check      read exporter.yml and list every mistake in it
  calltools-exporter ping       ask now, and print who is available
  calltools-exporter            serve /metrics for Prometheus
"""


class _Parser(argparse.ArgumentParser):
    """A parser whose mistakes fit in two lines, and which suggests the flag that was meant."""

    def error(self, message: str) -> NoReturn:
        self.exit(exits.UNKNOWN, f"{self.prog}: {message}\nTry '{self.prog} --help'.\n")

    def refuse(self, word: str) -> NoReturn:
        """Tell of a word that nothing here takes."""
        self.error(
            f"unknown {word!r}{did_you_mean(word.partition('=')[0], self._option_string_actions)}"
        )


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] | None = None) -> int:
    """Run one command and return the exit code of the process."""
    arguments = sys.argv[1:] if arguments is None else arguments
    environ = os.environ if environ is None else environ
    parser, commands = _parsers(environ)
    command, rest = _command_of(arguments, commands)
    try:
        options = _parse(command, rest, parser, commands)
        logs.configure(options.log_level, options.log_format)
        run: Callable[[argparse.Namespace, Mapping[str, str]], int] = options.run
        code = run(options, environ)
        sys.stdout.flush()
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return exits.UNKNOWN if command == "ping" else exits.WRONG
    except ExporterError as error:
        print(f"calltools-exporter: {error}", file=sys.stderr)
        return exits.UNKNOWN if command == "ping" else exits.WRONG
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has seen enough; Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.UNREAD
    return code


def _command_of(
    arguments: Sequence[str], commands: Collection[str]
) -> tuple[str | None, Sequence[str]]:
    """Return the command, which may stand before its flags or after them, and all the rest.

    Without one it is `serve`, or None where the version or help on all commands is asked for.
    """
    if "--version" in arguments:
        return None, ["--version"]
    words = [
        at
        for at, word in enumerate(arguments)
        if not word.startswith("-") and not (at and _takes_a_value(arguments[at - 1]))
    ]
    at = next((at for at in words if arguments[at] in commands), next(iter(words), None))
    if at is not None:
        return arguments[at], [*arguments[:at], *arguments[at + 1 :]]
    return None if {"-h", "--help"}.intersection(arguments) else "serve", arguments


def _takes_a_value(word: str) -> bool:
    """Tell whether the next word is this one's value: flags with a dot have one, but switches."""
    if word == f"--{ENABLE_LIFECYCLE.name}":
        return False
    return word.startswith("--") and "." in word and "=" not in word


def _parse(
    command: str | None, rest: Sequence[str], parser: _Parser, commands: Mapping[str, _Parser]
) -> argparse.Namespace:
    if command is None:
        return parser.parse_args(rest)
    if command not in commands:
        meant = did_you_mean(command, commands) or f"; the commands are {', '.join(commands)}"
        parser.error(f"unknown command {command!r}{meant}")
    options, unknown = parser.parse_known_args([command, *rest])
    if unknown:
        commands[command].refuse(unknown[0])
    return options


def _parsers(environ: Mapping[str, str]) -> tuple[_Parser, Mapping[str, _Parser]]:
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
    ) -> _Parser:
        one = commands.add_parser(
            name, help=words, description=words[0].upper() + words[1:] + ".", allow_abbrev=False
        )
        add_flags(one, (*flags, *LOGGING), environ)
        one.set_defaults(run=run, **more)
        return one

    serving = (*CONFIGURATION, RELOADING, *SERVING, *WEB)
    command("serve", "serve /metrics for Prometheus", _serve, *serving)
    one = command(
        "check",
        "list every mistake in the configuration",
        _check,
        *(*CONFIGURATION, WEB_FILE, TIMEOUT),
    )
    one.add_argument(
        "--online", action="store_true", help="ask each account's API as well: key, ids, filters"
    )
    one.add_argument("--json", action="store_true", help="with --online: print JSON")
    one.add_argument(
        "--schedules", action="store_true", help="print the next two weeks of each schedule"
    )
    one = command("ping", "ask now, and print who is available", _ping, *CONFIGURATION, TIMEOUT)
    one.add_argument("target", nargs="?", metavar="ACCOUNT[/QUEUE]", help="default: everything")
    one.add_argument("--json", action="store_true", help="print JSON instead of a table")
    one = command(
        "init", "write a configuration with every queue of an account", _init, PARALLEL, TIMEOUT
    )
    add_init_arguments(one)
    command("schema", "print the JSON Schema of the configuration, for editors", _schema)
    command("demo", "run the exporter on a simulated CallTools account", _demo, *DEMO)
    return parser, commands.choices


def _load(options: argparse.Namespace, environ: Mapping[str, str]) -> Configuration:
    return config.load(config.find_file(options.config_file), environ).configuration


def _serve_options(
    listen_address: Flag, options: argparse.Namespace, environ: Mapping[str, str]
) -> ServeOptions:
    return ServeOptions(
        listen_addresses=several(listen_address, options, environ),
        max_requests=options.web_max_requests,
        timeout_offset_seconds=options.scrape_timeout_offset,
        web_file=getattr(options, "web_config_file", None),
        lifecycle=getattr(options, "web_enable_lifecycle", False),
    )


def _serve(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    return serve(
        options.config_file,
        environ,
        _serve_options(LISTEN_ADDRESS, options, environ),
        max_parallel_requests=options.scrape_max_parallel_requests,
        auto_reload_seconds=options.config_auto_reload_interval,
    )


def _check(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    def online(configuration: Configuration) -> int:
        return check_online(
            configuration,
            as_json=options.json,
            timeout_seconds=options.timeout,
            max_parallel_requests=options.scrape_max_parallel_requests,
        )

    return check(
        options.config_file,
        environ,
        web_file=options.web_config_file,
        schedules=options.schedules,
        online=online if options.online else None,
    )


def _ping(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    return ping(
        _load(options, environ),
        options.target,
        as_json=options.json,
        timeout_seconds=options.timeout,
        max_parallel_requests=options.scrape_max_parallel_requests,
    )


def _init(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    return init(
        InitOptions(
            url=options.url,
            account=options.account,
            token_file=options.token_file,
            token_env=options.token_env,
            output=options.output,
            timeout_seconds=options.timeout,
            max_parallel_requests=options.scrape_max_parallel_requests,
        ),
        environ,
    )


def _schema(_: argparse.Namespace, __: Mapping[str, str]) -> int:
    print(json.dumps(config.json_schema(), indent=2))
    return exits.OK


def _demo(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    return demo(_serve_options(DEMO[0], options, environ))
