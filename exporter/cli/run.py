"""One run of a command, with an exit code for every way in which it can end."""

import os
import sys
import traceback
from collections.abc import Sequence

import click
from click.shell_completion import shell_complete

from exporter.cli import exits
from exporter.cli.cli import COMPLETION_VARIABLE, PROGRAM, calltools_exporter
from exporter.cli.group import describe_mistake
from exporter.cli.terminal import complain, open_standard_streams, settle
from exporter.errors import ConfigurationError, ExporterError
from exporter.signals import interrupt_by_errors


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code of the process."""
    open_standard_streams()
    # With these set, the metrics library expects a folder shared by several processes.
    for name in ("PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir"):
        os.environ.pop(name, None)
    instruction = os.environ.get(COMPLETION_VARIABLE)
    if instruction:
        return shell_complete(calltools_exporter, {}, PROGRAM, COMPLETION_VARIABLE, instruction)
    code = _run(list(sys.argv[1:] if arguments is None else arguments))
    settle(sys.stdout)
    settle(sys.stderr)
    return code


def _run(arguments: list[str]) -> int:  # noqa: PLR0911 - one for each way to end
    command, failed = PROGRAM, exits.WRONG
    try:
        interrupt_by_errors()
        with calltools_exporter.make_context(PROGRAM, arguments) as context:
            command = f"{PROGRAM} {context.obj}"
            if context.obj == "ping":  # whose 1 means that nobody can take a call
                failed = exits.UNKNOWN
            code: int = calltools_exporter.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as end:  # after help or the version
        return end.exit_code
    except click.ClickException as error:
        complain(describe_mistake(error, command))
        return exits.UNKNOWN
    except ConfigurationError as error:
        complain(str(error))
        return failed
    except BrokenPipeError:
        return exits.BROKEN_PIPE
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except (ExporterError, OSError) as error:
        complain(f"{PROGRAM}: {error}")
        return failed
    except Exception:  # noqa: BLE001 - Python's own exit code would say "nobody" of `ping`
        complain(traceback.format_exc())
        return failed
    return code
