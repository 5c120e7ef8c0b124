"""The tables in README and docs/metrics.md hold what the code has."""

from __future__ import annotations

import re
from pathlib import Path

from exporter.counters import Counters
from exporter.errors import WORD_CODES
from exporter.metrics import FAMILIES

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table under a heading row, without their back quotes."""
    table = README.partition(f"| {heading} |")[2].partition("\n\n")[0]
    lines = table.splitlines()[2:]
    assert lines
    return [
        [cell.strip().replace("`", "") for cell in line.strip("|").split(" |")] for line in lines
    ]


def in_code() -> dict[str, tuple[str, set[str]]]:
    """Return type and labels of every family, as they are on the page."""
    found = {name: ("gauge", set(labels)) for name, (labels, _) in FAMILIES.items()}
    for family in Counters(["acme"]).families():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        if name.startswith("calltools_"):
            labels = {label for sample in family.samples for label in sample.labels}
            found[name] = (family.type, labels - {"le"})
    return found


def test_the_metrics_table_has_what_the_page_has() -> None:
    table = rows("metric | type | labels | meaning")
    found = in_code()
    for name, kind, labels, meaning in table:
        assert (kind, set(filter(None, labels.split(", ")))) == found.pop(name)
        assert meaning


def test_every_metric_has_one_row_in_its_page() -> None:
    page = (ROOT / "docs/metrics.md").read_text()
    names = re.findall(r"^\| `(calltools_\w+)` \| ", page, re.MULTILINE)
    assert sorted(names) == sorted(in_code())


def test_every_code_is_explained() -> None:
    explained = re.findall(
        r"[a-z_]+", " ".join(row[0] for row in rows("code | why a queue could not be read"))
    )
    assert sorted(explained) == sorted(WORD_CODES)
