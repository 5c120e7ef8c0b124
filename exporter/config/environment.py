"""Environment variables: one account, for use without a file, and proxies."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from exporter.config.schema import ALL
from exporter.config.urls import environment_proxy, parse_account_url, parse_proxy_url
from exporter.config.yaml_tree import Document, Location, YamlMapping, YamlSequence, redacted
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


class EnvironmentProxies:
    """The proxies that the environment names, each looked up once."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.mistakes: list[Mistake] = []
        self._environ = environ
        self._found: dict[str, str | None] = {}

    def find(self, url: str) -> str | None:
        """Return the proxy for an account; an invalid one is recorded as a mistake."""
        if url not in self._found:
            self._found[url] = self._find(url)
        return self._found[url]

    def _find(self, url: str) -> str | None:
        found = environment_proxy(url, self._environ)
        if found is None:
            return None
        variable, value = found
        try:
            return parse_proxy_url(value)
        except ValueError as error:
            self.mistakes.append(Location(ENVIRONMENT, path=variable).mistake(str(error)))
            return None


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
    root = YamlMapping(Location(ENVIRONMENT))
    accounts = YamlSequence(root.location)
    account = YamlMapping(root.location)
    root.add("accounts", root.location, accounts, root.location)
    accounts.add(account, root.location)

    def add(key: str, variable: str, value: str | YamlSequence | None) -> None:
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
    add("queues", "CALLTOOLS_QUEUES", queues if queues == ALL else _queues(queues, mistakes))
    if statuses := values["CALLTOOLS_AVAILABLE_STATUS"]:
        location = Location(ENVIRONMENT, path="CALLTOOLS_AVAILABLE_STATUS")
        items = YamlSequence(location)
        for word in _words(statuses):
            items.add(_number(word) or word, location)
        add("available_status", "CALLTOOLS_AVAILABLE_STATUS", items)
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
    """Return the first label of the host: the silo."""
    try:
        host = urlsplit(parse_account_url(url)).hostname or ""
    except ValueError:
        return "account"
    return host if re.fullmatch(r"[0-9.]+|.*:.*", host) else host.partition(".")[0]


def _queues(text: str, mistakes: list[Mistake]) -> YamlSequence | None:
    """Return the ids; None if there is no valid one."""
    location = Location(ENVIRONMENT, path="CALLTOOLS_QUEUES")
    items = YamlSequence(location)
    for word in _words(text):
        if (number := _number(word)) is not None:
            items.add(number, location)
        else:
            wanted = _NEEDED["CALLTOOLS_QUEUES"]
            mistakes.append(location.mistake(f"found {redacted(word)}, expected {wanted}"))
    return items or None


def _words(text: str) -> list[str]:
    return [word for word in map(str.strip, text.split(",")) if word]


def _number(word: str) -> int | None:
    return int(word) if re.fullmatch("[0-9]{1,30}", word) else None
