"""The expressions of the committed dashboards, as Grafana would send them."""

import json
from dataclasses import dataclass
from typing import Any

from grafana.build import FOLDER

VALUES = {
    "$__rate_interval": "4m",
    "$__range": "3h",
    "$objective": "0.95",
    "$account": ".*",
    "$queue": ".*",
    "$team": ".*",
}


@dataclass(frozen=True)
class Expression:
    """One query, and where it is."""

    dashboard: str
    panel: str
    number: int
    text: str

    def __str__(self) -> str:
        return f"{self.dashboard}/{self.panel}/{self.number}"

    def filled(self) -> str:
        """Return it with a value in the place of each variable."""
        text = self.text
        for name, value in VALUES.items():
            text = text.replace(name, value)
        assert "$__" not in text
        return text


def all_expressions() -> list[Expression]:
    """Return the queries of all panels and annotations."""
    return [
        Expression(file.stem, title, number, text)
        for file in sorted(FOLDER.glob("*.json"))
        for title, texts in _texts(json.loads(file.read_text()))
        for number, text in enumerate(texts)
    ]


def _texts(dashboard: dict[str, Any]) -> list[tuple[str, list[str]]]:
    notes = [one["expr"] for one in dashboard["annotations"]["list"]]
    panels = [
        (panel["title"], [target["expr"] for target in panel["targets"]])
        for panel in dashboard["panels"]
        if panel["type"] != "row"
    ]
    return [*panels, ("annotations", notes)]
