"""From the model to settings: defaults, paths, proxies, and the checks that span several keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from exporter import settings
from exporter.config import address
from exporter.config.environment import ENVIRONMENT
from exporter.config.schema import AccountKeys
from exporter.config.tree import Document, Path, Place

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Mapping

    from exporter.config import schema

__all__ = ["Places", "Resolver"]

Places: TypeAlias = "Mapping[str, Place]"

_TOKEN_KEYS: Final = ("token_file", "token_env")
_NEEDED: Final = {
    "url": "expected the URL you log in to, such as https://east-2.calltools.io",
    "queues": "expected a list of the queues to ask for",
    "available_status": "expected the id of the status of available agents, or several",
}


class Resolver:
    """Make accounts of a model, and note in the document what is wrong with them."""

    def __init__(
        self, document: Document, folder: pathlib.Path, environ: Mapping[str, str]
    ) -> None:
        self.accounts: list[settings.Account] = []
        self.places: dict[str, Places] = {}
        self._document = document
        self._folder = folder
        self._environ = environ
        self._variables: dict[str, str] = {}

    def resolve(self, model: schema.File) -> None:
        """Resolve all accounts."""
        names = _Once(self._document, "the name of an account")
        for index, own in enumerate(model.accounts):
            names.add(own.name, self._document.place("accounts", index, "name"))
            account = _Account(self._document, index, own, model.defaults)
            self._resolve(account)

    def _resolve(self, account: _Account) -> None:
        keys = account.keys
        url = self._url(account)
        token = self._token(account)
        tls = self._tls(account)
        queues = self._queues(account)
        proxy = self._proxy(keys, url)
        if not (url and token and queues):
            return  # noted
        self.places[account.name] = account.file_places()
        self.accounts.append(
            settings.Account(
                name=account.name,
                url=url,
                token=token,
                queues=queues,
                timeout=keys.timeout,
                max_parallel_requests=keys.max_parallel_requests,
                tls=tls,
                proxy=proxy,
            )
        )

    def _url(self, account: _Account) -> str | None:
        url = account.keys.url
        if url is None:
            account.need("url")
        elif not (
            url.startswith("https://") or account.keys.allow_http or address.is_loopback(url)
        ):
            message = (
                "found http://, over which the API key travels in the open; "
                "expected https://, or allow_http: true"
            )
            self._document.refuse(account.place("url"), message)
        return url

    def _token(self, account: _Account) -> settings.TokenSource | None:
        keys = account.keys
        if keys.token_file is not None and keys.token_env is not None:
            message = "found token_file and token_env, expected one of them"
            self._document.refuse(account.place("token_env"), message)
        if keys.token_file is not None:
            path = keys.token_file.replace("{account}", account.name)
            return settings.TokenFile(self._folder / path)
        if keys.token_env is not None:
            return settings.TokenEnvironment(self._variable(account, keys.token_env))
        if not any(account.wrote(key) for key in (*_TOKEN_KEYS, "token")):
            message = (
                "has no token_file or token_env, expected one that says where the API key is, "
                "here or under defaults"
            )
            self._document.refuse(account.place(), message)
        return None

    def _variable(self, account: _Account, template: str) -> str:
        capitals = re.sub("[^A-Z0-9_]", "_", account.name.upper())
        variable = template.replace("{account}", capitals)
        if variable != template:
            other = self._variables.setdefault(variable, account.name)
            if other != account.name:
                message = (
                    f"{template} is {variable} for the accounts '{other}' and '{account.name}', "
                    "expected a variable for each; give one a token_env of its own"
                )
                self._document.refuse(account.place("token_env"), message)
        return variable

    def _tls(self, account: _Account) -> settings.TlsFiles:
        tls = account.keys.tls
        if tls is None:
            return settings.TlsFiles()
        for one, other in (("cert_file", "key_file"), ("key_file", "cert_file")):
            if getattr(tls, one) is not None and not account.wrote("tls", other):
                place = account.place("tls", one)
                self._document.refuse(place, f"found {one} alone, expected {other} beside it")
        files = {
            key: None if value is None else self._folder / value
            for key, value in (
                ("ca_file", tls.ca_file),
                ("cert_file", tls.cert_file),
                ("key_file", tls.key_file),
            )
        }
        return settings.TlsFiles(**files, insecure_skip_verify=tls.insecure_skip_verify)

    def _proxy(self, keys: AccountKeys, url: str | None) -> str | None:
        if keys.proxy_url or not url:
            return keys.proxy_url
        found = address.environment_proxy(url, self._environ)
        if found is None:
            return None
        variable, value = found
        try:
            return address.proxy(value)
        except ValueError as error:
            self._document.refuse(Place(ENVIRONMENT, path=variable), str(error))
            return None

    def _queues(self, account: _Account) -> tuple[settings.Queue, ...]:
        keys = account.keys
        if keys.queues is None:
            account.need("queues")
            return ()
        ids = _Once(self._document, "the id of a queue of this account")
        names = _Once(self._document, "the name of a queue of this account")
        queues = []
        some_have_one = any(queue.available_status for queue in keys.queues)
        for index, queue in enumerate(keys.queues):
            name = queue.name or str(queue.id)
            if ids.add(queue.id, account.place("queues", index, "id")):
                names.add(name, account.place("queues", index, "name"))
            status = queue.available_status or keys.available_status or ()
            if not status and not account.wrote("queues", index, "available_status"):
                account.need("available_status", *(("queues", index) if some_have_one else ()))
            queues.append(
                settings.Queue(
                    id=queue.id,
                    name=name,
                    available_status=tuple(status),
                    required_agents=queue.required_agents,
                    team=queue.team or keys.team or "",
                )
            )
        return tuple(queues)


class _Account:
    """One account with the defaults laid under it; it knows which of them a key comes from."""

    def __init__(
        self, document: Document, index: int, own: schema.Account, defaults: AccountKeys
    ) -> None:
        self.name = own.name
        self._document = document
        self._path: Path = ("accounts", index)
        under = _values(defaults)
        if any(document.wrote(*self._path, key) for key in _TOKEN_KEYS):
            for key in _TOKEN_KEYS:
                under.pop(key, None)
        self.keys = AccountKeys.model_construct(None, **(under | _values(own)))

    def _find(self, path: Path) -> Path:
        own = (*self._path, *path)
        there = not path or self._document.wrote(*own[: len(self._path) + 1])
        return own if there else ("defaults", *path)

    def wrote(self, *path: str | int) -> bool:
        """Tell whether the account or the defaults have the key, even if its value is wrong."""
        return self._document.wrote(*self._find(path))

    def place(self, *path: str | int) -> Place:
        """Return where a value of the account stands, in itself or in the defaults."""
        return self._document.place(*self._find(path))

    def need(self, key: str, *path: str | int) -> None:
        """Note that a key is missing, unless what is there is already a mistake."""
        if not self.wrote(key):
            where = "here or under defaults" if not path else "here or at the account"
            message = f"has no {key}, {_NEEDED[key]}, {where}"
            self._document.refuse(self.place(*path), message)

    def file_places(self) -> Places:
        """Return where the files and variables are named."""
        tls = ("ca_file", "cert_file", "key_file")
        paths = {key: (key,) for key in _TOKEN_KEYS} | {key: ("tls", key) for key in tls}
        return {key: self.place(*path) for key, path in paths.items() if self.wrote(*path)}


class _Once:
    """Refuse what is there a second time."""

    def __init__(self, document: Document, what: str) -> None:
        self._document = document
        self._what = what
        self._places: dict[str | int, Place] = {}

    def add(self, value: str | int, place: Place) -> bool:
        """Note a value and where it stands; return whether it is new."""
        first = self._places.setdefault(value, place)
        if first is not place:
            before = f" on line {first.line}" if first.line else ""
            message = f"found {value!r}, {self._what} already{before}, expected each once"
            self._document.refuse(place, message)
        return first is place


def _values(keys: AccountKeys) -> dict[str, Any]:
    return {key: getattr(keys, key) for key in keys.model_fields_set if key != "name"}
