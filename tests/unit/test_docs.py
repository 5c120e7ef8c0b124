"""The pages of docs/ say what the code says, and every link in them leads somewhere."""

from __future__ import annotations

import functools
import re
import subprocess
import sys
from pathlib import Path

import promql_parser
import pytest

from exporter import config
from exporter.cli.run import main
from exporter.counters import Counters
from exporter.errors import HTTP_CODES, WORD_CODES
from exporter.metrics import FAMILIES
from exporter.web.available_users import load_available_users
from prometheus.build import rules

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
SKIPPED = {".venv", ".cache", ".git", ".pytest_cache", "node_modules"}
PAGES = sorted(
    path for path in ROOT.rglob("*.md") if SKIPPED.isdisjoint(path.relative_to(ROOT).parts)
)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def without_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    """Return a page's anchors, made of its headings as GitHub makes them."""
    headings = re.findall(r"^#+ +(.+?) *$", without_blocks(path.read_text()), re.MULTILINE)
    texts = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in texts}


def blocks(language: str) -> list[str]:
    """Return the blocks of a language."""
    block = re.compile(rf"^```{language}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [text for page in sorted(DOCS.glob("*.md")) for text in block.findall(page.read_text())]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"`[^`]*`", "", without_blocks(page.read_text()))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+://|mailto:", target):
            continue
        file, _, anchor = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        assert path.exists(), target
        assert not anchor or anchor in anchors(path), target


SCRAPE_TIME = re.compile(
    r"^ *(?:- )?(scrape_timeout|scrapeTimeout|scrape_interval|scrapeInterval): (\d\S*)",
    re.MULTILINE,
)


def shown_scrape_times() -> dict[str, dict[str, str]]:
    """Return the scrape interval and timeout of each example, by file."""
    kinds = ("*.md", "*.yml", "*.yaml", "*.html")
    files = [
        path
        for folder in ("prometheus", "deploy", "docs", "exporter", "grafana")
        for kind in kinds
        for path in (ROOT / folder).rglob(kind)
    ]
    found = {
        named(path): dict(SCRAPE_TIME.findall(path.read_text()))
        for path in [ROOT / "README.md", *files]
    }
    return {name: times for name, times in found.items() if times}


def test_every_example_scrapes_alike() -> None:
    """One number for one thing; the timeout fits either interval that the rules are made for."""
    found = shown_scrape_times()
    assert {"README.md", "prometheus/prometheus.yml", "exporter/web/landing/page.html"} <= set(
        found
    )
    for name, times in found.items():
        for key, value in times.items():
            assert value == ("30s" if "nterval" in key else "15s"), name


def test_every_page_is_in_the_index() -> None:
    index = (DOCS / "README.md").read_text()
    for page in DOCS.glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in index, page.name


def test_the_tables_are_those_of_the_code(tmp_path: Path) -> None:
    # `python scripts/make_docs.py` writes them.
    made = ROOT / "scripts" / "make_docs.py"
    subprocess.run([sys.executable, made, tmp_path], check=True, timeout=60)
    pages = sorted(tmp_path.iterdir())
    assert [page.name for page in pages] == ["commands.md", "configuration.md", "metrics.md"]
    for page in pages:
        assert page.read_text() == (DOCS / page.name).read_text()


def test_no_key_is_left_out() -> None:
    schema = config.json_schema()
    keys = [key for model in schema["$defs"].values() for key in model["properties"]]
    page = (DOCS / "configuration.md").read_text()
    assert [key for key in {*keys, *schema["properties"]} if f"| `{key}`" not in page] == []


@functools.cache
def known_series() -> set[str]:
    """Return every series of the exporter and of the rules."""
    counters = {
        sample.name for family in Counters(["acme"]).families() for sample in family.samples
    }
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    return {*FAMILIES, *counters, *recorded}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_series_that_is_named_exists(page: Path) -> None:
    """A query that is copied from a page must not be empty because a series was renamed."""
    text = page.read_text()
    series = re.findall(
        r"\b(?:account(?:_queue)?|host):calltools_[\w:]+|\bcalltools_[a-z_]+\w", text
    )
    known = known_series()
    wrong = {name for name in series if not any(one.startswith(name) for one in known)}
    assert wrong <= {"calltools_exporter"}


def test_every_code_is_explained() -> None:
    text = (DOCS / "troubleshooting.md").read_text().partition("## The codes")[2]
    section = re.compile(r"^### (\w+)\n\n(.+?)(?=\n\n###|\Z)", re.MULTILINE | re.DOTALL)
    explained = dict(section.findall(text))
    assert set(explained) == {*HTTP_CODES, *WORD_CODES}
    assert all(len(words) > 40 for words in explained.values())


@pytest.mark.parametrize("text", blocks("promql"))
def test_every_query_can_be_parsed(text: str) -> None:
    for query in text.splitlines():
        promql_parser.parse(query)


@pytest.mark.parametrize("text", [one for one in blocks("yaml") if "accounts:\n" in one])
def test_every_configuration_is_right(text: str, tmp_path: Path) -> None:
    (tmp_path / "exporter.yml").write_text(text)
    assert config.load(tmp_path / "exporter.yml", {}).configuration.accounts


@pytest.mark.parametrize("text", [one for one in blocks("yaml") if one.startswith("users:")])
def test_every_file_of_users_is_right(text: str, tmp_path: Path) -> None:
    (tmp_path / "users.yml").write_text(text)
    assert load_available_users(tmp_path / "users.yml")


def commands() -> list[str]:
    """Return every command line of calltools-exporter that a page tells to type."""
    lines = [line for text in blocks("sh") for line in text.splitlines()]
    inline = [
        words
        for page in sorted(DOCS.glob("*.md"))
        for words in re.findall(r"`(calltools-exporter [^`]*)`", page.read_text())
    ]
    found = {line.partition("  #")[0].strip() for line in (*lines, *inline)}
    return sorted(line for line in found if line.startswith("calltools-") and "COMMAND" not in line)


@pytest.mark.parametrize("line", commands())
def test_every_command_is_understood(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    # Nothing is run, but every word before the last one is read, and is not what is complained of.
    assert main([*line.split()[1:], "--no-such-flag"]) == 2
    assert "unknown '--no-such-flag'" in capsys.readouterr().err
