"""Plain English, kept by a list: the words that CONTRIBUTING's glossary replaces stay out.

The list has only what is never better: private vocabulary, and phrases that make a reader stop. It
looks at documents, at strings, docstrings and comments of the code, and at the texts of the rules.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

#: A pattern, in which a blank is any white space, and what to write instead.
INSTEAD = {
    r"told from": "distinguished from",
    r"told (of|about)": "reported, or notified of",
    r"(tells?|told) (an|the|this) (account|exporter) to wait|told to wait": "backs off",
    r"(tells?|telling|told)(?! (you|them|people|callers|the (maintainers|teams?|callers)))": (
        "report, show, return, or notify"
    ),
    r"mend(s|ed|ing)?": "fix",
    r"in force": "current, or in use",
    r"(?<!-)(stands?|stood) (there|beside|between|before|behind|below|under|above|in)": (
        "is, comes, or goes"
    ),
    r"how it stands": "status",
    r"(somebody|anybody|nobody|someone|who|they|one|it) (is|are|was|were) (just )?there"
    r"(?! (is|are|a|an|no|any))": "is available, exists, or arrived",
    r"paged": "alerted, or notified",
    r"a page at night": "an alert at night",
    r"anew": "again",
    r"so many(?![^.;:]* that)": "a number of, or this many",
    r"in work": "in progress",
    r"under way": "in progress",
    r"the one before(?! (it|the))": "the previous one",
    r"(be|been) had": "available, or not found",
    r"no whole answer": "no complete answer",
    r"(no|its|their) turn(?! (on|to|of))": "a slot, or not started",
    r"right answers?": "valid answer",
    r"proven|proofs?": "verified",
    r"(be|are|is|not) believed": "trusted",
    r"look(s|ed|ing)? whether": "check whether",
    r"the way back": "the response",
    r"not there yet|is not here": "missing, or does not exist",
    r"distrust(s|ed)?": "untrusted",
    r"nevertheless": "anyway, or still",
    r"hand(s|ed)? on what": "pass on what",
    r"travels? in the open": "is sent unencrypted",
    r"of late|lately": "recently",
    r"says? nothing of": "does not show",
    r"what is there(?=[.;,])": "what exists",
}
#: One of these is in every phrase of the list: most texts need no closer look.
_SUSPECT = re.compile(
    r"told|tell|mend|in\s+force|st(and|ood)|there|pag|anew|so\s+many|work|under\s+way|before|had"
    r"|whole|turn|right|proven|proof|believ|whether|the\s+way|here|distrust|nevert|hand|open|late"
    r"|nothing|\b(Has|Is|Are|Was|Were|Does|Did|Had|Should|Can|Must|Will)\s",
    re.IGNORECASE,
)
_WORDS = [
    (re.compile(r"\b(?:" + words.replace(" ", r"\s+") + r")(?!\w)", re.IGNORECASE), instead)
    for words, instead in INSTEAD.items()
]
#: A conditional that begins with its verb, as in "Should it fail, ...": it needs an "if".
_INVERTED = re.compile(
    r"(?:(?<=[.:;]\s)|\A)(?:Has|Is|Are|Was|Were|Does|Did|Had|Should|Can|Must|Will)\s[^.?!|`]*,"
    r"\s[^.?!|]*\.(?=\s|\Z)"
)

#: A "#" within a string may be found, too: it does no harm.
_COMMENT = re.compile(r"(?P<code>(?:.*  )?)[ ]*#[:! ]*(?P<comment>.*)")

PACKAGES = ("exporter", "grafana", "prometheus", "scripts", "benchmarks")
DOCUMENTS = sorted(
    path
    for folder in (".", "docs", "docs/runbooks", "deploy", "grafana", "benchmarks")
    for path in (ROOT / folder).glob("**/*.md" if folder == "deploy" else "*.md")
)
TEXTS = [
    ROOT / "Makefile",
    ROOT / "exporter.yml",
    *sorted((ROOT / "prometheus/templates").glob("*.j2")),
    *sorted((ROOT / "prometheus").glob("*.yml")),
    *sorted((ROOT / "exporter/web/landing").glob("*.html")),
]
CODE = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))

#: The glossary itself.
ALLOWED = re.compile(r"CONTRIBUTING\.md: \|.*")


def python_texts(source: str) -> Iterator[tuple[int, str]]:
    """Yield strings and comments with their lines; comments that follow each other are one."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
    comment: list[str] = []
    for number, line in enumerate([*source.splitlines(), ""], 1):
        found = _COMMENT.match(line) if "#" in line else None
        if comment and (found is None or found["code"].strip()):
            yield number - len(comment), "\n".join(comment)
            comment = []
        if found is not None:
            comment.append(found["comment"])


def plain_texts(source: str) -> Iterator[tuple[int, str]]:
    """Yield paragraphs with their lines, without marks of comments."""
    for found in re.finditer(r"(?:^(?!\s*$).*\n?)+", source, re.MULTILINE):
        text = re.sub(r"^ *#:? ?", "", found[0], flags=re.MULTILINE)
        yield source.count("\n", 0, found.start()) + 1, text


def found_words(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield what should be written otherwise: its line within the text, itself, and how."""
    if not _SUSPECT.search(text):
        return
    for pattern, instead in _WORDS:
        for found in pattern.finditer(text):
            yield text.count("\n", 0, found.start()), " ".join(found[0].split()), instead
    for found in _INVERTED.finditer(text):
        yield text.count("\n", 0, found.start()), " ".join(found[0].split()), "If ..., ..."


def complaints(path: Path) -> Iterator[str]:
    source = path.read_text(encoding="utf-8")
    texts = python_texts(source) if path.suffix == ".py" else plain_texts(source)
    lines = source.splitlines()
    for begin, text in texts:
        for offset, words, instead in found_words(text):
            line = lines[min(begin + offset, len(lines)) - 1]
            name = path.relative_to(ROOT)
            if not ALLOWED.fullmatch(f"{name}: {line}"):
                yield f'write "{instead}" instead of "{words}": {name}:{begin + offset}'


@pytest.mark.parametrize("kind", ["documents", "texts", "code"])
def test_only_words_that_everybody_knows(kind: str) -> None:
    paths = {"documents": DOCUMENTS, "texts": TEXTS, "code": CODE}[kind]
    assert len(paths) > 3
    assert [complaint for path in paths for complaint in complaints(path)] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Has the queue that already, then it is absent.", ["Has the queue that already, then"]),
        ("A wrong key is told\nfrom an empty queue.", ["told from", "told"]),
        ("The API told the account to wait.", ["told the account to wait", "told"]),
        ("Have agents log in, or become ready.", []),
        ("Is it empty, or closed? See below.", []),
        ("Tell them, or tell the maintainers.", []),
        ("CallToolsToldToWait stands for it; the demo stands still.", []),
    ],
)
def test_what_is_found(text: str, words: list[str]) -> None:
    found = [one for _, one, _ in found_words(text)]
    assert len(found) == len(words)
    assert all(one.startswith(expected) for one, expected in zip(found, words, strict=True))


def test_comments_are_joined_and_strings_are_found() -> None:
    source = 'x = "one"  # two\n\n\ndef f():\n    """Three."""\n    # four\n    # five\n'
    assert {text for _, text in python_texts(source)} == {"one", "two", "Three.", "four\nfive"}
