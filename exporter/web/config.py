"""The file of ``--web.config.file``, in the format of Prometheus' exporter-toolkit.

The format is described in https://github.com/prometheus/exporter-toolkit, in its
docs/web-configuration.md. Each of its keys is supported, accepted without effect, or refused with
the reason; none is ignored.
"""

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field

from exporter.config import fields
from exporter.config.schema import Keys
from exporter.config.validate import found_value, validate
from exporter.config.yaml_reader import read_yaml
from exporter.config.yaml_tree import Document, Value, YamlMapping, YamlSequence
from exporter.files import load_pem
from exporter.web.auth import BasicAuth, hash_cost

_INLINE = "is not supported, as certificates and keys belong in files of their own; expected {}"
_CHOSEN_BY_OPENSSL = "is not supported, as OpenSSL chooses; remove it"

#: Accepted without effect, so that a file of other exporters works.
WITHOUT_EFFECT: Mapping[str, str] = {
    "tls_server_config.prefer_server_cipher_suites": "OpenSSL chooses",
    "http_server_config.http2": "only HTTP/1.1 is supported",
}

_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_CLIENT_AUTH = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_VERIFYING = " or ".join(name for name, mode in _CLIENT_AUTH.items() if mode)
_HEADERS: Mapping[str, tuple[str, ...]] = {
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
    "Content-Security-Policy": (),
}
_HIGHEST_COST = 16


@dataclass(frozen=True, slots=True)
class WebConfig:
    """The content of the file, with its certificates loaded."""

    context: ssl.SSLContext | None = None
    passwords: BasicAuth = field(default_factory=lambda: BasicAuth({}))
    headers: tuple[tuple[bytes, bytes], ...] = ()
    without_effect: tuple[str, ...] = ()


_Version: TypeAlias = Annotated[
    Literal["TLS12", "TLS13"],
    fields.expected("TLS12 or TLS13, as older versions are insecure (RFC 8996)"),
]
_ClientAuth: TypeAlias = Annotated[
    Literal["NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"],
    fields.expected(f"NoClientCert, {_VERIFYING}, as requested certificates are always verified"),
]


class TlsServerConfig(Keys):
    """The key `tls_server_config`."""

    called: ClassVar[str] = "tls_server_config"
    refused: ClassVar[Mapping[str, str]] = {
        **{key: _INLINE.format(f"{key}_file") for key in ("cert", "key", "client_ca")},
        "client_allowed_sans": "is not supported, as names in client certificates are not checked;"
        " use a client_ca_file that signs only for these clients",
        "cipher_suites": _CHOSEN_BY_OPENSSL,
        "curve_preferences": _CHOSEN_BY_OPENSSL,
    }

    cert_file: fields.FileName
    key_file: fields.FileName
    client_ca_file: fields.FileName | None = None
    client_auth_type: _ClientAuth = "NoClientCert"
    min_version: _Version = "TLS12"
    max_version: _Version = "TLS13"
    prefer_server_cipher_suites: fields.Switch = True

    def files(self, folder: Path) -> dict[str, Path]:
        """Return the files, by the key that names each; relative paths are relative to a folder."""
        names = {key: getattr(self, key) for key in ("cert_file", "key_file", "client_ca_file")}
        return {key: folder / name for key, name in names.items() if name is not None}


class HttpServerConfig(Keys):
    """The key `http_server_config`."""

    called: ClassVar[str] = "http_server_config"

    http2: fields.Switch = True
    headers: dict[str, object] = Field(default_factory=dict)


class WebFile(Keys):
    """The whole file."""

    called: ClassVar[str] = "the file"
    never_shown: ClassVar[frozenset[str]] = frozenset({"basic_auth_users"})
    refused: ClassVar[Mapping[str, str]] = {
        "rate_limit": "is not supported, as the flag --web.max-requests limits requests; remove it",
        "auth_excluded_paths": "is not supported: only /-/healthy and /-/ready need no password;"
        " remove it",
    }

    tls_server_config: TlsServerConfig | None = None
    http_server_config: HttpServerConfig | None = None
    basic_auth_users: dict[str, object] = Field(default_factory=dict)


def load_web_config(path: Path, *, read_files: bool = True) -> WebConfig:
    """Load the file, and the certificates that it names; relative paths are relative to it.

    Without ``read_files``, the certificates and keys are not read, and there is no context.

    Raises:
        ConfigurationError: with all mistakes at once.
    """
    expected = "'tls_server_config' or 'basic_auth_users'"
    document = read_yaml(path, expected, may_be_empty=True)
    model = validate(document, WebFile)
    _check_tls(document)
    headers = tuple(_headers(document))
    users = dict(_users(document))
    document.raise_mistakes()
    tls = model.tls_server_config if model else None
    files = tls.files(path.parent) if tls else {}
    context = _load_context(document, tls, files) if tls and read_files else None
    return WebConfig(context, BasicAuth(users), headers, tuple(_without_effect(document)))


def _load_context(
    document: Document, tls: TlsServerConfig, files: Mapping[str, Path]
) -> ssl.SSLContext:
    """Load the certificates into a new context.

    Raises:
        ConfigurationError: with a mistake for each file that cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[tls.min_version]
    context.maximum_version = _VERSIONS[tls.max_version]
    context.set_alpn_protocols(["http/1.1"])
    keys = document.root.mapping("tls_server_config")
    for key, words in load_pem(context, files).items():
        document.add_mistake(keys.location_of(key), words)
    document.raise_mistakes()
    context.verify_mode = _CLIENT_AUTH[tls.client_auth_type]
    return context


def _check_tls(document: Document) -> None:
    """Check the rules of TLS that span two keys."""
    tls = document.root.mapping("tls_server_config")
    kind = tls.get("client_auth_type", "NoClientCert")
    has_ca = tls.has_key("client_ca_file")
    verification = _CLIENT_AUTH.get(kind) if isinstance(kind, str) else None
    if verification and not has_ca:
        words = "needs client_ca_file, whose certificates are accepted"
        document.add_mistake(tls.location_of("client_auth_type"), words)
    elif verification is ssl.CERT_NONE and has_ca:
        words = f"has no effect without client_auth_type, expected {_VERIFYING} there"
        document.add_mistake(tls.key_locations["client_ca_file"], words)
    if (tls.get("min_version"), tls.get("max_version")) == ("TLS13", "TLS12"):
        words = "min_version is above max_version, expected it not to be"
        document.add_mistake(tls.location_of("min_version"), words)


def _headers(document: Document) -> Iterator[tuple[bytes, bytes]]:
    """Iterate over the headers of every response, without blank ones."""
    headers = document.root.mapping("http_server_config").mapping("headers")
    for name, key_location in headers.key_locations.items():
        value, location = headers.get(name), headers.location_of(name)
        if name not in _HEADERS:
            words = f"cannot be set, expected {', '.join(_HEADERS)}"
            document.add_mistake(key_location, words)
        elif isinstance(value, YamlMapping | YamlSequence):
            words = f"found {found_value(value, location)}, expected text"
            document.add_mistake(location, words)
        elif text := _text(headers, name):
            allowed = _HEADERS[name]
            expected = ""
            if not (text.isascii() and text.isprintable()):
                expected = "printable ASCII characters"
            elif allowed and text not in allowed:
                expected = " or ".join(allowed)
            if expected and value is not None:
                words = f"found {found_value(value, location)}, expected {expected}"
                document.add_mistake(location, words)
            yield name.lower().encode(), text.encode(errors="replace")


def _text(mapping: YamlMapping, key: str) -> str:
    """Return a scalar as text, as exporter-toolkit reads `X-XSS-Protection: 1`.

    White space around it is left out, as no header may have it.
    """
    value: Value = mapping.get(key, "")
    return (value if isinstance(value, str) else mapping.location_of(key).written).strip()


def _users(document: Document) -> Iterator[tuple[str, str]]:
    """Iterate over the users and the hashes of their passwords."""
    users = named_users(document, "basic_auth_users")
    for user, hashed in users.items():
        if words := hash_mistake(user, hashed):
            document.add_mistake(users.location_of(user), words)
        else:
            yield user, str(hashed)


def named_users(document: Document, key: str) -> YamlMapping:
    """Return the users under a key of a file, after a check of their names."""
    users = document.root.mapping(key)
    if users is document.root.get(key) and not users.key_locations:
        # An empty key shows that passwords are wanted; serving everybody would be the worst guess.
        document.add_mistake(users.location, "has no user, expected at least one")
    for user, location in users.key_locations.items():
        if ":" in user:
            document.add_mistake(location, "a user's name cannot hold a colon (RFC 7617)")
    return users


def hash_mistake(user: str, hashed: object) -> str | None:
    """Return what is wrong with the hash of a user's password, if anything.

    The value may be the password itself, so it is not shown.
    """
    cost = hash_cost(hashed) if isinstance(hashed, str) else None
    if cost is None:
        return (
            f"is not a bcrypt hash, expected what 'htpasswd -nBC 10 {user}' prints after the colon"
        )
    if cost > _HIGHEST_COST:
        return (
            f"is a hash of cost {cost}, which takes minutes to check, expected at most"
            f" {_HIGHEST_COST}"
        )
    return None


def _without_effect(document: Document) -> Iterator[str]:
    """Report each key without effect, in a line."""
    for path, reason in WITHOUT_EFFECT.items():
        section, key = path.split(".")
        if location := document.root.mapping(section).key_locations.get(key):
            yield str(location.mistake(f"has no effect: {reason}"))
