"""`init`: ask the API what an account has, and write a configuration file with it."""

import contextlib
import dataclasses
import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar

from exporter import config
from exporter.calltools.client import Client
from exporter.calltools.requester import RequestContext
from exporter.calltools.rows import QueueRow, StatusRow, resolve_statuses
from exporter.cli import exits
from exporter.cli.init_input import (
    InitOptions,
    Key,
    accounts_in,
    path_from,
    prompt_account,
    prompt_key,
)
from exporter.cli.online import check_online
from exporter.cli.template import ConfigTemplate
from exporter.cli.terminal import complain, confirm, progress, prompt, write
from exporter.config.load import is_read_in_a_folder
from exporter.errors import ApiError, ConfigurationError, ExporterError, Failure
from exporter.settings import AUTO, Account, Configuration, TokenValue
from exporter.snapshot import RequestObserver
from exporter.text import counted
from exporter.transport.deadline import Deadline
from exporter.transport.transports import Transports

Row = TypeVar("Row", StatusRow, QueueRow)
#: The statuses and the queues by id, or in words why they cannot be read.
_Lists: TypeAlias = tuple[dict[int, StatusRow] | str, dict[int, QueueRow] | str]

#: A missing or forbidden list leaves a place to fill in; other failures end the command.
_WITHOUT_LIST = frozenset({"403", "404", "invalid_json", "unexpected_answer"})
#: Failures that mean a wrong or unreachable host.
_NO_HOST = frozenset({"dns", "connection", "tls", "timeout", "redirect"})


def init(options: InitOptions, environ: Mapping[str, str]) -> int:
    """Write a configuration of one account with all of its queues, and check it online.

    Returns:
        0 if the file passed all checks, 1 if it has a place to fill in or failed one.

    Raises:
        ExporterError: nothing was written; the message says why.
    """
    if os.path.lexists(options.output):
        raise _there_already(options.output)
    if not is_read_in_a_folder(options.output.name):
        raise ExporterError(
            f"--output: found {str(options.output)!r}, expected a name that ends in .yml, as only"
            " such files of a folder are read"
        )
    account = prompt_account(options, environ, partial(_check_host, options))
    key, account, lists = _read_account(options, environ, account)
    template = _template(options, account, key, lists)
    stored = key.new_file is None or confirm(
        f"Write the key to {key.new_file}, readable only by you?"
    )
    # A proxy's URL may hold a password, which others must not read either.
    write_new_file(
        options.output, template.text(), 0o600 if "@" in (options.proxy_url or "") else 0o644
    )
    if key.new_file and stored:
        try:
            write_new_file(key.new_file, key.secret.reveal() + "\n", 0o600)
        except ExporterError as error:  # the next steps say how to write it
            complain(str(error))
            stored = False
    available = "none yet" if template.status is None else template.status
    write(
        f"wrote {options.output}: {counted(len(template.queues), 'queue')},"
        f" available status {available}"
    )
    file = _file_to_load(options.output)
    code = _check(file, account, environ, options)
    write(_next_steps(file, None if stored else key.new_file, right=code == exits.OK))
    return code


def _check_host(options: InitOptions, account: Account) -> None:
    """Check that an account's host answers; no key is sent.

    Raises:
        ValueError: it does not answer. A refusal is an answer, too.
    """
    try:
        with _context(account, options) as context:
            Client(account).read_queues(context)
    except ApiError as error:
        if error.failure.code in _NO_HOST:
            raise ValueError(f"{error}; is it the host you log in to?") from None


@contextlib.contextmanager
def _context(account: Account, options: InitOptions) -> Iterator[RequestContext]:
    with contextlib.closing(Transports()) as transports, progress("asking the API"):
        yield RequestContext(
            transports.get(account),
            account.token.read(),
            Deadline.after(options.timeout),
            RequestObserver(),
        )


def _read_account(
    options: InitOptions, environ: Mapping[str, str], account: Account
) -> tuple[Key, Account, _Lists]:
    """Return the account's key and what the account has; ask again for a key that is refused.

    Raises:
        ExporterError: host or key is wrong.
    """
    while True:
        key = prompt_key(options, account.name, environ)
        given = TokenValue(key.secret, "the key that was given")
        account = dataclasses.replace(account, token=given)
        try:
            return key, account, _read_lists(account, options)
        except ApiError as error:
            if key.new_file is None or error.failure.code not in {"401", "403"}:
                raise ExporterError(f"nothing was written: {error}") from None
            complain(f"  {error}")


def _read_lists(account: Account, options: InitOptions) -> _Lists:
    """Return the account's lists, as far as the key may read them.

    Raises:
        ApiError: host or key is wrong.
    """
    client = Client(account)
    with _context(account, options) as context:
        statuses = _read_list("/api/statuses/", lambda: client.read_statuses(context))
        queues = _read_list("/api/queues/", lambda: client.read_queues(context))
        if isinstance(statuses, str) or isinstance(queues, str):
            # A wrong host or key fails like this too; asking for agents shows which it is.
            client.check_filter("queue", context)
    return statuses, queues


def _read_list(path: str, read: Callable[[], dict[int, Row]]) -> dict[int, Row] | str:
    """Return a list's rows by id, or say why it cannot be read."""
    try:
        return read()
    except ApiError as error:
        code = error.failure.code
        if code not in _WITHOUT_LIST:
            raise
        return f"{path} cannot be read with this key ({code})"


def _template(options: InitOptions, account: Account, key: Key, lists: _Lists) -> ConfigTemplate:
    statuses, queues = lists
    status, status_words = None, ""
    if isinstance(statuses, str):
        status_words, statuses = statuses, {}
    elif isinstance(found := resolve_statuses((AUTO,), statuses), Failure):
        status_words = found.message
    else:
        status = found[0]
    names = {id_: row.name for id_, row in statuses.items()}
    if status_words:
        write(status_words)
        status = _ask_for_status(names) if options.interactive else None
    queues_words = queues if isinstance(queues, str) else "the account has no queues"
    queue_names = {} if isinstance(queues, str) else {id_: row.name for id_, row in queues.items()}
    if not queue_names:
        write(f"{queues_words}; a queue's id is the last part of the URL of its settings page")
        ids = (
            prompt("Ids of queues (Enter: fill in later)", "", _ids) if options.interactive else ()
        )
        queue_names = {id_: str(id_) for id_ in ids}
    ca_file = options.ca_file
    return ConfigTemplate(
        name=account.name,
        url=account.url,
        token=key.place,
        status=status,
        candidates=names,
        status_words=status_words,
        queues=queue_names,
        queues_words=queues_words,
        ca_file=path_from(options.output.parent, str(ca_file)) if ca_file else None,
        proxy_url=options.proxy_url,
    )


def _ask_for_status(names: Mapping[int, str]) -> int | None:
    def read(text: str) -> int | None:
        ids = _ids(text)
        if len(ids) > 1 or (names and not names.keys() >= set(ids)):
            raise ValueError(f"expected one id of: {', '.join(map(str, names))}")
        return ids[0] if ids else None

    place = "Contact Center > Agent Statuses"
    return prompt(
        f"Id of the status of available agents, from {place} (Enter: fill in later)", "", read
    )


def _ids(text: str) -> tuple[int, ...]:
    words = text.replace(",", " ").split()
    if not all(re.fullmatch("0*[1-9][0-9]{0,17}", word) for word in words):
        raise ValueError("expected ids, such as 5457")
    return tuple(dict.fromkeys(map(int, words)))


def write_new_file(path: Path, text: str, mode: int) -> None:
    """Write a new file; never touch an existing one.

    Raises:
        ExporterError: it exists already, or cannot be written.
    """
    try:
        data = text.encode()
    except UnicodeEncodeError:
        raise ExporterError(
            f"{path} cannot be written: found a path that is not UTF-8, which YAML cannot hold;"
            " expected another name"
        ) from None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as error:
        if isinstance(error, FileExistsError) and os.path.lexists(path):
            raise _there_already(path) from None
        raise _not_written(path, error) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
    except OSError as error:
        # Part of a file would be taken for the whole, and stop the next attempt.
        with contextlib.suppress(OSError):
            path.unlink()
        raise _not_written(path, error) from None


def _not_written(path: Path, error: OSError) -> ExporterError:
    return ExporterError(f"{path} cannot be written: {error.strerror}")


def _there_already(path: Path) -> ExporterError:
    return ExporterError(
        f"{path} already exists and is not overwritten; to add an account:"
        " init --account NAME -o accounts.d/NAME.yml, then --config.file=accounts.d"
    )


def _file_to_load(written: Path) -> Path:
    """Return the path for `--config.file`: the folder, where that has a file for each account."""
    folder = written.parent
    has_several = folder.name.endswith(".d") or len(accounts_in(folder)) > 1
    return folder if has_several else written


def _check(file: Path, account: Account, environ: Mapping[str, str], options: InitOptions) -> int:
    """Check the new file online, with the key in memory: its own file may not exist yet."""
    try:
        accounts = config.load(file, environ).configuration.accounts
    except ConfigurationError as error:
        write(str(error))
        return exits.WRONG
    (written,) = (one for one in accounts if one.name == account.name)
    return check_online(
        Configuration((dataclasses.replace(written, token=account.token),)),
        as_json=False,
        timeout_seconds=options.timeout,
        max_parallel_requests=options.scrape_max_parallel_requests,
    )


def _next_steps(file: Path, token_file: Path | None, *, right: bool) -> str:
    """Return the next steps, as commands to type."""
    flag = "" if file == config.DEFAULT_FILE else f" --config.file={shlex.quote(str(file))}"
    steps = []
    if token_file:
        path = shlex.quote(str(token_file))
        steps.append(f"(umask 077; cat > {path})  # paste the API key, Enter, Ctrl-D")
    if not right:
        steps.append(f"calltools-exporter check --online{flag}  # once it is fixed")
    steps += [
        f"calltools-exporter ping{flag}  # who can take a call now",
        f"calltools-exporter{flag}  # serve /metrics on port 15457 for Prometheus",
    ]
    return "\n".join(["next:", *(f"  {step}" for step in steps)])
