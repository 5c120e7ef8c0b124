"""`check`: list every mistake of a configuration, or say that there is none."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from exporter import config
from exporter.cli import exits
from exporter.cli.terminal import complain, write
from exporter.cli.variables import warn_of_unknown_variables
from exporter.config import Loaded
from exporter.errors import ConfigurationError, Mistake
from exporter.schedule import Schedule
from exporter.settings import Configuration
from exporter.web.available_users import AvailableUsers, load_available_users
from exporter.web.config import load_web_config

__all__ = ["check"]


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
        secrets: read the keys and the TLS files as well, which are not everywhere.
        schedules: print the next two weeks of each schedule as well.
        online: asks the API, once the configuration itself has no mistakes, and prints for itself.

    Returns:
        0 if all is right, else 1.
    """
    path = config.find_file(given)
    mistakes = _mistakes(partial(load_web_config, read_files=secrets), web_file)
    try:
        loaded = config.load(path, environ)
    except ConfigurationError as error:
        users = _mistakes(load_available_users, available_users_file)
        _report((*error.mistakes, *mistakes, *users))
        return exits.WRONG

    def load_users(path: Path) -> AvailableUsers:
        return load_available_users(path, loaded.configuration)

    mistakes = (*mistakes, *_mistakes(load_users, available_users_file))
    warn_of_unknown_variables(environ, loaded.configuration)
    if secrets:
        mistakes = (*config.unreadable_files(loaded), *mistakes)
    _report(mistakes)
    if schedules:
        _print_schedules(loaded)
    if online is not None:
        # Also with keys that cannot be read: the other accounts are checked nevertheless.
        return max(online(loaded.configuration), exits.WRONG if mistakes else exits.OK)
    if mistakes:
        return exits.WRONG
    accounts = loaded.configuration.accounts
    queues = sum(len(account.queues) for account in accounts)
    # Of accounts with `queues: all` nobody but the API knows how many they are.
    more = " and more" if any(account.every_queue for account in accounts) else ""
    write(
        f"{path or 'environment'}: {_count(len(accounts), 'account')},"
        f" {_count(queues, 'queue')}{more}, no mistakes"
    )
    return exits.OK


def _mistakes(load: Callable[[Path], object], path: Path | None) -> tuple[Mistake, ...]:
    try:
        if path is not None:
            load(path)
    except ConfigurationError as error:
        return error.mistakes
    return ()


def _report(mistakes: Sequence[Mistake]) -> None:
    for mistake in mistakes:
        complain(str(mistake))
    if mistakes:
        complain(_count(len(mistakes), "mistake"))


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


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
