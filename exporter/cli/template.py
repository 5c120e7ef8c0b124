"""The text of a new configuration file: one account as the API describes it, with comments."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from exporter.scrape import queue_labels

_HEAD: Final = """\
# Written by `calltools-exporter init`; edit it as you like. `calltools-exporter check` lists every
# mistake. With the output of `calltools-exporter schema`, an editor completes keys.
"""
_OPTIONS: Final = """\
    # detail: agents  # read every agent: distinguishes "nobody is logged in" from "all are busy"
    # team: sales  # whom to notify, for the routes in Alertmanager
    # schedule: office  # no alerts outside these hours; without a schedule, always open
"""
_TAIL: Final = """\
      # below a queue's name, for instance:
      #   required_agents: 2  # fewer available agents raise a warning; default 1

# schedules:
#   office:
#     timezone: America/New_York
#     open: {mon-fri: "09:00-18:00", sat: "09:00-12:00"}
"""


@dataclass(frozen=True, slots=True)
class ConfigTemplate:
    """What is known of an account; the rest becomes a place to fill in, which `check` reports.

    ``token`` is the key `token_file` or `token_env` and its value. ``status`` is None where it is
    not clear which status is the available one; ``candidates`` are then those to choose from, by
    id. ``queues`` are names by id. ``status_words`` and ``queues_words`` say why a part is missing.
    """

    name: str
    url: str
    token: tuple[str, str]
    status: int | None
    candidates: Mapping[int, str]
    status_words: str
    queues: Mapping[int, str]
    queues_words: str
    ca_file: str | None = None
    proxy_url: str | None = None

    def text(self) -> str:
        """Return the file."""
        return _HEAD + "".join(f"{line}\n" for line in self._account()) + _TAIL

    def _account(self) -> Iterator[str]:
        yield "accounts:"
        yield f'  - name: {_quoted(self.name)}  # the label "account" of each metric'
        yield f"    url: {self.url}"
        key, value = self.token
        yield f"    {key}: {_quoted(value)}  # the API key, from Integrations > API Keys"
        if self.ca_file is not None:
            yield f"    tls: {{ca_file: {_quoted(self.ca_file)}}}"
        if self.proxy_url is not None:
            yield f"    proxy_url: {_quoted(self.proxy_url)}"
        yield from self._status()
        yield _OPTIONS.rstrip("\n")
        yield from self._queues()

    def _status(self) -> Iterator[str]:
        if self.status is not None:
            name = self.candidates.get(self.status, "")
            yield f"    available_status: {self.status}" + (f"  # {name}" if name else "")
            return
        yield f"    # TO FILL IN: {self.status_words}"
        yield "    # The ids are under Contact Center > Agent Statuses."
        yield "    available_status:"
        for id_, name in self.candidates.items():
            yield f"    # available_status: {id_}  # {name}"

    def _queues(self) -> Iterator[str]:
        if self.queues:
            yield "    queues:  # delete those that need no alerts"
            for id_, name in queue_labels(self.queues).items():
                yield f"      - id: {id_}"
                yield f"        name: {_quoted(name)}"
            return
        yield f"    # TO FILL IN: {self.queues_words}"
        yield "    # A queue's id is the last part of the URL of its settings page."
        yield "    queues:"
        yield "      # - id: 5457"
        yield "      #   name: sales"


def _quoted(text: str) -> str:
    """Return text as YAML that is read as this text; what can be printed is the same in JSON."""
    return json.dumps(text, ensure_ascii=False)
