"""What `init` needs to know: from flags, the environment, or the person at the terminal."""

import dataclasses
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from exporter.cli.terminal import complain, prompt, prompt_secret
from exporter.config import fields, urls
from exporter.config.cross_checks import token_variable
from exporter.config.load import lay_defaults_under, read_files
from exporter.config.yaml_tree import YamlMapping
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

    def read_name(text: str) -> str:
        name = _name(text)
        for other in others:
            if other.get("name") == name:
                raise ValueError(
                    f"found {name!r}, which is already an account in {other.location.file},"
                    " expected another name"
                )
        return name

    others = accounts_in(options.output.parent)
    no_key = TokenValue(Secret(""), "no key yet")  # nothing is sent in its place
    tls = TlsFiles(ca_file=options.ca_file)
    question = "The URL you log in to, such as https://east-2.calltools.io"
    account = _given_or_answered(options, "url", read, question)
    question = "A name for the account, the label of its metrics"
    silo = urls.account_name(account.url)
    name = _given_or_answered(options, "account", read_name, question, silo)
    return dataclasses.replace(account, name=name)


def prompt_key(options: InitOptions, name: str, environ: Mapping[str, str]) -> Key:
    """Return an account's key: from where a flag says, $CALLTOOLS_TOKEN, or the person.

    Raises:
        ExporterError: it cannot be read, or is missing without a terminal to ask on.
    """
    folder = options.output.parent
    variable = options.token_env or _default_variable(options, environ)
    if variable is not None:
        _given("--token-env", variable, _token_variable)
        source = TokenEnvironment(token_variable(variable, name))
        user = _used_variables(folder).get(source.variable)
        if user is not None:
            complain(f"note: account {user!r} uses {source.describe()} as well")
        return Key(source.read(), ("token_env", variable))
    if options.token_file is not None:
        _given("--token-file", options.token_file, _token_file)
    template = options.token_file or str(folder / f"{re.sub('[^A-Za-z0-9_.-]', '-', name)}.token")
    path = Path(template.replace("{account}", name))
    place = ("token_file", path_from(folder, template))
    if os.path.lexists(path) or (options.token_file is not None and not options.interactive):
        return Key(TokenFile(path).read(), place)
    if not options.interactive:
        raise ExporterError(
            "--token-file or --token-env is needed, as there is no terminal to ask on; never give"
            " the key itself on the command line"
        )
    return Key(_prompt_token(), place, path)


def path_from(folder: Path, path: str) -> str:
    """Return a path as a file in a folder names it: relative to that folder, unless absolute."""
    return path if Path(path).is_absolute() else os.path.relpath(path, folder)


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
    """Return the variables of keys that a folder's other files name, with their accounts."""
    return {
        token_variable(variable, str(account.get("name"))): str(account.get("name"))
        for account in accounts_in(folder)
        if isinstance(variable := account.get("token_env"), str)
    }


def accounts_in(folder: Path) -> list[YamlMapping]:
    """Return the accounts in a folder's files, which may have mistakes."""
    if folder == Path():
        return []  # the files of this folder are not read together
    documents, _ = read_files(sorted(folder.glob("*.y*ml")))
    roots = [document.root for document in documents]
    lay_defaults_under(roots)
    return [account for root in roots for account in root.sequence("accounts").mappings()]


def _prompt_token() -> Secret:
    while True:
        answer = prompt_secret("The API key, from Integrations > API Keys (your input is hidden)")
        try:
            return read_key(answer, "the answer")
        except TokenError as error:
            complain(f"  {error}")


def _given_or_answered(
    options: InitOptions, name: str, read: Callable[[str], T], question: str, default: str = ""
) -> T:
    """Return what a flag gives; without it, what the person answers, or the default.

    Raises:
        ExporterError: it cannot be read, or is missing without a terminal to ask on.
    """
    value = getattr(options, name)
    if value is None and options.interactive:
        return prompt(question, default, read)
    if value is None and not default:
        raise ExporterError(f"--{name} is needed, as there is no terminal to ask on")
    return _given(f"--{name}", default if value is None else value, read)


def _given(flag: str, value: str, read: Callable[[str], T]) -> T:
    """Return what a flag gives.

    Raises:
        ExporterError: it cannot be read.
    """
    try:
        return read(value)
    except ValueError as error:
        raise ExporterError(f"{flag}: {error}") from None


def _url(text: str) -> str:
    url = urls.parse_account_url(text if "://" in text or not text else f"https://{text}")
    if url.startswith("http://") and not urls.is_loopback(url):
        raise ValueError("found http://, which would send the key unencrypted; expected https://")
    return url


def _proxy(url: str, options: InitOptions, environ: Mapping[str, str]) -> str | None:
    given = ("--proxy-url", options.proxy_url) if options.proxy_url else None
    found = given or urls.environment_proxy(url, environ)
    return _given(*found, urls.parse_proxy_url) if found else None


def _valid(kind: TypeAdapter[str]) -> Callable[[str], str]:
    """Return what reads a text of a kind; the kind's message is a ValueError's."""

    def read(text: str) -> str:
        try:
            return kind.validate_python(text)
        except ValidationError as error:
            words = error.errors(include_url=False)[0]["msg"]
            raise ValueError(words if words.startswith("found") else f"expected {words}") from None

    return read


_name = _valid(TypeAdapter(fields.Name))
# What these refuse may be the key itself, so it is not repeated.
_token_file = _valid(TypeAdapter(fields.TokenFileName))
_token_variable = _valid(TypeAdapter(fields.TokenVariable))
