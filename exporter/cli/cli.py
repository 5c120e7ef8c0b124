"""The commands and their flags. A command imports what it needs when it runs, to start fast."""

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import click

from exporter import __version__
from exporter.cli import exits, flags
from exporter.cli.group import CommandGroup
from exporter.cli.terminal import is_interactive, write

PROGRAM = "calltools-exporter"
#: Set by a shell's completion script, which `completion` prints.
COMPLETION_VARIABLE = "_CALLTOOLS_EXPORTER_COMPLETE"


@click.group(
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="'calltools-exporter COMMAND --help' lists the flags and the exit codes of a command;"
    " without a COMMAND, 'serve' runs.",
)
@click.version_option(__version__, prog_name=PROGRAM, message="%(prog)s %(version)s")
def calltools_exporter() -> None:
    """Report to Prometheus how many agents are available in your CallTools queues.

    Start with 'demo' to try it out, or with 'init' for your own account; then 'check', 'ping' and
    'serve'.
    """


@calltools_exporter.command()
@flags.combine(
    flags.CONFIG_FILE,
    flags.PARALLEL,
    flags.RELOAD_INTERVAL,
    flags.LISTEN_ADDRESS,
    flags.SERVING,
    flags.WEB_CONFIG_FILE,
    flags.AVAILABLE_USERS_FILE,
    flags.LIFECYCLE,
    flags.LOGGING,
)
def serve(config_file: Path | None, config_auto_reload_interval: float, **given: Any) -> int:
    """Serve /metrics for Prometheus."""
    from exporter.cli.serve import ServeOptions, serve

    options = ServeOptions(**given)
    return serve(config_file, os.environ, options, auto_reload_seconds=config_auto_reload_interval)


@calltools_exporter.command()
@click.argument("file", required=False, type=flags.PATH)
@flags.combine(flags.CONFIG_FILE, flags.WEB_CONFIG_FILE, flags.AVAILABLE_USERS_FILE)
@click.option(
    "--online", is_flag=True, help="Also verify each account's key, ids and filters with the API."
)
@click.option(
    "--no-secrets", is_flag=True, help="Do not read keys and TLS files, for example in CI."
)
@click.option(
    "--schedules",
    is_flag=True,
    help="Also print the next two weeks of each schedule, and which queues are always open.",
)
@click.option("--json", "as_json", is_flag=True, help="With --online: print JSON.")
@flags.combine(flags.TIMEOUT, flags.PARALLEL, flags.LOGGING)
@click.pass_context
def check(context: click.Context, /, file: Path | None, **given: Any) -> int:
    """List every mistake in the configuration.

    FILE, a file or a folder, can be given instead of --config.file.
    """
    source = context.get_parameter_source("config_file")
    if file and source is click.core.ParameterSource.COMMANDLINE:
        raise click.UsageError("found FILE and --config.file, expected one of them", context)
    if given["as_json"] and not given["online"]:
        raise click.UsageError("--json needs --online", context)
    if given["as_json"] and given["schedules"]:
        raise click.UsageError(
            "--json prints JSON and --schedules prints text, expected one of them", context
        )
    if given["online"] and given["no_secrets"]:
        raise click.UsageError(
            "--online reads the keys and --no-secrets does not, expected one of them", context
        )
    from exporter.cli.check import check

    online = None
    if given["online"]:
        from exporter.cli.online import check_online

        online = partial(
            check_online,
            as_json=given["as_json"],
            timeout_seconds=given["timeout"],
            max_parallel_requests=given["scrape_max_parallel_requests"],
        )
    return check(
        file or given["config_file"],
        os.environ,
        web_file=given["web_config_file"],
        secrets=not given["no_secrets"],
        users_file=given["web_available_users_file"],
        schedules=given["schedules"],
        online=online,
    )


@calltools_exporter.command()
@click.argument("target", required=False, metavar="[ACCOUNT[/QUEUE]]")
@flags.combine(flags.CONFIG_FILE, flags.TIMEOUT, flags.PARALLEL)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print JSON, in the format of GET /available, instead of a table.",
)
@click.option("--require-all", is_flag=True, help="Exit 0 only if every queue can take a call.")
@flags.LOGGING
def ping(target: str | None, config_file: Path | None, **given: Any) -> int:
    """Ask the API now, and print which queues can take a call.

    Without ACCOUNT or ACCOUNT/QUEUE, it asks for all queues.
    """
    from exporter import config
    from exporter.cli.ping import ping
    from exporter.cli.unused_variables import warn_of_unused_variables

    loaded = config.load(config.find_file(config_file), os.environ)
    warn_of_unused_variables(os.environ, loaded)
    return ping(loaded.configuration, target, **given)


@calltools_exporter.command()
@click.option(
    "--url", envvar="CALLTOOLS_URL", show_envvar=True, metavar="URL", help="The URL you log in to."
)
@click.option(
    "--account",
    envvar="CALLTOOLS_ACCOUNT",
    show_envvar=True,
    metavar="NAME",
    help="The account's name, the label of its metrics. Default: the name of the silo.",
)
@click.option(
    "--token-file",
    metavar="PATH",
    help="The file that holds the API key. {account} is replaced by the account's name.",
)
@click.option(
    "--token-env",
    metavar="NAME",
    help="The variable that holds the API key. {account} is replaced by the account's name in"
    " capitals. Default: CALLTOOLS_TOKEN, if it is set and no other account uses it.",
)
@click.option(
    "--ca-file",
    metavar="PATH",
    type=flags.PATH,
    help="CA certificates, as PEM, to trust for the API instead of the system's.",
)
@click.option("--proxy-url", metavar="URL", help="The HTTP proxy to reach the API through.")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=flags.PATH,
    default="exporter.yml",
    show_default=True,
    help="The file to write. It must not exist yet.",
)
@flags.combine(flags.TIMEOUT, flags.PARALLEL, flags.LOGGING)
def init(**given: Any) -> int:
    """Write a configuration with every queue of an account.

    On a terminal, it asks for what is not given.
    """
    from exporter.cli.init import init
    from exporter.cli.init_input import InitOptions

    return init(InitOptions(**given, interactive=is_interactive()), os.environ)


@calltools_exporter.command()
@click.option(
    "-o",
    "--output",
    metavar="DIR",
    type=flags.PATH,
    required=True,
    help="The folder to write to.",
)
@click.option(
    "--runbooks",
    metavar="URL",
    type=flags.link_base,
    help="The URL of your copy of docs/runbooks, for the links in alerts.",
)
@click.option(
    "--dashboards",
    metavar="URL",
    type=flags.link_base,
    help="Grafana's URL and /d, for the links in alerts.",
)
@click.option(
    "--overwrite", is_flag=True, help="Replace existing files that differ, after an upgrade."
)
def files(output: Path, **given: Any) -> int:
    """Write the rules, examples and dashboards of this version.

    For Prometheus, Alertmanager and Grafana: rules/, dashboards/, prometheus.yml, alertmanager.yml.
    """
    from exporter.cli.files import files

    return files(output, **given)


@calltools_exporter.command()
@flags.combine(flags.LOOPBACK_ADDRESS, flags.SERVING, flags.LOGGING)
def demo(**given: Any) -> int:
    """Run the exporter on a simulated CallTools account."""
    from exporter.cli.demo import demo
    from exporter.cli.serve import ServeOptions

    return demo(ServeOptions(**given))


@calltools_exporter.command()
def schema() -> int:
    """Print the JSON Schema of the configuration, for editors."""
    from exporter import config

    write(json.dumps(config.json_schema(), indent=2))
    return exits.OK


@calltools_exporter.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> int:
    """Print a script that makes SHELL complete commands and flags.

    Example: source <(calltools-exporter completion bash)
    """
    from click.shell_completion import BashComplete, FishComplete, ZshComplete

    scripts = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}
    write(scripts[shell](calltools_exporter, {}, PROGRAM, COMPLETION_VARIABLE).source())
    return exits.OK


@calltools_exporter.command(name="help")
@click.argument("command", required=False)
def show_help(command: str | None) -> int:
    """Show the help of all commands, or of one COMMAND."""
    arguments = [command, "--help"] if command else ["--help"]
    with calltools_exporter.make_context(PROGRAM, arguments) as context:
        return int(calltools_exporter.invoke(context))


@calltools_exporter.command()
def version() -> int:
    """Print the version."""
    write(f"{PROGRAM} {__version__}")
    return exits.OK
