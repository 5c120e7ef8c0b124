from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from exporter.config import load
from exporter.settings import Account


@pytest.fixture
def load_text(tmp_path: Path) -> Callable[..., tuple[Account, ...]]:
    """Return a function that loads a text as a file and gives its accounts."""

    def accounts(text: str, environ: Mapping[str, str] | None = None) -> tuple[Account, ...]:
        path = tmp_path / "exporter.yml"
        path.write_text(text, encoding="utf-8")
        return load(path, environ or {}).configuration.accounts

    return accounts


@pytest.fixture
def load_account(load_text: Callable[..., tuple[Account, ...]]) -> Callable[..., Account]:
    """Return a function that loads one account, with some keys set; None leaves a key out."""

    def account(environ: Mapping[str, str] | None = None, **keys: str | None) -> Account:
        usual = {
            "name": "acme",
            "url": "https://east-2.calltools.io",
            "token_env": "TOKEN",
            "available_status": "20561",
            "queues": "[5457]",
        }
        lines = [f"{key}: {value}" for key, value in (usual | keys).items() if value is not None]
        return load_text("accounts:\n  - " + "\n    ".join(lines), environ)[0]

    return account
