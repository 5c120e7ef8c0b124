"""The keys of the configuration, as a model for the loader and a JSON Schema for editors."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    TypeAdapter,
)

from exporter.config import fields
from exporter.config.yaml_tree import redacted
from exporter.settings import AUTO

#: The word for every queue of an account.
ALL = "all"

_KEY_IN_THE_FILE = (
    "the API key must not be in this file, which others read and copy; put it into a file or an"
    " environment variable, and name that with token_file or token_env"
)


class Keys(BaseModel):
    """A mapping with a fixed set of keys.

    ``called`` is its name in mistakes about a key that belongs to it; ``refused`` says why a key
    that people may expect does not exist; values at or directly under ``never_shown`` are not
    quoted.
    """

    # Built when first needed: the parts of a model are built with it anyway.
    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        defer_build=True,
        use_attribute_docstrings=True,
    )

    called: ClassVar[str]
    refused: ClassVar[Mapping[str, str]] = {}
    never_shown: ClassVar[frozenset[str]] = frozenset()


class Tls(Keys):
    """How the certificate of the API is checked, and the client's own."""

    called: ClassVar[str] = "tls"

    ca_file: fields.FileName | None = None
    """CA certificates, as PEM, to trust for the API instead of the system's."""
    cert_file: fields.FileName | None = None
    """The client's own certificate, as PEM. Needs key_file."""
    key_file: fields.FileName | None = None
    """The key of cert_file, as PEM, without a passphrase."""
    insecure_skip_verify: fields.Switch = False
    """Accept any certificate: any server that answers gets the API key. Default false."""


class QueueKeys(Keys):
    """The keys that every mention of a queue may have."""

    name: fields.Name | None = None
    """The label 'queue'. Default: the id."""
    available_status: fields.Statuses | None = None
    """Like the account's key, for this queue only."""
    required_agents: fields.Required | None = None
    """Like the account's key, for this queue only."""
    schedule: fields.Name | None = None
    """Like the account's key, for this queue only."""
    team: fields.Label | None = None
    """Like the account's key, for this queue only."""


class Queue(QueueKeys):
    """A queue to ask for, or its id alone."""

    called: ClassVar[str] = "a queue"

    id: fields.Id
    """The last part of the URL of the queue's settings page in CallTools."""


class QueueException(QueueKeys):
    """An item beside `all` in the list: how a queue differs from the account's others."""

    called: ClassVar[str] = "a queue beside all"

    id: fields.Id | None = None
    """The id of the queue. Without it, the name identifies the queue."""
    # Without an id this is a name in CallTools, which may hold "/".
    name: fields.Label | None = None
    """Without an id: the name of the queue in CallTools. With an id: the label 'queue'; default:
    its name in CallTools."""
    ignore: fields.Switch = False
    """Do not ask for this queue. Default false."""


@dataclass(frozen=True, slots=True)
class EveryQueue:
    """The form of `all` after reading, with the queues that differ from the others."""

    exceptions: tuple[QueueException, ...] = ()


def _long_form(value: object) -> object:
    """Read the shorthand for a queue, its id alone."""
    return {"id": value} if isinstance(value, int) and not isinstance(value, bool) else value


QueueOrId: TypeAlias = Annotated[
    Queue, BeforeValidator(_long_form, json_schema_input_type=fields.Id | Queue)
]
QueueList: TypeAlias = Annotated[list[QueueOrId], Field(min_length=1)]
_WHEN_NEEDED = ConfigDict(defer_build=True)
_QUEUES = TypeAdapter[list[Queue]](QueueList, config=_WHEN_NEEDED)
_ALL_AND_EXCEPTIONS = TypeAdapter[list[QueueException | None]](
    list[
        Annotated[
            QueueException | None,
            BeforeValidator(lambda value: None if value == ALL else _long_form(value)),
        ]
    ],
    config=_WHEN_NEEDED,
)


def _queues(value: object) -> list[Queue] | EveryQueue:
    if value == ALL:
        return EveryQueue()
    if isinstance(value, str):
        raise fields.plainly(f"found {redacted(value)}, expected a list of queues, or all")
    if isinstance(value, list) and ALL in value:
        items = _ALL_AND_EXCEPTIONS.validate_python(value)
        return EveryQueue(tuple(item for item in items if item is not None))
    return _QUEUES.validate_python(value)


Queues: TypeAlias = Annotated[
    list[Queue] | EveryQueue,
    PlainValidator(
        _queues,
        json_schema_input_type=Literal["all"]
        | QueueList
        | Annotated[
            list[Literal["all"] | QueueException],
            Field(json_schema_extra={"contains": {"const": ALL}}),
        ],
    ),
]


def _auto() -> list[int | str]:
    return [AUTO]


class AccountKeys(Keys):
    """The keys of an account that the defaults may hold as well."""

    called: ClassVar[str] = "an account"
    refused: ClassVar[Mapping[str, str]] = {
        "token": _KEY_IN_THE_FILE,
        "api_key": _KEY_IN_THE_FILE,
        "api_token": _KEY_IN_THE_FILE,
    }

    url: fields.Url | None = None
    """The URL you log in to, such as https://east-2.calltools.io."""
    token_file: fields.TokenFileName | None = None
    """A file that holds the API key. {account} is replaced by the account's name. Either this or
    token_env."""
    token_env: fields.TokenVariable | None = None
    """An environment variable that holds the API key. {account} is replaced by the account's name
    in capitals, with _ for other characters. Either this or token_file."""
    available_status: fields.Statuses = Field(default_factory=_auto)
    """The status of available agents: its id, from Contact Center > Agent Statuses; its name; auto,
    to find it by its action; or a list, whose agents are added up. Default auto."""
    required_agents: fields.Required = 1
    """Fewer available agents than this raise a warning, none at all a critical alert. 0: neither.
    Default 1."""
    team: fields.Label | None = None
    """Who is responsible: a label of calltools_queue_info, for routing alerts."""
    schedule: fields.Name | None = None
    """The opening hours of the account's queues: a name under 'schedules'. Default: always open."""
    detail: fields.Detail = "count"
    """What to ask for: count, the number of available agents; or agents, every row, which adds
    agents by status, logged in and ready. Default count."""
    timeout: fields.Timeout | None = None
    """Time limit for one request, such as 10s or 1m30s. Default: the time left for the scrape."""
    max_parallel_requests: fields.Parallel = 16
    """Maximum number of concurrent requests to the account's host. Accounts on one host share the
    largest of their values. Default 16."""
    max_age: fields.MaximalAge = 0.0
    """A queue that was asked for less than this ago is not asked for again: for two Prometheus
    servers that scrape the same exporter. Default 0s: ask in every scrape."""
    proxy_url: fields.ProxyUrl | None = None
    """The HTTP proxy to reach the API through, such as http://proxy:3128. Default: the
    environment's (https_proxy, no_proxy, ...)."""
    allow_http: fields.Switch = False
    """Allow an http:// URL, which sends the API key unencrypted. Not needed for this machine
    itself. Default false."""
    tls: Tls | None = None
    """TLS settings for the API."""
    queues: Queues | None = None
    """The queues to ask for; or all, to ask the API which queues there are. In a list, all may be
    followed by queues that differ."""


class Account(AccountKeys):
    """A CallTools account: its URL, its key and its queues."""

    name: fields.Name
    """The label 'account'; without '/'."""


class Schedule(Keys):
    """Opening hours. Outside them, there are no alerts about agents."""

    called: ClassVar[str] = "a schedule"

    timezone: fields.TimeZone
    """The time zone of the hours, such as America/New_York."""
    open: dict[fields.Days, fields.HoursList]
    """Hours by day or range of days: {mon-fri: 09:00-18:00, sat: [...]}. Hours past midnight belong
    to the day on which they begin."""
    closed: list[fields.ClosedDates] = Field(default_factory=list)
    """Dates on which no hours begin: 2026-11-26, or 2026-12-24..2027-01-01."""


class File(Keys):
    """The configuration of calltools-exporter."""

    called: ClassVar[str] = "the file"
    never_shown: ClassVar[frozenset[str]] = frozenset({"token_env", "token_file"})

    accounts: Annotated[list[Account], Field(min_length=1)] = Field(default_factory=list)
    """The CallTools accounts to ask."""
    defaults: AccountKeys = Field(default_factory=AccountKeys.model_construct)
    """Any key of an account, for all accounts that lack it."""
    schedules: dict[fields.Name, Schedule] = Field(default_factory=dict)
    """Opening hours by name, for the key 'schedule'."""


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a configuration file."""
    schema = File.model_json_schema()
    _tidy(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _tidy(schema: object) -> None:
    """Leave out what people do not need: titles, line breaks, and null, which is not allowed."""
    if isinstance(schema, list):
        for item in schema:
            _tidy(item)
    elif isinstance(schema, dict):
        if isinstance(schema.get("title"), str):
            del schema["title"]
        if isinstance(schema.get("description"), str):
            schema["description"] = " ".join(schema["description"].split())
        if "patternProperties" in schema:
            schema["additionalProperties"] = False
        if schema.get("default", ...) is None:
            del schema["default"]
            kinds = [kind for kind in schema.pop("anyOf", []) if kind != {"type": "null"}]
            schema |= kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
        for value in schema.values():
            _tidy(value)
