"""The files of `--web.config.file`: what is right becomes what, and what is wrong is told how."""

from __future__ import annotations

import contextlib
import re
import ssl
from collections.abc import Callable
from pathlib import Path

import h11
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.config.schema import Keys
from exporter.errors import ConfigurationError
from exporter.web.config import (
    WITHOUT_EFFECT,
    HttpServerConfig,
    TlsServerConfig,
    WebFile,
    load_web_config,
)

FOLDER = Path(__file__).parent / "files"
ANY = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
TLS12 = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)
TLS13 = (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3)


@pytest.mark.parametrize(
    ("name", "verification", "versions"),
    [
        ("tls", ssl.CERT_NONE, ANY),
        ("tls_all", ssl.CERT_REQUIRED, TLS13),
        ("client_given", ssl.CERT_OPTIONAL, TLS12),
        ("client_none", ssl.CERT_NONE, ANY),
        ("without_effect", ssl.CERT_NONE, ANY),
    ],
)
def test_tls(
    in_folder: Callable[[Path], Path],
    name: str,
    verification: ssl.VerifyMode,
    versions: tuple[ssl.TLSVersion, ssl.TLSVersion],
) -> None:
    loaded = load_web_config(in_folder(FOLDER / f"{name}.good.yml"))
    assert loaded.context
    assert loaded.context.verify_mode is verification
    assert (loaded.context.minimum_version, loaded.context.maximum_version) == versions
    assert not loaded.passwords
    assert loaded.headers == ()


def test_keys_without_effect_are_told(in_folder: Callable[[Path], Path]) -> None:
    loaded = load_web_config(in_folder(FOLDER / "without_effect.good.yml"))
    assert [line.partition(": ")[2] for line in loaded.without_effect] == [
        "tls_server_config.prefer_server_cipher_suites: has no effect: OpenSSL chooses",
        "http_server_config.http2: has no effect: only HTTP/1.1 is supported",
    ]
    assert loaded.without_effect[1].startswith("without_effect.good.yml:6:3: ")


def test_users_without_tls(in_folder: Callable[[Path], Path]) -> None:
    loaded = load_web_config(in_folder(FOLDER / "users.good.yml"))
    assert loaded.context is None
    assert loaded.passwords
    assert loaded.without_effect == ()


def test_an_empty_file_asks_for_nothing(in_folder: Callable[[Path], Path]) -> None:
    loaded = load_web_config(in_folder(FOLDER / "empty.good.yml"))
    assert loaded.context is None
    assert not loaded.passwords
    assert loaded.headers == ()


def test_the_rest_is_checked_where_the_certificates_are_not(tmp_path: Path) -> None:
    path = tmp_path / "web.yml"
    path.write_text("tls_server_config: {cert_file: none.pem, key_file: none.key}\n")
    loaded = load_web_config(path, read_files=False)
    assert loaded.context is None
    path.write_text("tls_server_config: {cert_file: none.pem}\n")
    with pytest.raises(ConfigurationError, match="has no key 'key_file'"):
        load_web_config(path, read_files=False)


def test_headers_that_are_blank_are_left_out(in_folder: Callable[[Path], Path]) -> None:
    loaded = load_web_config(in_folder(FOLDER / "headers.good.yml"))
    assert loaded.headers == (
        (b"strict-transport-security", b"max-age=31536000"),
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"sameorigin"),
        (b"x-xss-protection", b"1"),
    )


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.bad.yml")))
def test_every_mistake_is_told_with_its_place(in_folder: Callable[[Path], Path], name: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        load_web_config(in_folder(FOLDER / name))
    expected = FOLDER / name.replace(".yml", ".txt")
    assert f"{raised.value}\n" == expected.read_text(encoding="utf-8")


MODELS: dict[str, type[Keys]] = {
    "": WebFile,
    "tls_server_config": TlsServerConfig,
    "http_server_config": HttpServerConfig,
}
KEYS = [key for model in MODELS.values() for key in (*model.model_fields, *model.refused)] + [
    "X-Frame-Options",
    "prometheus",
    "unknown",
]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["TLS12", "NoClientCert", "server.pem", "/", "$2b$10$"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=10,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=8).map(yaml.safe_dump) | st.text())
def test_any_file_is_right_or_has_mistakes(tmp_path: Path, text: str) -> None:
    path = tmp_path / "web.yml"
    path.write_bytes(text.encode(errors="surrogatepass"))
    with contextlib.suppress(ConfigurationError):
        load_web_config(path)


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"web\.yml: cannot be read: No such file"):
        load_web_config(tmp_path / "web.yml")


def test_the_documentation_says_of_every_key_what_is_done_with_it() -> None:
    text = (Path(__file__).parents[3] / "docs/web-configuration.md").read_text(encoding="utf-8")
    documented = dict(re.findall(r"^\| `([a-z0-9_.]+)` \| ([a-z ]+) \|", text, re.MULTILINE))
    done = {}
    for section, model in MODELS.items():
        for key in (*model.model_fields, *model.refused):
            path = f"{section}.{key}".removeprefix(".")
            effect = "without effect" if path in WITHOUT_EFFECT else "supported"
            if path not in MODELS:
                done[path] = "refused" if key in model.refused else effect
    assert documented == done


def test_the_documented_file_is_right(in_folder: Callable[[Path], Path], tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs/web-configuration.md").read_text(encoding="utf-8")
    example = tmp_path / "web.yml"
    example.write_text(text.partition("```yaml\n")[2].partition("```")[0])
    file = in_folder(example)
    (tmp_path / "ca.pem").rename(tmp_path / "prometheus-ca.pem")
    loaded = load_web_config(file)
    assert loaded.passwords
    assert loaded.headers == ((b"x-frame-options", b"deny"),)
    assert loaded.context


@pytest.mark.parametrize("written", ["' max-age=1 '", "'  '", "|\n      max-age=1\n"])
def test_white_space_around_a_header_s_value_spoils_no_answer(tmp_path: Path, written: str) -> None:
    """It was sent as it is, which h11 refuses: every answer failed, and the check said nothing."""
    path = tmp_path / "web.yml"
    header = f"    Strict-Transport-Security: {written}\n"
    path.write_text(f"http_server_config:\n  headers:\n{header}")
    headers = load_web_config(path).headers
    assert {value for _, value in headers} <= {b"max-age=1"}
    h11.Response(status_code=200, headers=list(headers))
