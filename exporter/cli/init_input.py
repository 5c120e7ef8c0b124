"""What `init` needs to know: from flags, the environment, or the person at the terminal."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import yaml
from pydantic import TypeAdapter, ValidationError

from exporter.cli.terminal import complain, prompt, prompt_secret
from exporter.config import fields, token_variable, urls
from exporter.errors import ExporterError, TokenError
from exporter.settings import (
    Account,
    Secret,
    TlsFiles,
    TokenEnvironment,
    TokenFile,
    TokenValue,
    read_key,
)

T = TypeVar("T")

_NAME: Final = TypeAdapter[str](fields.Name)
_FILE: Final = TypeAdapter[str](fields.TokenFileName)
_VARIABLE: Final = TypeAdapter[str](fields.TokenVariable)


@dataclass(frozen=True, slots=True)
class InitOptions:
    """The flags of `init` by their names; if ``interactive``, a person is asked for what is None.

    ``timeout`` is in seconds.
    """

    url: str | None
    account: str | None
    token_file: str | None
    token_env: str | None
    output: Path
    timeout: float
    scrape_max_parallel_requests: int
    interactive: bool
    ca_file: Path | None
    proxy_url: str | None


@dataclass(frozen=True, slots=True)
class Key:
    """The key, and how the configuration refers to it.

    ``new_file`` is the file to store the key in, if a person typed it.
    """

    secret: Secret
    place: tuple[str, str]
    new_file: Path | None = None


def prompt_account(
    options: InitOptions, environ: Mapping[str, str], check_host: Callable[[Account], None]
) -> Account:
    """Return an account without queues and key; ask for what was not given.

    Args:
        options: what the command line says.
        environ: names the proxy, unless a flag does.
        check_host: raises ValueError, with the reason, if the account's host does not answer.

    Raises:
        ExporterError: something is wrong, or is missing without a terminal to ask on.
    """

    def read(text: str) -> Account:
        url = _url(text)
        account = Account("", url, no_key, (), tls=tls, proxy=_proxy(url, options, environ))
        if options.interactive:  # before the key is asked for
            check_host(account)
        return account

    no_key = TokenValue(Secret(""), "no key yet")  # nothing is sent in its place
    tls = TlsFiles(ca_file=options.ca_file)
    account = _given("--url", options.url, read, interactive=options.interactive) or prompt(
        "The URL you log in to, such as https://east-2.calltools.io", "", read
    )
    silo = (urlsplit(account.url).hostname or "").partition(".")[0]
    default = "calltools" if silo.isdecimal() or not silo else silo
    name = _given(
        "--account", options.account, _name, interactive=options.interactive, default=default
    ) or prompt("A name for the account, the label of its metrics", default, _name)
    return Account(name, account.url, account.token, (), tls=tls, proxy=account.proxy)


def prompt_key(options: InitOptions, name: str, environ: Mapping[str, str]) -> Key:
    """Return an account's key: from where a flag says, $CALLTOOLS_TOKEN, or the person.

    Raises:
        ExporterError: it cannot be read, or is missing without a terminal to ask on.
    """
    folder = options.output.parent
    variable = options.token_env or _default_variable(options, environ)
    if variable is not None:
        _refuse_a_key("--token-env", _VARIABLE, variable)
        source = TokenEnvironment(token_variable(variable, name))
        user = _used_variables(folder).get(source.variable)
        if user is not None:
            complain(f"note: account {user!r} uses {source.describe()} as well")
        return Key(source.read(), ("token_env", variable))
    if options.token_file is not None:
        _refuse_a_key("--token-file", _FILE, options.token_file)
    template = options.token_file or str(folder / f"{re.sub('[^A-Za-z0-9_.-]', '-', name)}.token")
    path = Path(template.replace("{account}", name))
    written = template if Path(template).is_absolute() else os.path.relpath(template, folder)
    place = ("token_file", written)
    if os.path.lexists(path) or (options.token_file is not None and not options.interactive):
        return Key(TokenFile(path).read(), place)
    if not options.interactive:
        raise ExporterError(
            "--token-file or --token-env is needed, as there is no terminal to ask on; never give"
            " the key itself on the command line"
        )
    return Key(_prompt_token(), place, path)


def _default_variable(options: InitOptions, environ: Mapping[str, str]) -> str | None:
    """Return $CALLTOOLS_TOKEN if it is set and no other account of the folder uses it.

    Raises:
        ExporterError: another account uses it, and there is no terminal to ask on.
    """
    if options.token_file is not None or not environ.get("CALLTOOLS_TOKEN"):
        return None
    user = _used_variables(options.output.parent).get("CALLTOOLS_TOKEN")
    if user is None:
        return "CALLTOOLS_TOKEN"
    if not options.interactive:
        raise ExporterError(
            f"$CALLTOOLS_TOKEN is already the key of account {user!r} in {options.output.parent};"
            " name this account's own variable or file with --token-env or --token-file"
        )
    complain(f"  $CALLTOOLS_TOKEN is not used: it is the key of account {user!r}")
    return None


def _used_variables(folder: Path) -> dict[str, str]:
    """Return the variables of keys that a folder's other files name, with their accounts.

    The files may have mistakes, such as a place to fill in.
    """
    if folder == Path():
        return {}  # the files of this folder are not read together
    roots = [root for file in sorted(folder.glob("*.y*ml")) for root in _read_mapping(file)]
    found = {}
    defaults = [root["defaults"] for root in roots if isinstance(root.get("defaults"), dict)]
    for root in roots:
        accounts = root.get("accounts")
        for account in accounts if isinstance(accounts, list) else []:
            if not isinstance(account, dict):
                continue
            keys = [account] if "token_file" in account else [account, *defaults]
            variable = next((key["token_env"] for key in keys if "token_env" in key), None)
            if isinstance(variable, str):
                name = str(account.get("name"))
                found[token_variable(variable, name)] = name
    return found


def _read_mapping(file: Path) -> Iterator[dict[str, Any]]:
    try:
        root = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError):
        return
    if isinstance(root, dict):
        yield root


def _prompt_token() -> Secret:
    while True:
        answer = prompt_secret("The API key, from Integrations > API Keys (your input is hidden)")
        try:
            return read_key(answer, "the answer")
        except TokenError as error:
            complain(f"  {error}")


def _given(
    flag: str,
    value: str | None,
    read: Callable[[str], T],
    *,
    interactive: bool,
    default: str | None = None,
) -> T | None:
    """Return what was given; None if the person has to be asked.

    Raises:
        ExporterError: it cannot be read, or is missing without a terminal to ask on.
    """
    if value is None and interactive:
        return None
    if value is None and default is None:
        raise ExporterError(f"{flag} is needed, as there is no terminal to ask on")
    try:
        return read(value if value is not None else default or "")
    except ValueError as error:
        raise ExporterError(f"{flag}: {error}") from None


def _url(text: str) -> str:
    url = urls.parse_account_url(text if "://" in text or not text else f"https://{text}")
    if url.startswith("http://") and not urls.is_loopback(url):
        raise ValueError("found http://, which would send the key unencrypted; expected https://")
    return url


def _name(text: str) -> str:
    return _valid(_NAME, text)


def _valid(kind: TypeAdapter[str], text: str) -> str:
    try:
        return kind.validate_python(text)
    except ValidationError as error:
        words = error.errors(include_url=False)[0]["msg"]
        raise ValueError(words if words.startswith("found") else f"expected {words}") from None


def _proxy(url: str, options: InitOptions, environ: Mapping[str, str]) -> str | None:
    found = urls.environment_proxy(url, environ)
    source, value = ("--proxy-url", options.proxy_url) if options.proxy_url else found or ("", "")
    try:
        return urls.parse_proxy_url(value) if value else None
    except ValueError as error:
        raise ExporterError(f"{source}: {error}") from None


def _refuse_a_key(flag: str, kind: TypeAdapter[str], text: str) -> None:
    """Check that a flag names a place; what is refused may be the key, so it is not repeated."""
    try:
        _valid(kind, text)
    except ValueError as error:
        raise ExporterError(f"{flag}: {error}") from None
