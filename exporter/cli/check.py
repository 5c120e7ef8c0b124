"""`check`: list every mistake of a configuration, or say that there is none."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from exporter import config
from exporter.cli import exits
from exporter.cli.terminal import complain, write
from exporter.cli.unused_variables import warn_of_unused_variables
from exporter.config import Loaded
from exporter.errors import ConfigurationError, Mistake
from exporter.schedule import Schedule
from exporter.settings import Account, Configuration
from exporter.text import counted
from exporter.web.available_users import load_available_users, warn_of_open_paths
from exporter.web.config import load_web_config

T = TypeVar("T")


def check(  # noqa: PLR0913 - by name
    given: Path | None,
    environ: Mapping[str, str],
    *,
    web_file: Path | None = None,
    users_file: Path | None = None,
    secrets: bool = True,
    schedules: bool = False,
    online: Callable[[Configuration], int] | None = None,
) -> int:
    """Check the configuration and the files that it names.

    Args:
        given: the configuration's path, None for the default.
        environ: the environment.
        web_file: the web file's path, to be checked as well.
        users_file: the path of the file of users of `/available`, likewise.
        secrets: read the keys and the TLS files as well; False where these are not at hand.
        schedules: print the next two weeks of each schedule as well.
        online: checks with the API and prints its own report, once the file has no mistakes.

    Returns:
        0 if there is no mistake, else 1.
    """
    path = config.find_file(given)
    loaded, mistakes = _load(lambda: config.load(path, environ))
    if loaded and secrets:
        mistakes += config.unreadable_files(loaded)
    mistakes += _web_mistakes(
        web_file, users_file, loaded.configuration if loaded else None, read_files=secrets
    )
    if loaded:
        warn_of_unused_variables(environ, loaded)
    for mistake in mistakes:
        complain(str(mistake))
    if mistakes:
        complain(counted(len(mistakes), "mistake"))
    code = exits.WRONG if mistakes else exits.OK
    if loaded is None:
        return code
    if schedules:
        _print_schedules(loaded)
    if online is not None:
        # Even if some keys cannot be read: the other accounts are still checked.
        return max(online(loaded.configuration), code)
    if not mistakes:
        accounts = loaded.configuration.accounts
        number = counted(len(accounts), "account")
        write(f"{path or 'environment'}: {number}, {_queues(accounts)}, no mistakes")
    return code


def _web_mistakes(
    web_file: Path | None,
    users_file: Path | None,
    configuration: Configuration | None,
    *,
    read_files: bool,
) -> tuple[Mistake, ...]:
    web_config, mistakes = _load(
        lambda: load_web_config(web_file, read_files=read_files) if web_file else None
    )
    if users_file is None:
        return mistakes
    if not mistakes:
        warn_of_open_paths(users_file, web_config)
    _, users_mistakes = _load(lambda: load_available_users(users_file, configuration))
    return (*mistakes, *users_mistakes)


def _queues(accounts: Sequence[Account]) -> str:
    """Return how many queues are configured; with `queues: all` only the API knows."""
    everything = sum(account.every_queue is not None for account in accounts)
    if everything == len(accounts):
        return "all queues"
    number = counted(sum(len(account.queues) for account in accounts), "queue")
    return f"{number} and all of {counted(everything, 'account')}" if everything else number


def _load(load: Callable[[], T]) -> tuple[T | None, tuple[Mistake, ...]]:
    """Return what was loaded, None if it has mistakes; and these."""
    try:
        return load(), ()
    except ConfigurationError as error:
        return None, error.mistakes


def _print_schedules(loaded: Loaded) -> None:
    now = time.time()
    for name, schedule in loaded.schedules.items():
        open_now = "open now" if schedule.is_open(now) else "closed now"
        queues = ", ".join(_queues_with(loaded, schedule)) or "unused"
        write(f"schedule {name} ({schedule.timezone}), {open_now}: {queues}")
        write("".join(f"  {line}\n" for line in schedule.fortnight(now)))
    always = _queues_with(loaded, None)
    if always:
        write(f"always open, without a schedule: {', '.join(always)}\n")


def _queues_with(loaded: Loaded, schedule: Schedule | None) -> list[str]:
    """Return the names of the queues with this very schedule, or of those without any."""
    found = []
    for account in loaded.configuration.accounts:
        queues = [(queue.name, queue) for queue in account.queues]
        if account.every_queue is not None:
            queues.append(("all queues", account.every_queue))
        queues += [
            (exception.name or str(exception.id), exception.queue)
            for exception in account.exceptions
            if exception.queue is not None
        ]
        found += [f"{account.name}/{name}" for name, queue in queues if queue.schedule is schedule]
    return found
