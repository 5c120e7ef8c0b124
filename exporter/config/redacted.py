"""The current configuration as text that may be shown: the places of keys, never the keys."""

from urllib.parse import urlsplit

import yaml

from exporter.schedule import DAYS, Schedule
from exporter.settings import Account, Configuration, Queue, QueueException
from exporter.text import path_text

#: Ten times as fast; included in PyYAML's wheels.
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def redacted_yaml(configuration: Configuration) -> str:
    """Return a configuration as YAML, with defaults filled in and passwords masked."""
    accounts = [_account(account) for account in configuration.accounts]
    text: str = yaml.dump(
        {"accounts": accounts}, Dumper=_DUMPER, sort_keys=False, allow_unicode=True
    )
    return text


def _account(account: Account) -> dict[str, object]:
    tls = account.tls
    queues: object = [_queue(queue) for queue in account.queues]
    if account.every_queue is not None:
        exceptions = [_exception(exception) for exception in account.exceptions]
        queues = {"all": _said_of(account.every_queue), "exceptions": exceptions}
    return {
        "name": account.name,
        "url": account.url,
        "token": account.token.describe(),
        "detail": account.detail,
        "timeout_seconds": account.timeout,
        "max_parallel_requests": account.max_parallel_requests,
        "max_age_seconds": account.max_age,
        "proxy_url": _without_password(account.proxy),
        "tls": {
            **{key: path_text(path) for key, path in tls.files.items()},
            "insecure_skip_verify": tls.insecure_skip_verify,
        },
        "queues": queues,
    }


def _exception(exception: QueueException) -> dict[str, object]:
    which = {"id": exception.id, "name": exception.name}
    return {
        **{key: value for key, value in which.items() if value is not None},
        **(_said_of(exception.queue) if exception.queue else {"ignore": True}),
    }


def _queue(queue: Queue) -> dict[str, object]:
    return {"id": queue.id, "name": queue.name, **_said_of(queue)}


def _said_of(queue: Queue) -> dict[str, object]:
    return {
        "available_status": list(queue.available_status),
        "required_agents": queue.required_agents,
        "team": queue.team,
        "schedule": _schedule(queue.schedule) if queue.schedule else "always open",
    }


def _schedule(schedule: Schedule) -> dict[str, object]:
    hours = {
        day: [str(span) for span in spans]
        for day, spans in zip(DAYS, schedule.week, strict=True)
        if spans
    }
    closed = [f"{first}..{last}" for first, last in schedule.closed]
    return {"timezone": schedule.timezone, "open": hours, "closed": closed}


def _without_password(url: str | None) -> str | None:
    if url is None or "@" not in url:
        return url
    parts = urlsplit(url)
    return parts._replace(netloc="***@" + parts.netloc.rpartition("@")[2]).geturl()
