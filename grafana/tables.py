"""The tables of grafana/README.md: each panel, its description, and its query in short."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from grafana.frame import Dashboard
from grafana.operations.shared import EMPTY_FOR
from grafana.promql import QUEUES, READ, STATE, TEAM

__all__ = ["README", "with_tables"]

README: Final = Path(__file__).with_name("README.md")

#: Shared parts of queries by the names that the README gives them, the longest first.
_PARTS: Final = {"EMPTY FOR": EMPTY_FOR, "STATE": STATE, "TEAM": TEAM, "READ": READ}
_BEGIN: Final = "<!-- panels: made by grafana/build.py -->\n"
_END: Final = "<!-- /panels -->"


def with_tables(document: str, dashboards: Sequence[Dashboard]) -> str:
    """Return the README with its tables brought up to date."""
    before, _, rest = document.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}{_tables(dashboards)}{_END}{after}"


def _tables(dashboards: Sequence[Dashboard]) -> str:
    lines = ["Parts that queries share, for the queues that the variables select:", "", "```promql"]
    lines += [f"# {name}\n{part}\n" for name, part in _PARTS.items()]
    lines += ["```", ""]
    for dashboard in dashboards:
        lines += [f"### {dashboard['title']}", "", "| panel | what it answers | query |"]
        lines += ["| --- | --- | --- |"]
        for panel in dashboard["panels"]:
            if panel["type"] != "row":
                queries = "<br>".join(f"`{_short(one['expr'])}`" for one in panel["targets"])
                lines.append(f"| {panel['title']} | {panel['description']} | {queries} |")
        lines.append("")
    return "\n".join(lines)


def _short(expression: str) -> str:
    """Return a query on one line, with names for the parts that are shared."""
    text = _one_line(expression)
    for name, part in _PARTS.items():
        text = text.replace(_one_line(part), name)
    for selector in (QUEUES, 'account=~"$account"'):
        text = text.replace(f"{{{selector}}}", "").replace(f"{{{selector}, ", "{")
    return text.replace("|", "\\|")


def _one_line(text: str) -> str:
    text = re.sub(r"\s+", " ", text)
    return text.replace("( ", "(").replace(" )", ")")
