"""The unknown facts of the API: a switch for each way in which CallTools may answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ALL_FILTERS = frozenset({"queue", "agent_status_id", "ready"})


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the simulated API answers; the defaults are those of Django REST Framework.

    ``unknown_id`` is the status for a queue or status id that the account does not have, or for
    text in its place: 400 with a field error, or 200 with an empty list; ``zero_id`` the same for
    the id 0. ``ignored_filters`` are filters that the API does not know. ``missing_fields`` are
    left out of each row. ``missing`` and ``forbidden`` name endpoints (``statuses``) that answer
    404 or 403. ``next_scheme`` ``none`` makes ``next`` a path without a host.
    """

    bad_key: Literal[401, 403] = 401
    unknown_id: Literal[200, 400] = 400
    zero_id: Literal[200, 400] = 200
    next_scheme: Literal["http", "https", "none"] = "http"
    envelope: Literal["page", "list", "data"] = "page"
    agent_status: Literal["integer", "digits", "object", "url", "name"] = "integer"
    datetimes: Literal["z", "naive", "space", "fraction"] = "z"
    missing_fields: frozenset[str] = frozenset()
    ignored_filters: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()
