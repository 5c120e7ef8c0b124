"""Loading: from files, or the environment, to the settings of a valid configuration."""

import dataclasses
import functools
import os
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from exporter import settings
from exporter.config import fields, schema
from exporter.config.cross_checks import TOKEN_KEYS, CrossChecks, token_variable
from exporter.config.environment import add_proxies, read_environment
from exporter.config.validate import validate
from exporter.config.yaml_reader import read_yaml
from exporter.config.yaml_tree import Document, Location, YamlMapping
from exporter.errors import ConfigurationError, Mistake, TokenError
from exporter.files import load_pem
from exporter.schedule import DAYS, Schedule, Span
from exporter.text import path_text

DEFAULT_FILE = Path("exporter.yml")

_NO_TLS = schema.Tls.model_construct()
_NOTHING_SAID = schema.QueueKeys.model_construct()


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration, with what `check` and reloads need besides.

    ``files`` are those that were read. ``trees`` are what they hold of each account, by its name.
    ``schedules`` are by name.
    """

    configuration: settings.Configuration
    files: tuple[Path, ...]
    trees: Mapping[str, YamlMapping]
    schedules: Mapping[str, Schedule]


def find_file(given: Path | None) -> Path | None:
    """Return the file to load: the given one, else the default one if it exists, else None."""
    # A folder that cannot be read counts as without the file, a link to nowhere as one.
    return given or (DEFAULT_FILE if os.path.lexists(DEFAULT_FILE) else None)


def load(path: Path | None, environ: Mapping[str, str]) -> Loaded:
    """Load a configuration file or folder, or without one the account of the environment.

    A given file is the only source of accounts and must exist. In a folder, all ``*.yml`` and
    ``*.yaml`` are read as if they were one file; one of them may have the defaults. Keys and
    certificates are not read: a missing one fails only its own account, later; `unreadable_files`
    finds it now. ``environ`` also names the proxies of accounts that name none.

    Raises:
        ConfigurationError: with all mistakes at once.
    """
    folder = Path()
    files: tuple[Path, ...] = ()
    mistakes: list[Mistake] = []
    if path is None:
        documents = [read_environment(environ, DEFAULT_FILE)]
    else:
        folder, files = _files_of(path)
        documents, mistakes = read_files(files)
    roots = [document.root for document in documents]
    lay_defaults_under(roots)
    trees = [tree for root in roots for tree in root.sequence("accounts").mappings()]
    add_proxies(trees, environ)
    models = [model for document in documents if (model := validate(document, schema.File))]
    checks = CrossChecks(roots)
    if not mistakes:  # a file that cannot be read may hold what the others refer to
        checks.run()
    mistakes += [mistake for document in documents for mistake in document.mistakes]
    mistakes += checks.mistakes
    if not mistakes and not any(model.accounts for model in models):
        location = roots[0].location if len(roots) == 1 else Location(path_text(path or folder))
        mistakes.append(location.mistake("has no key 'accounts', which is required"))
    if mistakes:
        raise ConfigurationError(list(dict.fromkeys(mistakes)))
    schedules = {
        name: make_schedule(keys) for model in models for name, keys in model.schedules.items()
    }
    resolver = Resolver(folder, schedules)
    accounts = _with_host_limits(
        [resolver.account(keys) for model in models for keys in model.accounts]
    )
    trees_by_name = {str(tree["name"]): tree for tree in trees}
    return Loaded(settings.Configuration(accounts), files, trees_by_name, schedules)


def _with_host_limits(accounts: Sequence[settings.Account]) -> tuple[settings.Account, ...]:
    """Return accounts of which those on one host have the largest of their limits."""
    largest: dict[str, int] = {}
    for account in accounts:
        limit = account.max_parallel_requests
        largest[account.host] = max(limit, largest.get(account.host, limit))
    return tuple(
        dataclasses.replace(account, max_parallel_requests=largest[account.host])
        for account in accounts
    )


def lay_defaults_under(roots: Sequence[YamlMapping]) -> None:
    """Add to each account the keys that it lacks and the defaults have.

    The defaults of one file apply to the accounts of all files.
    """
    defaults = next((root.mapping("defaults") for root in roots if root.has_key("defaults")), None)
    if not defaults:
        return
    keys = frozenset(schema.AccountKeys.model_fields)
    for root in roots:
        accounts = root.sequence("accounts")
        for index, account in enumerate(accounts):
            if isinstance(account, YamlMapping):
                own_key = any(account.has_key(key) for key in TOKEN_KEYS)
                lacking = keys.difference(TOKEN_KEYS) if own_key else keys
                accounts[index] = account.over(defaults, lacking)


def _files_of(path: Path) -> tuple[Path, tuple[Path, ...]]:
    """Return the folder and its files in the order of their names; or the one file.

    Raises:
        ConfigurationError: there is none.
    """
    try:
        if not path.is_dir():
            return path.parent, (path,)
        names = sorted(file.name for file in path.iterdir())
    except OSError as error:
        mistake = Location(path_text(path)).mistake(f"cannot be read: {error.strerror}")
        raise ConfigurationError([mistake]) from None
    files = tuple(path / name for name in names if is_read_in_a_folder(name))
    if not files:
        message = "is a folder without *.yml or *.yaml, expected at least one"
        raise ConfigurationError([Location(path_text(path)).mistake(message)])
    return path, files


def is_read_in_a_folder(name: str) -> bool:
    """Return whether a file of this name is read where its folder is the configuration."""
    return name.lower().endswith((".yml", ".yaml")) and name[0] != "."


def read_files(files: Iterable[Path]) -> tuple[list[Document], list[Mistake]]:
    """Return the files that can be read, and the mistakes of the others."""
    documents: list[Document] = []
    mistakes: list[Mistake] = []
    for file in files:
        try:
            documents.append(read_yaml(file, "'accounts'"))
        except ConfigurationError as error:
            mistakes += error.mistakes
    return documents, mistakes


def unreadable_files(loaded: Loaded) -> tuple[Mistake, ...]:
    """Return the mistakes in files for `check`: missing keys, unusable certificates.

    They do not stop the exporter: at run time they fail only their own account.
    """

    @functools.cache
    def tls_mistakes(tls: settings.TlsFiles) -> dict[str, str]:
        return load_pem(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), tls.files)

    mistakes = []
    for account in loaded.configuration.accounts:
        keys = loaded.trees[account.name]
        try:
            account.token.read()
        except TokenError as error:
            (key,) = keys.keys() & TOKEN_KEYS
            mistakes.append(keys.location_of(key).mistake(str(error)))
        tls = keys.mapping("tls")
        mistakes += [
            tls.location_of(key).mistake(words) for key, words in tls_mistakes(account.tls).items()
        ]
    return tuple(dict.fromkeys(mistakes))


class Resolver:
    """Return settings from the models of accounts; paths are relative to ``folder``."""

    def __init__(self, folder: Path, schedules: Mapping[str, Schedule]) -> None:
        self._folder = folder
        self._schedules = schedules

    def account(self, keys: schema.Account) -> settings.Account:
        """Return the settings of an account."""
        tls = keys.tls or _NO_TLS
        every_queue = None
        queues: tuple[settings.Queue, ...] = ()
        exceptions: tuple[settings.QueueException, ...] = ()
        if isinstance(keys.queues, schema.EveryQueue):
            every_queue = self._queue(keys, _NOTHING_SAID, 0, "")
            exceptions = tuple(self._exception(keys, one) for one in keys.queues.exceptions)
        else:
            queues = tuple(
                self._queue(keys, queue, queue.id, queue.name or str(queue.id))
                for queue in keys.queues or ()
            )
        return settings.Account(
            name=keys.name,
            url=keys.url or "",
            token=self._token(keys),
            queues=queues,
            every_queue=every_queue,
            exceptions=exceptions,
            detail=keys.detail,
            timeout=keys.timeout,
            max_parallel_requests=keys.max_parallel_requests,
            max_age=keys.max_age,
            tls=settings.TlsFiles(
                ca_file=self._path(tls.ca_file),
                cert_file=self._path(tls.cert_file),
                key_file=self._path(tls.key_file),
                insecure_skip_verify=tls.insecure_skip_verify,
            ),
            proxy=keys.proxy_url,
        )

    def _path(self, name: str | None) -> Path | None:
        return None if name is None else self._folder / name

    def _token(self, keys: schema.Account) -> settings.TokenSource:
        if keys.token_file is not None:
            return settings.TokenFile(
                self._folder / keys.token_file.replace("{account}", keys.name)
            )
        return settings.TokenEnvironment(token_variable(keys.token_env or "", keys.name))

    def _exception(
        self, account: schema.Account, keys: schema.QueueException
    ) -> settings.QueueException:
        queue = None
        if not keys.ignore:
            queue = self._queue(account, keys, keys.id or 0, keys.name or "")
        return settings.QueueException(keys.id, keys.name, queue)

    def _queue(
        self, account: schema.Account, keys: schema.QueueKeys, id_: int, name: str
    ) -> settings.Queue:
        """Return a queue; its account provides what it does not set itself."""
        required = keys.required_agents
        return settings.Queue(
            id=id_,
            name=name,
            available_status=tuple(keys.available_status or account.available_status),
            required_agents=account.required_agents if required is None else required,
            team=keys.team or account.team or "",
            schedule=self._schedules.get(keys.schedule or account.schedule or ""),
        )


def make_schedule(keys: schema.Schedule) -> Schedule:
    """Return the schedule of a model."""
    week: list[tuple[Span, ...]] = [()] * len(DAYS)
    for days, spans in keys.open.items():
        for day in fields.parse_days(days):
            week[day] = tuple(spans)
    return Schedule(keys.timezone, tuple(week), tuple(keys.closed))
