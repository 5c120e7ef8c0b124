from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.web import exposition
from exporter.web.exposition import accepts_gzip, choose_format, compress

TEXT = "text/plain; version=0.0.4; charset=utf-8"
TEXT_1 = "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores"

PROMETHEUS_2_26 = (
    "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)


def documented() -> list[tuple[str, str]]:
    """Return the pairs of Accept and Content-Type that the documentation shows."""
    text = (Path(__file__).parents[3] / "docs/http.md").read_text(encoding="utf-8")
    section = text.partition("## Formats")[2].partition("## ")[0]
    return re.findall(r"^\|[^|]+\| `([^`]+)` \| `([^`]+)` \|$", section, re.MULTILINE)


def test_the_documented_answers_are_given() -> None:
    pairs = documented()
    assert len(pairs) >= 9
    assert [choose_format(accept).content_type for accept, _ in pairs] == [
        content_type for _, content_type in pairs
    ]


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/*", TEXT),
        ("text/plain", TEXT),
        ("text/plain; version=0.0.4", TEXT),
        ("text/plain;version=1.0.0", TEXT_1),
        ("TEXT/PLAIN;VERSION=1.0.0", TEXT_1),
        ('text/plain;version="1.0.0"', TEXT_1),
        ("application/openmetrics-text", OPENMETRICS),
        ("application/openmetrics-text;version=1.0.0", OPENMETRICS),
        ("application/*", OPENMETRICS),
        (PROMETHEUS_2_26, TEXT),
        # Escaping: only where the format knows it, and only one that exists.
        ("text/plain;version=1.0.0;escaping=dots", TEXT_1.replace("underscores", "dots")),
        ("text/plain;version=1.0.0;escaping=values", TEXT_1.replace("underscores", "values")),
        ("text/plain;version=1.0.0;escaping=loudly", TEXT_1),
        ("text/plain;version=0.0.4;escaping=allow-utf-8", TEXT),
        # What is liked better wins, then what is named first; q=0 is a no.
        ("text/plain;q=0.9,application/openmetrics-text;q=0.8", TEXT),
        ("text/plain;q=0.8,application/openmetrics-text;q=0.9", OPENMETRICS),
        ("text/plain,application/openmetrics-text", TEXT),
        ("application/openmetrics-text,text/plain", OPENMETRICS),
        ("application/openmetrics-text;q=0,text/plain;q=0.1", TEXT),
        ("application/openmetrics-text;q=0", TEXT),
        ("text/plain;q=0,*/*", OPENMETRICS),
        ("*/*;q=0", TEXT),
        ("*/*, application/openmetrics-text;q=0.5", TEXT),
        # What is not there, or broken, is passed over.
        ("application/json", TEXT),
        ("application/openmetrics-text;version=0.0.1", TEXT),
        ("application/openmetrics-text;version=99.0.0", TEXT),
        ("application/openmetrics-text;version=1.x, text/plain;version=1.0.0;q=0.1", TEXT_1),
        ("text/plain;version=abc", TEXT),
        ("application/openmetrics-text;q=high", TEXT),
        ("application/openmetrics-text;q=nan", TEXT),
        ("application/openmetrics-text;q=-1", TEXT),
        ("application/openmetrics-text;q=inf", TEXT),
        (";;;=;,,q=", TEXT),
    ],
)
def test_the_format_that_is_liked_best(accept: str, content_type: str) -> None:
    assert choose_format(accept).content_type == content_type


@given(st.text(alphabet='abq=;,./*01 "-+\\\t') | st.text())
def test_no_accept_header_is_an_error(header: str) -> None:
    assert choose_format(header).content_type.startswith(("text/plain", "application/openm"))
    assert accepts_gzip(header) in (True, False)


@pytest.mark.parametrize(
    ("accept_encoding", "gzipped"),
    [
        ("", False),
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("*", True),
        ("deflate, gzip;q=0.5, br", True),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("*;q=0", False),
        ("identity", False),
        ("identity;q=1, gzip;q=0.5", False),
        ("identity;q=0.5, gzip", True),
        ("gzip;q=many", False),
        ("zstd", False),
    ],
)
def test_gzip_where_it_is_liked(accept_encoding: str, gzipped: bool) -> None:
    assert accepts_gzip(accept_encoding) is gzipped


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    gauge = Gauge("calltools_queue_available_agents", "Agents", ["queue"], registry=registry)
    gauge.labels(queue='Zürich Köln "1"\n\\').set(3)
    return registry


@pytest.mark.parametrize("escaping", ["underscores", "allow-utf-8", "values"])
@pytest.mark.parametrize("media", ["application/openmetrics-text", "text/plain"])
def test_pages_parse_back_with_the_names_unchanged(
    registry: CollectorRegistry, media: str, escaping: str
) -> None:
    chosen = choose_format(f"{media};version=1.0.0;escaping={escaping}")
    page = chosen.render(registry).decode()
    parse = parse_openmetrics if "openmetrics" in media else parse_text
    (family,) = parse(page)
    assert family.name == "calltools_queue_available_agents"
    (sample,) = family.samples
    assert sample.name == "calltools_queue_available_agents"
    assert sample.labels == {"queue": 'Zürich Köln "1"\n\\'}
    assert sample.value == 3
    assert page.endswith("# EOF\n") is ("openmetrics" in media)


def test_dots_double_the_underscores_of_every_name(registry: CollectorRegistry) -> None:
    page = choose_format("text/plain;version=1.0.0;escaping=dots").render(registry).decode()
    assert "\ncalltools__queue__available__agents{" in page


def test_compressed_pages_are_reproducible_and_whole() -> None:
    page = b"calltools_up 1\n" * 1000
    assert compress(page) == compress(page)
    assert gzip.decompress(compress(page)) == page


@pytest.mark.parametrize("entry", ["a/b", "a/b;c=d;e=f", "a;q=x"])
def test_a_header_of_thousands_of_entries_is_little_work(entry: str) -> None:
    header = ",".join([entry] * (16_000 // len(entry)))
    assert len(list(exposition._ranges(header))) <= 32
    assert choose_format(f"application/openmetrics-text,{header}").media_type.endswith(
        "openmetrics-text"
    )
    assert choose_format(header + ",application/openmetrics-text").media_type == "text/plain"


def test_an_entry_of_thousands_of_parameters_is_little_work() -> None:
    (found,) = exposition._ranges("a/b" + ";c=d" * 4000)
    assert len(found.parameters) <= 8
