"""`check`: list every mistake of a configuration, or say that there is none."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from exporter import config
from exporter.cli import exits
from exporter.cli.terminal import complain, write
from exporter.cli.variables import warn_of_unknown_variables
from exporter.config import Loaded
from exporter.errors import ConfigurationError, Mistake
from exporter.schedule import Schedule
from exporter.settings import Account, Configuration
from exporter.text import counted
from exporter.web.available_users import (
    AvailableUsers,
    load_available_users,
    warn_of_open_paths,
)
from exporter.web.config import load_web_config

T = TypeVar("T")


def check(  # noqa: PLR0913 - by name
    given: Path | None,
    environ: Mapping[str, str],
    *,
    web_file: Path | None = None,
    available_users_file: Path | None = None,
    secrets: bool = True,
    schedules: bool = False,
    online: Callable[[Configuration], int] | None = None,
) -> int:
    """Check the configuration and the files that it names.

    Args:
        given: the configuration's path, None for the default.
        environ: the environment.
        web_file: the web file's path, to be checked as well.
        available_users_file: the path of the file of users of `/available`, likewise.
        secrets: read the keys and the TLS files as well; False where these are not at hand.
        schedules: print the next two weeks of each schedule as well.
        online: checks with the API and prints its own report, once the file has no mistakes.

    Returns:
        0 if there is no mistake, else 1.
    """
    path = config.find_file(given)
    web_config, mistakes = _load(partial(load_web_config, read_files=secrets), web_file)
    try:
        loaded = config.load(path, environ)
    except ConfigurationError as error:
        _, users_mistakes = _load(load_available_users, available_users_file)
        _report((*error.mistakes, *mistakes, *users_mistakes))
        return exits.WRONG

    def load_users(path: Path) -> AvailableUsers:
        return load_available_users(path, loaded.configuration)

    _, users_mistakes = _load(load_users, available_users_file)
    if available_users_file and not mistakes:
        warn_of_open_paths(available_users_file, web_config)
    mistakes = (*mistakes, *users_mistakes)
    warn_of_unknown_variables(environ, loaded.configuration)
    if secrets:
        mistakes = (*config.unreadable_files(loaded), *mistakes)
    _report(mistakes)
    if schedules:
        _print_schedules(loaded)
    if online is not None:
        # Even if some keys cannot be read: the other accounts are still checked.
        return max(online(loaded.configuration), exits.WRONG if mistakes else exits.OK)
    if mistakes:
        return exits.WRONG
    accounts = loaded.configuration.accounts
    write(
        f"{path or 'environment'}: {counted(len(accounts), 'account')}, {_queues(accounts)},"
        " no mistakes"
    )
    return exits.OK


def _queues(accounts: Sequence[Account]) -> str:
    """Return how many queues are configured; with `queues: all` only the API knows."""
    everything = sum(account.every_queue is not None for account in accounts)
    if everything == len(accounts):
        return "all queues"
    number = counted(sum(len(account.queues) for account in accounts), "queue")
    return f"{number} and all of {counted(everything, 'account')}" if everything else number


def _load(load: Callable[[Path], T], path: Path | None) -> tuple[T | None, tuple[Mistake, ...]]:
    """Return what a file holds, if one is given and has no mistakes, and its mistakes."""
    try:
        return (None if path is None else load(path)), ()
    except ConfigurationError as error:
        return None, error.mistakes


def _report(mistakes: Sequence[Mistake]) -> None:
    for mistake in mistakes:
        complain(str(mistake))
    if mistakes:
        complain(counted(len(mistakes), "mistake"))


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
    """Return the names of the queues that have a schedule, or that have none."""
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
        found += [f"{account.name}/{name}" for name, queue in queues if queue.schedule == schedule]
    return found
