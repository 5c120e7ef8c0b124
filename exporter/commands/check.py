"""`check`: list every mistake of a configuration, or say that there is none."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from exporter import config
from exporter.commands import exits
from exporter.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["check"]


def check(given: Path | None, environ: Mapping[str, str]) -> int:
    """Check the configuration and the files that it names, without asking the API.

    Returns:
        0 if all is right, else 1.
    """
    path = config.find_file(given)
    try:
        loaded = config.load(path, environ)
        mistakes = config.unreadable_files(loaded)
    except ConfigurationError as error:
        mistakes = error.mistakes
    if mistakes:
        for mistake in mistakes:
            print(mistake, file=sys.stderr)
        print(_count(len(mistakes), "mistake"), file=sys.stderr)
        return exits.WRONG
    accounts = loaded.configuration.accounts
    queues = sum(len(account.queues) for account in accounts)
    source = path or "environment"
    print(f"{source}: {_count(len(accounts), 'account')}, {_count(queues, 'queue')}, no mistakes")
    return exits.OK


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
