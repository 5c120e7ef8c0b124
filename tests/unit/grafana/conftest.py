"""The committed dashboards, and what is in them."""

import json
from typing import Any

import pytest

from grafana.build import FOLDER

FILES = sorted(FOLDER.glob("*.json"))


@pytest.fixture(params=FILES, ids=lambda file: file.stem)
def dashboard(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Return each dashboard."""
    document: dict[str, Any] = json.loads(request.param.read_text())
    return document
