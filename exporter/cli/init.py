"""`init`: ask the API what an account has, and write a configuration file with it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar

from exporter import config
from exporter.calltools import Client, QueueRow, RequestContext, StatusRow, resolve_statuses
from exporter.cli import exits
from exporter.cli.init_input import InitOptions, Key, prompt_account
from exporter.cli.online import check_online
from exporter.cli.template import ConfigTemplate
from exporter.cli.terminal import is_interactive, progress, prompt, write
from exporter.errors import ApiError, ConfigurationError, ExporterError, Failure
from exporter.settings import AUTO, Account, Configuration, Secret
from exporter.snapshot import Attempt
from exporter.transport import Deadline, Transports

__all__ = ["init"]

T = TypeVar("T")

#: A list that is missing or forbidden leaves a place to fill in; other failures end the command.
_WITHOUT_LIST: Final = frozenset({"403", "404", "invalid_json", "unexpected_answer"})


class _Unobserved:
    """Nobody counts these requests."""

    def attempt_started(self) -> None: ...

    def connection_opened(self) -> None: ...

    def attempt_ended(self, attempt: Attempt) -> None: ...


def init(options: InitOptions, environ: Mapping[str, str]) -> int:
    """Write a configuration of one account with all of its queues, and check it online.

    Returns:
        0 if what was written is right, 1 if something in it has to be filled in or is wrong.

    Raises:
        ExporterError: nothing was written; the words say why.
    """
    if os.path.lexists(options.output):
        raise _there_already(options.output)
    here = is_interactive()
    account, key = prompt_account(options, environ, here=here)
    statuses, queues = _read_lists(account, key.secret, options.timeout_seconds)
    template = _template(account, key, statuses, queues, here=here)
    _write(options.output, template.text(), 0o644)
    if key.new_file and key.write:
        _write(key.new_file, key.secret.reveal() + "\n", 0o600)
    number = len(template.queues)
    available = "none yet" if template.status is None else template.status
    write(
        f"wrote {options.output}: {number} queue{'' if number == 1 else 's'},"
        f" available status {available}"
    )
    file = _file_to_load(options.output)
    code = _check(file, account, environ, options)
    write(_next_steps(file, key, right=code == exits.OK))
    return code


def _read_lists(
    account: Account, secret: Secret, seconds: float
) -> tuple[tuple[StatusRow, ...] | Failure, tuple[QueueRow, ...] | Failure]:
    """Return what the account has, or why one of the lists cannot be had.

    Raises:
        ExporterError: host or key are wrong.
    """
    client = Client(account)
    with contextlib.closing(Transports()) as transports, progress(lambda: "asking the API"):
        try:
            context = RequestContext(
                transports.get(account, 1), secret, Deadline.after(seconds), _Unobserved()
            )
            statuses = _or_failure(lambda: client.read_statuses(context))
            queues = _or_failure(lambda: client.read_queues(context))
            if isinstance(statuses, Failure) or isinstance(queues, Failure):
                # A wrong host or key answers so as well; the agents tell which it is.
                client.check_filter("queue", context)
        except ApiError as error:
            raise ExporterError(f"nothing was written: {error}") from None
    return statuses, queues


def _or_failure(read: Callable[[], T]) -> T | Failure:
    try:
        return read()
    except ApiError as error:
        if error.failure.code not in _WITHOUT_LIST:
            raise
        return error.failure


def _template(
    account: Account,
    key: Key,
    statuses: tuple[StatusRow, ...] | Failure,
    queues: tuple[QueueRow, ...] | Failure,
    *,
    here: bool,
) -> ConfigTemplate:
    rows = {} if isinstance(statuses, Failure) else {row.id: row for row in statuses}
    available = (
        _unreadable("/api/statuses/", statuses)
        if isinstance(statuses, Failure)
        else resolve_statuses((AUTO,), rows)
    )
    names = {id_: row.name for id_, row in rows.items()}
    words = available.message if isinstance(available, Failure) else ""
    status = None if isinstance(available, Failure) else available[0]
    if words:
        write(words)
        status = _ask_for_status(names) if here else None
    found = {} if isinstance(queues, Failure) else {row.id: row.name for row in queues}
    missing = (
        _unreadable("/api/queues/", queues).message
        if isinstance(queues, Failure)
        else "the account has no queues"
    )
    if not found:
        write(f"{missing}; an id is the last part of the address of a queue's settings page")
        found = (
            {id_: str(id_) for id_ in prompt("Ids of queues, or nothing", "", _ids)} if here else {}
        )
    return ConfigTemplate(
        account.name, account.url, key.place, status, names, words, found, missing
    )


def _unreadable(path: str, failure: Failure) -> Failure:
    return Failure(failure.code, f"{path} cannot be read with this key ({failure.code})")


def _ask_for_status(names: Mapping[int, str]) -> int | None:
    def read(text: str) -> int | None:
        ids = _ids(text)
        if len(ids) > 1 or (names and not names.keys() >= set(ids)):
            raise ValueError(f"expected one id of: {', '.join(map(str, names))}")
        return ids[0] if ids else None

    place = "Contact Center > Agent Statuses"
    return prompt(f"Id of the status of available agents ({place}), or nothing", "", read)


def _ids(text: str) -> tuple[int, ...]:
    words = text.replace(",", " ").split()
    if not all(re.fullmatch("0*[1-9][0-9]{0,17}", word) for word in words):
        raise ValueError("expected ids, such as 5457")
    return tuple(dict.fromkeys(map(int, words)))


def _write(path: Path, text: str, mode: int) -> None:
    """Write a new file; one that is there is never touched.

    Raises:
        ExporterError: it is there already, or cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        if os.path.lexists(path):
            raise _there_already(path) from None
        raise ExporterError(f"{path} cannot be written: {error.strerror}") from None


def _there_already(path: Path) -> ExporterError:
    return ExporterError(
        f"{path} is there already and is not overwritten; for one more account:"
        " init --account NAME -o accounts.d/NAME.yml, then --config.file=accounts.d"
    )


def _file_to_load(written: Path) -> Path:
    """Return what `--config.file` is to name: the folder, where a file is one of several."""
    one_of_several = written.parent != Path() and written.name != config.DEFAULT_FILE.name
    return written.parent if one_of_several else written


def _check(file: Path, account: Account, environ: Mapping[str, str], options: InitOptions) -> int:
    """Check online what was written, with the key in hand: its file may not be there yet."""
    try:
        accounts = config.load(file, environ).configuration.accounts
    except ConfigurationError as error:
        write(str(error))
        return exits.WRONG
    (written,) = (one for one in accounts if one.name == account.name)
    return check_online(
        Configuration((dataclasses.replace(written, token=account.token),)),
        as_json=False,
        timeout_seconds=options.timeout_seconds,
        max_parallel_requests=options.max_parallel_requests,
    )


def _next_steps(file: Path, key: Key, *, right: bool) -> str:
    """Say what to do now, as commands to be typed."""
    flag = "" if file == config.DEFAULT_FILE else f" --config.file={shlex.quote(str(file))}"
    steps = []
    if key.new_file and not key.write:
        path = shlex.quote(str(key.new_file))
        steps.append(f"(umask 077; cat > {path})  # paste the API key, Enter, Ctrl-D")
    if not right:
        steps.append(f"calltools-exporter check --online{flag}  # once it is put right")
    steps += [
        f"calltools-exporter ping{flag}  # who is available now",
        f"calltools-exporter{flag}  # serve /metrics on port 15457 for Prometheus",
    ]
    return "\n".join(["next:", *(f"  {step}" for step in steps)])
