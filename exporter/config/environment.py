"""One account from environment variables, for those who need no file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from exporter.config.urls import parse_account_url
from exporter.config.yaml_tree import Document, Location, YamlMapping, YamlSequence
from exporter.errors import ConfigurationError, Mistake

__all__ = ["ENVIRONMENT", "read_environment"]

#: What stands for the file's name in mistakes.
ENVIRONMENT: Final = "environment"

_EXPECTED: Final = {
    "CALLTOOLS_URL": "the URL you log in to, such as https://east-2.calltools.io",
    "CALLTOOLS_TOKEN": "the API key, from Integrations > API Keys in CallTools",
    "CALLTOOLS_AVAILABLE_STATUS": "the id of the status of available agents, such as 20561",
    "CALLTOOLS_QUEUES": "the ids of the queues to ask for, such as 5457,5460",
}


def read_environment(environ: Mapping[str, str], default_file: str) -> Document:
    """Read ``CALLTOOLS_*`` variables into a tree of the same shape as a file's.

    Raises:
        ConfigurationError: none of the variables is set.
    """
    values = {name: environ.get(name, "").strip() for name in _EXPECTED}
    if not any(values.values()):
        message = f"is not here; write one, or set {', '.join(_EXPECTED)}"
        raise ConfigurationError([Location(default_file).mistake(message)])
    mistakes = [
        Location(ENVIRONMENT, path=name).mistake(f"is not set, expected {_EXPECTED[name]}")
        for name, value in values.items()
        if not value
    ]
    root = YamlMapping(Location(ENVIRONMENT))
    accounts = YamlSequence(root.location)
    account = YamlMapping(root.location)
    root.add("accounts", root.location, accounts, root.location)
    accounts.add(account, root.location)

    url = Location(ENVIRONMENT, path="CALLTOOLS_URL")
    account.add("url", url, values["CALLTOOLS_URL"] or None, url)
    account.add("name", url, _name(values["CALLTOOLS_URL"]), url)
    token = Location(ENVIRONMENT, path="CALLTOOLS_TOKEN")
    account.add("token_env", token, "CALLTOOLS_TOKEN", token)
    for key, name in (
        ("available_status", "CALLTOOLS_AVAILABLE_STATUS"),
        ("queues", "CALLTOOLS_QUEUES"),
    ):
        location = Location(ENVIRONMENT, path=name)
        account.add(key, location, _ids(values[name], location, mistakes), location)
    return Document(root, mistakes)


def _name(url: str) -> str:
    """Return the first label of the host: the silo."""
    try:
        host = urlsplit(parse_account_url(url)).hostname or ""
    except ValueError:
        return "account"
    return host if re.fullmatch(r"[0-9.]+|.*:.*", host) else host.partition(".")[0]


def _ids(text: str, location: Location, mistakes: list[Mistake]) -> YamlSequence | None:
    items = YamlSequence(location)
    for word in filter(None, map(str.strip, text.split(","))):
        if re.fullmatch("[0-9]{1,30}", word):
            items.add(int(word), location)
        else:
            mistakes.append(
                location.mistake(f"found {word!r}, expected {_EXPECTED[location.path]}")
            )
    return items or None
