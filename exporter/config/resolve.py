"""From the model to settings: defaults, paths, proxies, and the checks that span several keys."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Mapping, Sequence

from exporter import settings
from exporter.config import schema, urls
from exporter.config.environment import ENVIRONMENT
from exporter.config.layers import TOKEN_KEYS, Account, ConfigFile, Locations, UniqueNames
from exporter.config.schema import EVERY_QUEUE
from exporter.config.yaml_tree import Document, Location
from exporter.schedule import DAYS, Schedule, Span, overlaps
from exporter.text import nearest

__all__ = ["Resolver"]


class Resolver:
    """Make accounts of the files' models, and note in the documents what is wrong with them.

    ``folder`` is what relative paths are relative to.
    """

    def __init__(self, folder: pathlib.Path, environ: Mapping[str, str]) -> None:
        self.accounts: list[settings.Account] = []
        self.locations: dict[str, Locations] = {}
        self.schedules: dict[str, Schedule] = {}
        self._folder = folder
        self._environ = environ
        self._variables: dict[str, str] = {}
        self._schedules_at = UniqueNames("the name of a schedule")

    def resolve(self, parts: Sequence[ConfigFile]) -> None:
        """Resolve the accounts of all files; defaults and schedules are for all of them."""
        having = [part for part in parts if part.document.has_key("defaults")]
        only = UniqueNames("the key")
        for part in having:
            only.add("defaults", part.document.key_location("defaults"), part.document)
        for part in parts:
            self._add_schedules(part)
        names = UniqueNames("the name of an account")
        for part in parts:
            for index, own in enumerate(part.model.accounts):
                location = part.document.location("accounts", index, "name")
                names.add(own.name, location, part.document)
                if len(having) < 2:  # else nobody knows what the account lacks
                    self._add(Account(part, index, (having or parts)[0]), parts)

    def _add_schedules(self, part: ConfigFile) -> None:
        for name, keys in part.model.schedules.items():
            location = part.document.key_location("schedules", name)
            if self._schedules_at.add(name, location, part.document):
                self.schedules[name] = _make_schedule(name, keys, part.document)

    def _add(self, account: Account, parts: Sequence[ConfigFile]) -> None:
        keys = account.keys
        url = self._url(account)
        token = self._token(account)
        tls = self._tls(account)
        queues = self._queues(account, parts)
        proxy = self._proxy(account, url)
        if not (url and token and queues):
            return  # noted
        every_queue = queues[0] if keys.queues == [EVERY_QUEUE] else None
        self.locations[account.name] = account.file_locations()
        self.accounts.append(
            settings.Account(
                name=account.name,
                url=url,
                token=token,
                queues=() if every_queue else queues,
                every_queue=every_queue,
                detail=keys.detail,
                timeout=keys.timeout,
                max_parallel_requests=keys.max_parallel_requests,
                max_age=keys.max_age,
                tls=tls,
                proxy=proxy,
            )
        )

    def _url(self, account: Account) -> str | None:
        url = account.keys.url
        if url is None:
            account.need("url")
        elif not (url.startswith("https://") or account.keys.allow_http or urls.is_loopback(url)):
            message = (
                "found http://, over which the API key travels in the open; "
                "expected https://, or allow_http: true"
            )
            account.add_mistake(message, "url")
        return url

    def _token(self, account: Account) -> settings.TokenSource | None:
        keys = account.keys
        if keys.token_file is not None and keys.token_env is not None:
            account.add_mistake("found token_file and token_env, expected one of them", "token_env")
        if keys.token_file is not None:
            path = keys.token_file.replace("{account}", account.name)
            return settings.TokenFile(self._folder / path)
        if keys.token_env is not None:
            return settings.TokenEnvironment(self._variable(account, keys.token_env))
        if not any(account.has_key(key) for key in (*TOKEN_KEYS, "token")):
            account.add_mistake(
                "has no token_file or token_env, expected one that says where the API key is, "
                "here or under defaults"
            )
        return None

    def _variable(self, account: Account, template: str) -> str:
        capitals = re.sub("[^A-Z0-9_]", "_", account.name.upper())
        variable = template.replace("{account}", capitals)
        if variable != template:
            other = self._variables.setdefault(variable, account.name)
            if other != account.name:
                message = (
                    f"{template} is {variable} for the accounts '{other}' and '{account.name}', "
                    "expected a variable for each; give one a token_env of its own"
                )
                account.add_mistake(message, "token_env")
        return variable

    def _tls(self, account: Account) -> settings.TlsFiles:
        tls = account.keys.tls
        if tls is None:
            return settings.TlsFiles()
        for one, other in (("cert_file", "key_file"), ("key_file", "cert_file")):
            if getattr(tls, one) is not None and not account.has_key("tls", other):
                message = f"found {one} alone, expected {other} beside it"
                account.add_mistake(message, "tls", one)

        def path(name: str | None) -> pathlib.Path | None:
            return None if name is None else self._folder / name

        return settings.TlsFiles(
            ca_file=path(tls.ca_file),
            cert_file=path(tls.cert_file),
            key_file=path(tls.key_file),
            insecure_skip_verify=tls.insecure_skip_verify,
        )

    def _proxy(self, account: Account, url: str | None) -> str | None:
        own = account.keys.proxy_url
        found = urls.environment_proxy(url, self._environ) if url and not own else None
        if found is None:
            return own
        variable, value = found
        try:
            return urls.parse_proxy_url(value)
        except ValueError as error:
            account.document.add_mistake(Location(ENVIRONMENT, path=variable), str(error))
            return None

    def _queues(self, account: Account, parts: Sequence[ConfigFile]) -> tuple[settings.Queue, ...]:
        keys = account.keys
        if keys.queues is None:
            account.need("queues")
            return ()
        schedule = self._schedule(account, keys.schedule, parts, "schedule")
        chosen = tuple(keys.available_status or ())
        if keys.queues == [EVERY_QUEUE]:
            if not keys.available_status:
                account.need("available_status")
            return (settings.Queue(0, "", chosen, team=keys.team or "", schedule=schedule),)
        ids = UniqueNames("the id of a queue of this account")
        names = UniqueNames("the name of a queue of this account")
        queues = []
        some_have_one = any(queue.available_status for queue in keys.queues)
        for index, queue in enumerate(keys.queues):
            path = ("queues", index)
            name = queue.name or str(queue.id)
            if ids.add(queue.id, account.location(*path, "id"), account.document):
                names.add(name, account.location(*path, "name"), account.document)
            status = tuple(queue.available_status or chosen)
            if not status and not account.has_key(*path, "available_status"):
                account.need("available_status", *(path if some_have_one else ()))
            own_schedule = self._schedule(account, queue.schedule, parts, *path, "schedule")
            queues.append(
                settings.Queue(
                    id=queue.id,
                    name=name,
                    available_status=status,
                    required_agents=queue.required_agents,
                    team=queue.team or keys.team or "",
                    schedule=own_schedule or schedule,
                )
            )
        return tuple(queues)

    def _schedule(
        self, account: Account, name: str | None, parts: Sequence[ConfigFile], *path: str | int
    ) -> Schedule | None:
        if name is None or name in self.schedules:
            return self.schedules.get(name or "")
        if not any(part.document.has_key("schedules", name) for part in parts):
            near = nearest(name, self.schedules)
            known = ", ".join(self.schedules) or "one under the key 'schedules'"
            hint = f"did you mean '{near}'?" if near else f"expected {known}"
            account.add_mistake(f"found {name!r}, which is no schedule, {hint}", *path)
        return None


def _make_schedule(name: str, keys: schema.Schedule, document: Document) -> Schedule:
    """Make a schedule, and note days that are there twice and hours that overlap."""
    path = ("schedules", name, "open")
    week: list[tuple[Span, ...]] = [()] * 7
    written: dict[int, str] = {}
    for text, spans in keys.open.items():
        for day in _numbers(text):
            other = written.setdefault(day, text)
            if other == text:
                week[day] = tuple(spans)
            else:
                message = f"found {DAYS[day]}, which is in '{other}' already, expected it once"
                document.add_mistake(document.key_location(*path, text), message)
    for day, span in overlaps(week):
        text = written[day]
        location = document.location(*path, text, keys.open[text].index(span))
        message = f"found {_clock(span)}, which begins before other hours end, expected no overlap"
        document.add_mistake(location, message)
    return Schedule(keys.timezone, tuple(week), tuple(keys.closed))


def _numbers(days: str) -> list[int]:
    """Return the days of a range, which may run over Sunday."""
    first, _, last = days.partition("-")
    start, end = DAYS.index(first), DAYS.index(last or first)
    return [(start + day) % 7 for day in range((end - start) % 7 + 1)]


def _clock(span: Span) -> str:
    end = span.end if span.end <= 24 * 60 else span.end - 24 * 60
    return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in (span.start, end))
