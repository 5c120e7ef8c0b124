"""Credentials for a proxy: the header that it gets, and what to mask everywhere else."""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import unquote, urlsplit

from exporter.settings import Secret

#: A shorter password is not masked, as it would match in any text.
_SHORTEST = 4


def proxy_authorization(proxy: str) -> str | None:
    """Return the header's value for the user in a proxy's URL, as UTF-8; None without a user."""
    user, password = _credentials(proxy)
    if not user and not password:
        return None
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode("ascii")


def proxy_secrets(proxy: str | None) -> tuple[Secret, ...]:
    """Return what must be masked in a proxy's text: password and header."""
    header = proxy_authorization(proxy) if proxy else None
    if proxy is None or header is None:
        return ()
    _, password = _credentials(proxy)
    secrets = [header.removeprefix("Basic "), password if len(password) >= _SHORTEST else ""]
    return tuple(Secret(value) for value in secrets if value)


def _credentials(proxy: str) -> tuple[str, str]:
    parts = urlsplit(proxy)
    return unquote(parts.username or ""), unquote(parts.password or "")
