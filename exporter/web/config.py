"""The file of ``--web.config.file``, in the format of Prometheus' exporter-toolkit.

The format is redacted_yaml in https://github.com/prometheus/exporter-toolkit, in its
docs/web-configuration.md. Of its keys each is supported, accepted without effect, or refused with
the reason; none is ignored.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from exporter.config.yaml_reader import read
from exporter.config.yaml_tree import Document, Location, YamlMapping, redacted
from exporter.text import nearest
from exporter.web.auth import BasicAuth, hash_cost
from exporter.web.tls import TlsServer, make_context

__all__ = ["FORMAT", "WITHOUT_EFFECT", "WebConfig", "load_web_config"]

_INLINE: Final = "what belongs in a file of its own has no place in this one; name that: {}_file"
_CHOSEN_BY_OPENSSL: Final = "OpenSSL chooses, and its choice is good; take it out"

#: Every key of the format, by section: empty if it has an effect here, else why it is refused.
FORMAT: Final[Mapping[str, Mapping[str, str]]] = {
    "": {
        "tls_server_config": "",
        "http_server_config": "",
        "basic_auth_users": "",
        "rate_limit": "requests are bounded by the flag --web.max-requests instead; take it out",
        "auth_excluded_paths": "/-/healthy and /-/ready need no password, everything else does;"
        " take it out",
    },
    "tls_server_config": {
        "cert_file": "",
        "key_file": "",
        "client_ca_file": "",
        "client_auth_type": "",
        "min_version": "",
        "max_version": "",
        "prefer_server_cipher_suites": "",
        "cert": _INLINE.format("cert"),
        "key": _INLINE.format("key"),
        "client_ca": _INLINE.format("client_ca"),
        "client_allowed_sans": "names in clients' certificates are not looked at; put an authority"
        " that only signs for those clients into client_ca_file",
        "cipher_suites": _CHOSEN_BY_OPENSSL,
        "curve_preferences": _CHOSEN_BY_OPENSSL,
    },
    "http_server_config": {"http2": "", "headers": ""},
}

#: What is accepted, so that a file of other exporters works, but changes nothing.
WITHOUT_EFFECT: Final[Mapping[str, str]] = {
    "tls_server_config.prefer_server_cipher_suites": "OpenSSL chooses",
    "http_server_config.http2": "HTTP/1.1 is what is spoken",
}

_VERSIONS: Final = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_OLD_VERSIONS: Final = ("TLS10", "TLS11")
_CLIENT_AUTH: Final = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_UNVERIFIED_CLIENT_AUTH: Final = ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")
_HEADERS: Final[Mapping[str, tuple[str, ...]]] = {
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
    "Content-Security-Policy": (),
}
_HIGHEST_COST: Final = 16


@dataclass(frozen=True, slots=True)
class WebConfig:
    """What the file says, with its certificates read."""

    files: tuple[Path, ...] = ()
    context: ssl.SSLContext | None = None
    passwords: BasicAuth = field(default_factory=lambda: BasicAuth({}))
    headers: tuple[tuple[bytes, bytes], ...] = ()
    without_effect: tuple[str, ...] = ()


def load_web_config(path: Path) -> WebConfig:
    """Read the file, and the certificates that it names; relative paths are relative to it.

    Raises:
        ConfigurationError: with all mistakes at once.
    """
    document = read(path, expected="'tls_server_config' or 'basic_auth_users'")
    reader = _Reader(document, path.parent)
    reader.check_keys()
    tls = reader.tls()
    headers = reader.headers()
    passwords = BasicAuth(reader.users())
    document.stop_on_mistakes()
    context = make_context(tls, reader.refuse_file) if tls else None
    document.stop_on_mistakes()
    files = (path, *tls.files.values()) if tls else (path,)
    return WebConfig(files, context, passwords, headers, reader.without_effect())


class _Reader:
    """Look at one section of the document after the other."""

    def __init__(self, document: Document, folder: Path) -> None:
        self._document = document
        self._folder = folder

    def check_keys(self) -> None:
        """Refuse what is no key of the format, and what of it is not supported."""
        for name, known in FORMAT.items():
            section = self._section(name) if name else self._document.root
            for key, location in section.key_locations.items():
                if key not in known:
                    near = nearest(key, known)
                    hint = f"did you mean '{near}'?" if near else f"expected {', '.join(known)}"
                    self._document.add_mistake(location, f"unknown key, {hint}")
                elif known[key]:
                    self._document.add_mistake(location, f"is not supported: {known[key]}")
        for path in WITHOUT_EFFECT:
            value, location, found = self._document.find(tuple(path.split(".")))
            if len(found) == 2 and not isinstance(value, bool):
                self._document.add_mistake(
                    location, f"found {_found(value)}, expected true or false"
                )

    def without_effect(self) -> tuple[str, ...]:
        """Say which keys are there that change nothing, each in a line."""
        return tuple(
            str(
                self._document.key_location(*path.split(".")).mistake(
                    f"is without effect: {reason}"
                )
            )
            for path, reason in WITHOUT_EFFECT.items()
            if self._document.has_key(*path.split("."))
        )

    def tls(self) -> TlsServer | None:
        """Return what is said of TLS; None if nothing is, or not enough for more mistakes."""
        if not isinstance(self._document.root.get("tls_server_config"), YamlMapping):
            return None
        section = self._section("tls_server_config")
        paths = {key: self._file(section, key) for key in ("cert_file", "key_file")}
        for key in paths:
            if key not in section.key_locations:
                self._document.add_mistake(section.location, f"has no key '{key}', which is needed")
        client_ca = self._file(section, "client_ca_file")
        verification = self._client_auth(section)
        versions = [
            self._version(section, key, default)
            for key, default in (("min_version", "TLS12"), ("max_version", "TLS13"))
        ]
        if versions[0] > versions[1]:
            self._document.add_mistake(
                section.value_locations[
                    "min_version" if "min_version" in section else "max_version"
                ],
                "min_version is above max_version, so that no version is left",
            )
        cert, key_file = paths.values()
        if cert is None or key_file is None:
            return None
        return TlsServer(cert, key_file, client_ca, verification, *versions)

    def refuse_file(self, key: str, words: str) -> None:
        """Note that a file which is named under a key of TLS cannot be used."""
        self._document.add_mistake(self._document.location("tls_server_config", key), words)

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Return the headers that every answer gets; those that are blank are left out."""
        section = self._section("http_server_config", "headers")
        headers = []
        for name, location in section.key_locations.items():
            if name not in _HEADERS:
                words = f"cannot be set, expected {', '.join(_HEADERS)}"
                self._document.add_mistake(location, words)
            elif value := self._text(section, name):
                allowed = _HEADERS[name]
                if not (value.isascii() and value.isprintable()):
                    self._refuse_value(section, name, "printable ASCII characters")
                elif allowed and value not in allowed:
                    self._refuse_value(section, name, " or ".join(allowed))
                headers.append((name.lower().encode(), value.encode(errors="replace")))
        return tuple(headers)

    def users(self) -> Mapping[str, str]:
        """Return the users and the hashes of their passwords."""
        section = self._section("basic_auth_users")
        if section is self._document.root.get("basic_auth_users") and not section.key_locations:
            # Who writes it wants passwords; to serve everybody would be the worst guess.
            self._document.add_mistake(section.location, "has no user, expected at least one")
        users = {}
        for user, location in section.key_locations.items():
            hashed = section.get(user)
            cost = hash_cost(hashed) if isinstance(hashed, str) else None
            if user in section and cost is None:
                # What is written instead may be the password itself: it is not shown.
                words = f"is no bcrypt hash, expected what 'htpasswd -nBC 10 {user}' prints after"
                self._document.add_mistake(section.value_locations[user], f"{words} the colon")
            elif cost is not None and cost > _HIGHEST_COST:
                words = f"is a hash of cost {cost}, each check of which takes minutes, expected"
                self._document.add_mistake(location, f"{words} at most {_HIGHEST_COST}")
            elif ":" in user:
                self._document.add_mistake(location, "a user's name cannot hold a colon (RFC 7617)")
            else:
                users[user] = str(hashed)
        return users

    def _section(self, *path: str) -> YamlMapping:
        value, location, found = self._document.find(path)
        if found == path and isinstance(value, YamlMapping):
            return value
        if found == path:
            # What is written there may be a password: it is not shown.
            found_kind = "text" if isinstance(value, str) else _found(value)
            self._refuse_once(location, f"found {found_kind}, expected a mapping of keys")
        return YamlMapping(location)

    def _text(self, section: YamlMapping, key: str) -> str | None:
        value = section.get(key)
        if value is None or isinstance(value, str):
            return value
        self._refuse_once(section.value_locations[key], f"found {_found(value)}, expected text")
        return None

    def _file(self, section: YamlMapping, key: str) -> Path | None:
        name = self._text(section, key)
        if name == "":
            self._refuse_value(section, key, "the name of a file")
        return self._folder / name if name else None

    def _client_auth(self, section: YamlMapping) -> ssl.VerifyMode:
        kind = self._text(section, "client_auth_type")
        wrote_ca = "client_ca_file" in section.key_locations
        verification = _CLIENT_AUTH.get(kind or "NoClientCert", ssl.CERT_NONE)
        verifying = " or ".join(name for name, mode in _CLIENT_AUTH.items() if mode)
        if kind in _UNVERIFIED_CLIENT_AUTH:
            words = f"found {kind}, but a certificate that is asked for is always verified"
            location = section.value_locations["client_auth_type"]
            self._document.add_mistake(location, f"{words}, expected {verifying}")
        elif kind is not None and kind not in _CLIENT_AUTH:
            self._refuse_value(section, "client_auth_type", ", ".join(_CLIENT_AUTH))
        elif verification and not wrote_ca:
            words = "needs client_ca_file, which says whose certificates are right"
            self._document.add_mistake(section.value_locations["client_auth_type"], words)
        elif wrote_ca and not verification:
            words = f"is not used without client_auth_type, expected {verifying} there"
            self._document.add_mistake(section.key_locations["client_ca_file"], words)
        return verification

    def _version(self, section: YamlMapping, key: str, default: str) -> ssl.TLSVersion:
        name = self._text(section, key)
        if name in _OLD_VERSIONS:
            words = f"found {name}, which is broken and not spoken (RFC 8996)"
            self._document.add_mistake(
                section.value_locations[key], f"{words}, expected TLS12 or TLS13"
            )
        elif name is not None and name not in _VERSIONS:
            self._refuse_value(section, key, "TLS12 or TLS13")
        return _VERSIONS.get(name or default, _VERSIONS[default])

    def _refuse_value(self, section: YamlMapping, key: str, expected: str) -> None:
        words = f"found {_found(section[key])}, expected {expected}"
        self._document.add_mistake(section.value_locations[key], words)

    def _refuse_once(self, location: Location, words: str) -> None:
        if location.mistake(words) not in self._document.mistakes:
            self._document.add_mistake(location, words)


def _found(value: object) -> str:
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"the number {value}"
    return "a mapping" if isinstance(value, YamlMapping) else "a list"
