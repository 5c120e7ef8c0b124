"""What a configuration says of one account: its own keys over the defaults, each at its place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from exporter.config import schema
from exporter.config.schema import AccountKeys, File
from exporter.config.yaml_tree import Document, Location, Path

__all__ = ["TOKEN_KEYS", "Account", "ConfigFile", "Locations", "UniqueNames"]

Locations: TypeAlias = "Mapping[str, Location]"

TOKEN_KEYS: Final = ("token_file", "token_env")
_TLS_FILES: Final = ("ca_file", "cert_file", "key_file")
_NEEDED: Final = {
    "url": "expected the URL you log in to, such as https://east-2.calltools.io",
    "queues": "expected a list of the queues to ask for, or all",
    "available_status": "expected the status of available agents: its id, its name, or auto",
}


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """One file of a configuration, and what it holds."""

    document: Document
    model: File


class Account:
    """An account with the defaults laid under it."""

    def __init__(self, part: ConfigFile, index: int, defaults: ConfigFile) -> None:
        own: schema.Account = part.model.accounts[index]
        self.name = own.name
        self.document = part.document
        self._path: Path = ("accounts", index)
        self._defaults = defaults.document
        under = _values(defaults.model.defaults)
        if any(self.document.has_key(*self._path, key) for key in TOKEN_KEYS):
            for key in TOKEN_KEYS:
                under.pop(key, None)
        self.keys = AccountKeys.model_construct(None, **(under | _values(own)))

    def _find(self, path: Path) -> tuple[Document, Path]:
        if not path or self.document.has_key(*self._path, path[0]):
            return self.document, (*self._path, *path)
        if self._defaults.has_key("defaults", path[0]):
            return self._defaults, ("defaults", *path)
        return self.document, self._path

    def has_key(self, *path: str | int) -> bool:
        """Tell whether the account or the defaults have the key, even if its value is wrong."""
        document, found = self._find(path)
        return document.has_key(*found) and found[-1] == path[-1]

    def location(self, *path: str | int) -> Location:
        """Return where a value of the account stands, in itself or in the defaults."""
        document, found = self._find(path)
        return document.location(*found)

    def add_mistake(self, message: str, *path: str | int) -> None:
        """Note what is wrong with the value at a path, or with the account as a whole."""
        self.document.add_mistake(self.location(*path), message)

    def need(self, key: str, *path: str | int) -> None:
        """Note that a key is missing, unless what is there is already a mistake."""
        if not self.has_key(key):
            where = "at the account" if path else "under defaults"
            self.add_mistake(f"has no {key}, {_NEEDED[key]}, here or {where}", *path)

    def file_locations(self) -> Locations:
        """Return where the files and variables are named."""
        paths = {key: (key,) for key in TOKEN_KEYS} | {key: ("tls", key) for key in _TLS_FILES}
        return {key: self.location(*path) for key, path in paths.items() if self.has_key(*path)}


class UniqueNames:
    """Refuse what is there a second time."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._locations: dict[str | int, Location] = {}

    def add(self, value: str | int, location: Location, document: Document) -> bool:
        """Note a value and where it stands; return whether it is new."""
        first = self._locations.setdefault(value, location)
        if first is not location:
            message = f"found {value!r}, {self._what} already{first.seen_from(location)}"
            document.add_mistake(location, f"{message}, expected each once")
        return first is location


def _values(keys: AccountKeys) -> dict[str, Any]:
    return {key: getattr(keys, key) for key in keys.model_fields_set if key != "name"}
