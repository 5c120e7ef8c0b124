"""Whether the keys and certificates that a configuration names can be read now."""

from __future__ import annotations

import functools
import ssl
from pathlib import Path

from exporter.config.load import Loaded
from exporter.errors import Mistake, TokenError
from exporter.settings import TlsFiles

__all__ = ["unreadable_files"]


def unreadable_files(loaded: Loaded) -> tuple[Mistake, ...]:
    """Return what `check` finds: keys that are missing, certificates that are none.

    None of it stops the exporter: at run time it fails the account alone.
    """
    tls_problems = functools.cache(_tls_problems)
    mistakes = []
    for account in loaded.configuration.accounts:
        locations = loaded.locations[account.name]
        try:
            account.token.read()
        except TokenError as error:
            location = locations.get("token_file") or locations["token_env"]
            mistakes.append(location.mistake(str(error)))
        mistakes += [locations[key].mistake(words) for key, words in tls_problems(account.tls)]
    return tuple(dict.fromkeys(mistakes))


def _tls_problems(tls: TlsFiles) -> list[tuple[str, str]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    problems = []
    if tls.ca_file:
        try:
            context.load_verify_locations(tls.ca_file)
        except OSError as error:
            problems.append(("ca_file", _words(tls.ca_file, error, "PEM certificates")))
    if tls.cert_file and tls.key_file:
        problems += [
            (key, f"{path} cannot be read: {reason}")
            for key, path in (("cert_file", tls.cert_file), ("key_file", tls.key_file))
            if (reason := _unreadable(path))
        ]
        if not any(key != "ca_file" for key, _ in problems):
            try:
                context.load_cert_chain(tls.cert_file, tls.key_file, password=_no_passphrase)
            except (OSError, ValueError) as error:
                wanted = "a PEM certificate and, in key_file, its key without a passphrase"
                problems.append(("cert_file", _words(tls.cert_file, error, wanted)))
    return problems


def _unreadable(path: Path) -> str | None:
    try:
        path.read_bytes()
    except OSError as error:
        return error.strerror
    return None


def _words(path: Path, error: Exception, wanted: str) -> str:
    if isinstance(error, ssl.SSLError) or not isinstance(error, OSError):
        return f"{path} does not hold what is expected, {wanted}"
    return f"{path} cannot be read: {error.strerror}"


def _no_passphrase() -> str:
    """Answer in place of the terminal, where OpenSSL would ask and wait."""
    return ""
