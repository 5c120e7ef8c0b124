"""What `init` is told: by flags, by the environment, or by the person at the terminal."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from exporter.cli.terminal import confirm, prompt, prompt_secret
from exporter.config import fields
from exporter.config import urls as address
from exporter.errors import ExporterError
from exporter.settings import Account, Secret, TokenEnvironment, TokenFile, read_key

__all__ = ["InitOptions", "Key", "prompt_account"]

_NAME: Final = TypeAdapter[str](fields.Name)
_FILE: Final = TypeAdapter[str](fields.TokenFileName)
_VARIABLE: Final = TypeAdapter[str](fields.TokenVariable)


@dataclass(frozen=True, slots=True)
class InitOptions:
    """What the command line gives; None is asked for on a terminal. Time in seconds."""

    url: str | None
    account: str | None
    token_file: str | None
    token_env: str | None
    output: Path
    timeout_seconds: float
    max_parallel_requests: int


@dataclass(frozen=True, slots=True)
class Key:
    """The key in hand, and what the configuration says of where it is.

    ``new_file`` is the file that is to hold it and does not exist yet; ``write`` is that the
    person wants it written there.
    """

    secret: Secret
    place: tuple[str, str]
    new_file: Path | None = None
    write: bool = False

    def read(self) -> Secret:
        """Return the key."""
        return self.secret

    def describe(self) -> str:
        """Say where it is from."""
        return "the key that was given"


def prompt_account(
    options: InitOptions, environ: Mapping[str, str], *, here: bool
) -> tuple[Account, Key]:
    """Return an account without queues, and its key; ask for what was not given.

    Args:
        options: the command line's.
        environ: `CALLTOOLS_URL` and `CALLTOOLS_TOKEN` stand for flags; also names the proxy.
        here: somebody can be asked.

    Raises:
        ExporterError: something is wrong, or missing where nobody is to ask.
    """
    url = _given("--url", options.url or environ.get("CALLTOOLS_URL"), _url, here=here) or prompt(
        "The URL you log in to, such as https://east-2.calltools.io", "", _url
    )
    silo = (urlsplit(url).hostname or "").partition(".")[0]
    default = "calltools" if silo.isdecimal() or not silo else silo
    name = _given("--account", options.account, _name, here=here, default=default) or prompt(
        "A name for the account, the label of its metrics", default, _name
    )
    key = _key(options, name, environ, here=here)
    return Account(name, url, key, (), proxy=_proxy(url, environ)), key


def _given(
    flag: str,
    value: str | None,
    read: Callable[[str], str],
    *,
    here: bool,
    default: str | None = None,
) -> str | None:
    """Return what was given; None if it has to be asked for.

    Raises:
        ExporterError: it cannot be read, or is needed and nobody is there to ask.
    """
    if value is None and here:
        return None
    if value is None and default is None:
        raise ExporterError(f"{flag} is needed where no terminal is to ask on")
    try:
        return read(value if value is not None else default or "")
    except ValueError as error:
        raise ExporterError(f"{flag}: {error}") from None


def _url(text: str) -> str:
    url = address.parse_account_url(text if "://" in text or not text else f"https://{text}")
    if url.startswith("http://") and not address.is_loopback(url):
        raise ValueError("found http://, over which the key travels in the open; expected https://")
    return url


def _name(text: str) -> str:
    return _valid(_NAME, text)


def _valid(kind: TypeAdapter[str], text: str) -> str:
    try:
        return kind.validate_python(text)
    except ValidationError as error:
        words = error.errors(include_url=False)[0]["msg"]
        raise ValueError(words if words.startswith("found") else f"expected {words}") from None


def _proxy(url: str, environ: Mapping[str, str]) -> str | None:
    found = address.environment_proxy(url, environ)
    try:
        return address.parse_proxy_url(found[1]) if found else None
    except ValueError as error:
        raise ExporterError(f"{found[0] if found else ''}: {error}") from None


def _key(options: InitOptions, name: str, environ: Mapping[str, str], *, here: bool) -> Key:
    """Find the key: where a flag says, in $CALLTOOLS_TOKEN, or with the person."""
    folder = options.output.parent
    variable = options.token_env
    if variable is None and options.token_file is None and environ.get("CALLTOOLS_TOKEN"):
        variable = "CALLTOOLS_TOKEN"
    if variable is not None:
        _refuse_a_key("--token-env", _VARIABLE, variable)
        return Key(TokenEnvironment(variable).read(), ("token_env", variable))
    if options.token_file is not None:
        _refuse_a_key("--token-file", _FILE, options.token_file)
    path = Path(options.token_file or folder / f"{re.sub('[^A-Za-z0-9_.-]', '-', name)}.token")
    place = ("token_file", str(path) if path.is_absolute() else os.path.relpath(path, folder))
    if os.path.exists(path) or (options.token_file is not None and not here):  # noqa: PTH110 - no error in a folder that cannot be read
        return Key(TokenFile(path).read(), place)
    if not here:
        raise ExporterError(
            "--token-file or --token-env is needed where no terminal is to ask on;"
            " the key itself is never given on the command line"
        )
    secret = read_key(
        prompt_secret("The API key, from Integrations > API Keys (it is not shown)"), "the answer"
    )
    write = confirm(f"Write the key to {path}, which only you can read?")
    return Key(secret, place, path, write)


def _refuse_a_key(flag: str, kind: TypeAdapter[str], text: str) -> None:
    """Say that a flag names where the key is, without repeating what may be the key itself."""
    try:
        _valid(kind, text)
    except ValueError as error:
        raise ExporterError(f"{flag}: {error}") from None
