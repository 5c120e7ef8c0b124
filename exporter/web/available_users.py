"""The file of ``--web.available-users.file``: users who may ask `/available` and nothing else.

It is a file of its own, because that of ``--web.config.file`` has exactly the format of
Prometheus' exporter-toolkit.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import structlog
from pydantic import ConfigDict, Field, PlainValidator, TypeAdapter

from exporter.config import fields
from exporter.config.schema import ALL, Keys
from exporter.config.validate import misspelt, validate
from exporter.config.yaml_reader import read_yaml
from exporter.config.yaml_tree import Document, YamlMapping, redacted
from exporter.settings import Account, Configuration
from exporter.text import suggestion
from exporter.web.config import WebConfig, hash_mistake, named_users

log = structlog.get_logger(__name__)

_NAMES = TypeAdapter[list[str]](
    Annotated[list[fields.Name], Field(min_length=1)], config=ConfigDict(defer_build=True)
)


@dataclass(frozen=True, slots=True)
class AvailableUser:
    """What one user may ask for: the accounts and teams, and how many requests a second.

    ``accounts`` and ``teams`` are None where there is no limit to them.
    """

    name: str
    password_hash: str = field(repr=False)
    accounts: frozenset[str] | None
    teams: frozenset[str] | None
    questions_per_second: float

    def may_ask(self, account: str, team: str) -> bool:
        """Return whether the user may ask about a queue, by its account and its team."""
        return (self.accounts is None or account in self.accounts) and (
            self.teams is None or team in self.teams
        )


class RateLimits:
    """A bucket for each user that refills at the user's rate and holds one second's requests."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def seconds_to_wait(self, user: AvailableUser) -> float:
        """Take one request out of the user's bucket; return 0, or the time until there is one."""
        rate = user.questions_per_second
        size, now = max(rate, 1.0), self._clock()
        left, at = self._buckets.get(user.name, (size, now))
        left = min(size, left + (now - at) * rate)
        if left < 1:
            self._buckets[user.name] = left, now
            return (1 - left) / rate
        self._buckets[user.name] = left - 1, now
        return 0.0


def _all_or_names(value: object) -> list[str] | Literal["all"]:
    if value == ALL:
        return "all"
    if isinstance(value, str):
        raise fields.plainly(f"found {redacted(value)}, expected a list of accounts, or all")
    return _NAMES.validate_python(value)


class UserKeys(Keys):
    """The keys of a user."""

    called: ClassVar[str] = "a user"
    refused: ClassVar[Mapping[str, str]] = {
        "password": "a password must not be in this file, expected its bcrypt hash under the key"
        " 'password_hash'",
    }

    password_hash: object
    accounts: Annotated[list[str] | Literal["all"], PlainValidator(_all_or_names)] = Field(
        default_factory=list
    )
    teams: Annotated[list[fields.Label], Field(min_length=1)] = Field(default_factory=list)
    questions_per_second: Annotated[
        float, Field(gt=0, le=1000), fields.expected("a number above 0 and up to 1000")
    ] = 10.0


class UsersFile(Keys):
    """The whole file."""

    called: ClassVar[str] = "the file"
    never_shown: ClassVar[frozenset[str]] = frozenset({"password_hash", "users"})

    users: dict[str, UserKeys]


def load_available_users(
    path: Path, configuration: Configuration | None = None
) -> dict[str, AvailableUser]:
    """Load the file: the users by name.

    With a ``configuration``, accounts and teams that it lacks are mistakes, too. A server passes
    none, as the file may name what comes with the next reload.

    Raises:
        ConfigurationError: with all mistakes at once.
    """
    document = read_yaml(path, "'users'")
    model = validate(document, UsersFile)
    for name, user in named_users(document, "users").items():
        if isinstance(user, YamlMapping):
            _check_user(document, name, user)
            if configuration is not None:
                _check_names(document, user, configuration)
    document.raise_mistakes()
    found = model.users if model else {}
    return {name: _user(name, keys) for name, keys in found.items()}


def warn_of_open_paths(users_file: Path, web_config: WebConfig | None) -> None:
    """Log that only `/available` is protected, if there are no passwords for the rest."""
    if web_config is None or not web_config.passwords:
        words = "Only /available requires a password, basic_auth_users protects the rest"
        log.warning(words, file=str(users_file))


def _user(name: str, keys: UserKeys) -> AvailableUser:
    return AvailableUser(
        name,
        password_hash=str(keys.password_hash),
        # A user without accounts has teams, and may ask for these in every account.
        accounts=None if keys.accounts in ("all", []) else frozenset(keys.accounts),
        teams=frozenset(keys.teams) or None,
        questions_per_second=keys.questions_per_second,
    )


def _check_user(document: Document, name: str, user: YamlMapping) -> None:
    if "password_hash" in user and (words := hash_mistake(name, user["password_hash"])):
        document.add_mistake(user.location_of("password_hash"), words)
    if not any(user.has_key(key) or misspelt(user, UserKeys, key) for key in ("accounts", "teams")):
        words = "has no accounts and no teams, expected those that the user may ask for"
        document.add_mistake(user.location, f"{words}, or accounts: all")


def _check_names(document: Document, user: YamlMapping, configuration: Configuration) -> None:
    accounts = configuration.accounts
    known = {
        "accounts": {account.name for account in accounts},
        "teams": {team for account in accounts for team in _teams(account)},
    }
    wrong = {(mistake.line, mistake.column) for mistake in document.mistakes}
    for key, names in known.items():
        written = user.sequence(key)
        for name, location in zip(written, written.item_locations, strict=True):
            if isinstance(name, str) and name not in names and location[1:3] not in wrong:
                hint = suggestion(name, names, "expected one that exists")
                kind = "an account" if key == "accounts" else "a team"
                words = f"found {redacted(name)}, which is not {kind} of the configuration, {hint}"
                document.add_mistake(location, words)


def _teams(account: Account) -> Iterable[str]:
    return {queue.team for queue in account.described_queues if queue.team}
