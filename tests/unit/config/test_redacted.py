"""The configuration as `/config` shows it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import yaml

from exporter.config.redacted import redacted_yaml
from exporter.settings import Account, Configuration

LoadText: TypeAlias = "Callable[..., tuple[Account, ...]]"

FILE = """
accounts:
  - name: acme
    url: https://east-2.calltools.io
    token_file: /keys/acme
    available_status: [20561, Ready]
    proxy_url: http://me:hunter2@proxy:3128
    tls: {ca_file: /ca.pem}
    queues: [{id: 5457, name: "sales: ü", schedule: office}]
  - name: globex
    url: https://west-4.calltools.io
    token_env: GLOBEX
    team: north
    queues: [all, {id: 7, required_agents: 3}, {name: sales, team: south}, {id: 8, ignore: true}]
schedules:
  office:
    timezone: UTC
    open: {mon: ["9:00-12:00", "22:00-06:00"], sun: "00:00-24:00"}
    closed: [2026-12-24]
"""


def test_everything_is_shown_but_passwords(load_text: LoadText) -> None:
    text = redacted_yaml(Configuration(load_text(FILE)))

    acme, globex = yaml.safe_load(text)["accounts"]
    assert "hunter2" not in text
    assert acme == {
        "name": "acme",
        "url": "https://east-2.calltools.io",
        "token": "token_file /keys/acme",
        "detail": "count",
        "timeout_seconds": None,
        "max_parallel_requests": 16,
        "max_age_seconds": 0.0,
        "proxy_url": "http://***@proxy:3128",
        "tls": {"ca_file": "/ca.pem", "insecure_skip_verify": False},
        "queues": [
            {
                "id": 5457,
                "name": "sales: ü",
                "available_status": [20561, "Ready"],
                "required_agents": 1,
                "team": "",
                "schedule": {
                    "timezone": "UTC",
                    "open": {"mon": ["09:00-12:00", "22:00-06:00"], "sun": ["00:00-24:00"]},
                    "closed": ["2026-12-24..2026-12-24"],
                },
            }
        ],
    }
    usual = {
        "available_status": ["auto"],
        "required_agents": 1,
        "team": "north",
        "schedule": "always open",
    }
    assert globex["queues"] == {
        "all": usual,
        "exceptions": [
            {"id": 7, **usual, "required_agents": 3},
            {"name": "sales", **usual, "team": "south"},
            {"id": 8, "ignore": True},
        ],
    }
