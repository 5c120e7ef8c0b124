"""`check`: list every mistake of a configuration, or say that there is none."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from exporter import config
from exporter.cli import exits
from exporter.config import Loaded
from exporter.errors import ConfigurationError, Mistake
from exporter.settings import Configuration
from exporter.web.config import load_web_config

__all__ = ["check"]


def check(
    given: Path | None,
    environ: Mapping[str, str],
    *,
    web_file: Path | None = None,
    schedules: bool = False,
    online: Callable[[Configuration], int] | None = None,
) -> int:
    """Check the configuration and the files that it names.

    Args:
        given: the configuration's path, None for the default.
        environ: the environment.
        web_file: the web file's path, to be checked as well.
        schedules: print the next two weeks of each schedule as well.
        online: asks the API, once the configuration itself has no mistakes, and prints for itself.

    Returns:
        0 if all is right, else 1.
    """
    path = config.find_file(given)
    mistakes = _mistakes_of_web_file(web_file)
    try:
        loaded = config.load(path, environ)
    except ConfigurationError as error:
        _tell((*error.mistakes, *mistakes))
        return exits.WRONG
    mistakes = (*config.unreadable_files(loaded), *mistakes)
    _tell(mistakes)
    if schedules:
        _print_schedules(loaded)
    if online is not None:
        # Also with keys that cannot be read: it then tells which of the others are right.
        return max(online(loaded.configuration), exits.WRONG if mistakes else exits.OK)
    if mistakes:
        return exits.WRONG
    accounts = loaded.configuration.accounts
    queues = sum(len(account.queues) for account in accounts)
    # Of accounts with `queues: all` nobody but the API knows how many they are.
    more = " and more" if any(account.every_queue for account in accounts) else ""
    print(
        f"{path or 'environment'}: {_count(len(accounts), 'account')},"
        f" {_count(queues, 'queue')}{more}, no mistakes"
    )
    return exits.OK


def _mistakes_of_web_file(path: Path | None) -> tuple[Mistake, ...]:
    try:
        if path is not None:
            load_web_config(path)
    except ConfigurationError as error:
        return error.mistakes
    return ()


def _tell(mistakes: Sequence[Mistake]) -> None:
    for mistake in mistakes:
        print(mistake, file=sys.stderr)
    if mistakes:
        print(_count(len(mistakes), "mistake"), file=sys.stderr)


def _print_schedules(loaded: Loaded) -> None:
    now = time.time()
    for name, schedule in loaded.schedules.items():
        queues = [
            f"{account.name}/{queue.name or 'all queues'}"
            for account in loaded.configuration.accounts
            for queue in (*account.queues, *([account.every_queue] if account.every_queue else []))
            if queue.schedule == schedule
        ]
        open_now = "open now" if schedule.is_open(now) else "closed now"
        print(f"schedule {name} ({schedule.timezone}), {open_now}: {', '.join(queues) or 'unused'}")
        for line in schedule.fortnight(now):
            print(f"  {line}")
        print()


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
