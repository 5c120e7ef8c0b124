"""Environment variables: one account, for use without a file, and proxies."""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from exporter.config.schema import ALL
from exporter.config.urls import account_name, environment_proxy, parse_account_url
from exporter.config.yaml_tree import (
    Document,
    Location,
    Value,
    YamlMapping,
    YamlSequence,
    redacted,
)
from exporter.errors import ConfigurationError, Mistake

#: The name that mistakes have in place of a file's.
ENVIRONMENT = "environment"

_NEEDED = {
    "CALLTOOLS_URL": "the URL you log in to, such as https://east-2.calltools.io",
    "CALLTOOLS_TOKEN": "the API key, from Integrations > API Keys in CallTools",
    "CALLTOOLS_QUEUES": "the ids of the queues to ask for, such as 5457,5460, or all",
}
#: The variables of an account; those after the first three are optional.
VARIABLES = (*_NEEDED, "CALLTOOLS_AVAILABLE_STATUS", "CALLTOOLS_ACCOUNT")


def add_proxies(accounts: Iterable[YamlMapping], environ: Mapping[str, str]) -> None:
    """Add to each account that names no proxy the one that the environment names for its host."""
    for account in accounts:
        url = account.get("url")
        if isinstance(url, str) and not account.has_key("proxy_url"):
            with suppress(ValueError):  # an invalid URL is reported where this one key is validated
                if found := environment_proxy(parse_account_url(url), environ):
                    variable, value = found
                    location = Location(ENVIRONMENT, path=variable)
                    account.add("proxy_url", location, value, location)


def read_environment(environ: Mapping[str, str], default_file: Path) -> Document:
    """Read ``CALLTOOLS_*`` variables into a tree of the same shape as a file's.

    ``default_file`` is the file that is read if it exists.

    Raises:
        ConfigurationError: none of the variables is set.
    """
    values = {name: environ.get(name, "").strip() for name in VARIABLES}
    if not any(values.values()):
        message = (
            f"{_why_not_read(default_file)}; write it with 'calltools-exporter init', or set"
            f" {', '.join(_NEEDED)}; to try it without an account: 'calltools-exporter demo'"
        )
        raise ConfigurationError([Location(str(default_file)).mistake(message)])
    mistakes = [
        Location(ENVIRONMENT, path=name).mistake(f"is not set, expected {wanted}")
        for name, wanted in _NEEDED.items()
        if not values[name]
    ]
    for name, value in values.items():
        # Docker's --env-file keeps quotes. The key itself is read and checked elsewhere.
        if re.fullmatch(r"""(["']).*\1""", value) and name != "CALLTOOLS_TOKEN":
            message = "found quotes around the value; expected it without, as no shell removes them"
            mistakes.append(Location(ENVIRONMENT, path=name).mistake(message))
            values[name] = value[1:-1]
    account = YamlMapping(Location(ENVIRONMENT))

    def add(key: str, variable: str, value: Value | None) -> None:
        location = Location(ENVIRONMENT, path=variable)
        account.add(key, location, value, location)

    url = values["CALLTOOLS_URL"]
    add("url", "CALLTOOLS_URL", url or None)
    add("token_env", "CALLTOOLS_TOKEN", "CALLTOOLS_TOKEN")
    if name := values["CALLTOOLS_ACCOUNT"]:
        add("name", "CALLTOOLS_ACCOUNT", name)
    else:
        add("name", "CALLTOOLS_URL", _name_of(url))
    queues = values["CALLTOOLS_QUEUES"]
    add("queues", "CALLTOOLS_QUEUES", queues if queues == ALL else _ids(queues, mistakes))
    if statuses := values["CALLTOOLS_AVAILABLE_STATUS"]:
        variable = "CALLTOOLS_AVAILABLE_STATUS"
        add("available_status", variable, _items(statuses, Location(ENVIRONMENT, path=variable)))
    root = YamlMapping(account.location)
    accounts = YamlSequence(account.location)
    accounts.add(account, account.location)
    root.add("accounts", account.location, accounts, account.location)
    return Document(root, mistakes)


def _why_not_read(path: Path) -> str:
    try:
        path.stat()
    except FileNotFoundError:
        pass
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "does not exist"


def _name_of(url: str) -> str:
    try:
        return account_name(parse_account_url(url))
    except ValueError:
        return "account"


def _ids(text: str, mistakes: list[Mistake]) -> YamlSequence | None:
    """Return the ids of queues; None if there is none, which is then a mistake already."""
    location = Location(ENVIRONMENT, path="CALLTOOLS_QUEUES")
    ids = YamlSequence(location)
    for item in (_items(text, location) or [text]) if text else ():
        if isinstance(item, str):
            wanted = _NEEDED["CALLTOOLS_QUEUES"]
            mistakes.append(location.mistake(f"found {redacted(item)}, expected {wanted}"))
        else:
            ids.add(item, location)
    return ids or None


def _items(text: str, location: Location) -> YamlSequence:
    """Return the numbers and words between commas."""
    items = YamlSequence(location)
    for word in filter(None, map(str.strip, text.split(","))):
        items.add(int(word) if re.fullmatch("[0-9]{1,30}", word) else word, location)
    return items
