"""Whether the keys and certificates that a configuration names can be read now."""

from __future__ import annotations

import functools
import ssl

from exporter.config.load import Loaded
from exporter.errors import Mistake, TokenError
from exporter.files import load_pem
from exporter.settings import TlsFiles


def unreadable_files(loaded: Loaded) -> tuple[Mistake, ...]:
    """Return the mistakes in files for `check`: missing keys, unusable certificates.

    They do not stop the exporter: at run time they fail only their own account.
    """
    tls_mistakes = functools.cache(_tls_mistakes)
    mistakes = []
    for account in loaded.configuration.accounts:
        locations = loaded.locations[account.name]
        try:
            account.token.read()
        except TokenError as error:
            location = locations.get("token_file") or locations["token_env"]
            mistakes.append(location.mistake(str(error)))
        mistakes += [
            locations[key].mistake(words) for key, words in tls_mistakes(account.tls).items()
        ]
    return tuple(dict.fromkeys(mistakes))


def _tls_mistakes(tls: TlsFiles) -> dict[str, str]:
    return load_pem(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), tls.files)
