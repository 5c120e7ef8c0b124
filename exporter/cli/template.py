"""The text of a new configuration file: one account as the API describes it, with comments."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import jinja2

from exporter.scrape.catalog import queue_labels

_ENVIRONMENT = jinja2.Environment(  # noqa: S701 - YAML, whose texts are quoted
    trim_blocks=True, keep_trailing_newline=True
)
# As YAML that is read as this text; what can be printed is the same in JSON.
_ENVIRONMENT.filters["quoted"] = partial(json.dumps, ensure_ascii=False)
_TEMPLATE = _ENVIRONMENT.from_string("""\
# Written by `calltools-exporter init`; edit it as you like. `calltools-exporter check` lists every
# mistake. With the output of `calltools-exporter schema`, an editor completes keys.
accounts:
  - name: {{ its.name | quoted }}  # the label "account" of each metric
    url: {{ its.url }}
    {{ its.token[0] }}: {{ its.token[1] | quoted }}  # the API key, from Integrations > API Keys
{% if its.ca_file %}
    tls: {ca_file: {{ its.ca_file | quoted }}}
{% endif %}
{% if its.proxy_url %}
    proxy_url: {{ its.proxy_url | quoted }}
{% endif %}
{% if its.status %}
{% set name = its.candidates[its.status] %}
    available_status: {{ its.status }}{{ "  # " ~ name if name }}
{% else %}
    # TO FILL IN: {{ its.status_words }}
    # The ids are under Contact Center > Agent Statuses.
    available_status:
{% for id, name in its.candidates.items() %}
    # available_status: {{ id }}  # {{ name }}
{% endfor %}
{% endif %}
    # detail: agents  # read every agent: distinguishes "nobody is logged in" from "all are busy"
    # team: sales  # whom to notify, for the routes in Alertmanager
    # schedule: office  # no alerts outside these hours; without a schedule, always open
{% if queues %}
    queues:  # delete those that need no alerts
{% for id, label in queues.items() %}
      - id: {{ id }}
        name: {{ label | quoted }}
{% endfor %}
{% else %}
    # TO FILL IN: {{ its.queues_words }}
    # A queue's id is the last part of the URL of its settings page.
    queues:
      # - id: 5457
      #   name: sales
{% endif %}
      # below a queue's name, for instance:
      #   required_agents: 2  # fewer available agents raise a warning; default 1

# schedules:
#   office:
#     timezone: America/New_York
#     open: {mon-fri: "09:00-18:00", sat: "09:00-12:00"}
""")


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
        return _TEMPLATE.render(its=self, queues=queue_labels(self.queues))
