"""Settings from a valid model: paths, variables, schedules, proxies, defaults."""

import pathlib
from collections.abc import Mapping

from exporter import settings
from exporter.config import fields, schema
from exporter.config.cross_checks import token_variable
from exporter.schedule import DAYS, Schedule, Span

_NO_TLS = schema.Tls.model_construct()
_NOTHING_SAID = schema.QueueKeys.model_construct()


class Resolver:
    """Return settings from the models of accounts; paths are relative to ``folder``."""

    def __init__(self, folder: pathlib.Path, schedules: Mapping[str, Schedule]) -> None:
        self._folder = folder
        self._schedules = schedules

    def account(self, keys: schema.Account) -> settings.Account:
        """Return the settings of an account."""
        url = keys.url or ""
        tls = keys.tls or _NO_TLS
        every_queue = None
        queues: tuple[settings.Queue, ...] = ()
        exceptions: tuple[settings.QueueException, ...] = ()
        if isinstance(keys.queues, schema.EveryQueue):
            every_queue = self._queue(keys, _NOTHING_SAID, 0, "")
            exceptions = tuple(self._exception(keys, one) for one in keys.queues.exceptions)
        else:
            queues = tuple(
                self._queue(keys, queue, queue.id, queue.name or str(queue.id))
                for queue in keys.queues or ()
            )
        return settings.Account(
            name=keys.name,
            url=url,
            token=self._token(keys),
            queues=queues,
            every_queue=every_queue,
            exceptions=exceptions,
            detail=keys.detail,
            timeout=keys.timeout,
            max_parallel_requests=keys.max_parallel_requests,
            max_age=keys.max_age,
            tls=settings.TlsFiles(
                ca_file=self._path(tls.ca_file),
                cert_file=self._path(tls.cert_file),
                key_file=self._path(tls.key_file),
                insecure_skip_verify=tls.insecure_skip_verify,
            ),
            proxy=keys.proxy_url,
        )

    def _path(self, name: str | None) -> pathlib.Path | None:
        return None if name is None else self._folder / name

    def _token(self, keys: schema.Account) -> settings.TokenSource:
        if keys.token_file is not None:
            return settings.TokenFile(
                self._folder / keys.token_file.replace("{account}", keys.name)
            )
        return settings.TokenEnvironment(token_variable(keys.token_env or "", keys.name))

    def _exception(
        self, account: schema.Account, keys: schema.QueueException
    ) -> settings.QueueException:
        queue = None
        if not keys.ignore:
            queue = self._queue(account, keys, keys.id or 0, keys.name or "")
        return settings.QueueException(keys.id, keys.name, queue)

    def _queue(
        self, account: schema.Account, keys: schema.QueueKeys, id_: int, name: str
    ) -> settings.Queue:
        """Return a queue; its account provides what it does not set itself."""
        required = keys.required_agents
        return settings.Queue(
            id=id_,
            name=name,
            available_status=tuple(keys.available_status or account.available_status),
            required_agents=account.required_agents if required is None else required,
            team=keys.team or account.team or "",
            schedule=self._schedules.get(keys.schedule or account.schedule or ""),
        )


def make_schedule(keys: schema.Schedule) -> Schedule:
    """Return the schedule of a model."""
    week: list[tuple[Span, ...]] = [()] * len(DAYS)
    for days, spans in keys.open.items():
        for day in fields.parse_days(days):
            week[day] = tuple(spans)
    return Schedule(keys.timezone, tuple(week), tuple(keys.closed))
