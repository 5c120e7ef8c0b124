"""Write the tables of docs/commands.md, configuration.md and metrics.md from the code.

usage: python scripts/make_docs.py [FOLDER]

A table is between `<!-- NAME: made by scripts/make_docs.py -->` and `<!-- /NAME -->`. The rest of a
page is written by hand, and is read from docs/ and written to FOLDER, by default docs/ too.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from click import Option

ROOT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from exporter import config  # noqa: E402 - found only by the line above
from exporter.cli import exits  # noqa: E402
from exporter.cli.cli import calltools_exporter  # noqa: E402
from exporter.counters import Counters  # noqa: E402
from exporter.metrics import FAMILIES  # noqa: E402

PAGES: Final = ("commands.md", "configuration.md", "metrics.md")
LARGEST_ID: Final = 2**63 - 1


def main() -> None:
    """Write the pages."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs"
    for page in PAGES:
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        (folder / page).write_text(with_tables(text), encoding="utf-8")


def with_tables(text: str) -> str:
    """Return a page with its tables as the code has them now."""

    def made(match: re.Match[str]) -> str:
        return f"{match[1]}\n{tables()[match[2]]}\n{match[3]}"

    return re.sub(
        r"(<!-- ([a-z]+): made by [^ ]+ -->\n).*?\n(<!-- /\2 -->)", made, text, flags=re.DOTALL
    )


def tables() -> dict[str, str]:
    """Return every table by name."""
    schema = config.json_schema()
    models = schema["$defs"]
    return {
        "file": _keys(schema),
        "account": _keys(models["Account"]),
        "queue": _keys(models["Queue"]),
        "exception": _keys(models["QueueException"]),
        "schedule": _keys(models["Schedule"]),
        "tls": _keys(models["Tls"]),
        "exits": _exits(),
        "flags": _table(
            ("flag", "environment variable", "default", "meaning"),
            _flags(),
        ),
        "queues": _families("calltools_queue_"),
        "accounts": _families("calltools_account_info", "calltools_up", "calltools_account_f"),
        "api": _families("calltools_api_", "calltools_account_q"),
        "exporter": _families("calltools_scrape_", "calltools_exporter_"),
    }


def _exits() -> str:
    """Return what each exit code means, with a line for the commands of which the same holds."""
    commands: dict[tuple[tuple[int, str], ...], list[str]] = {}
    for command, meanings in exits.MEANINGS.items():
        commands.setdefault(tuple(sorted(meanings.items())), []).append(f"`{command}`")
    codes = sorted({code for meanings in exits.MEANINGS.values() for code in meanings})
    rows = (
        (", ".join(names), *(dict(meanings).get(code, "") for code in codes))
        for meanings, names in commands.items()
    )
    return _table(("command", *map(str, codes)), rows)


def _flags() -> Iterable[tuple[str, str, str, str]]:
    """Return every flag with a variable of the exporter's own, those of `serve` first."""
    commands = [calltools_exporter.commands[name] for name in ("serve", "ping")]
    options = {option.name: option for command in reversed(commands) for option in command.params}
    for option in sorted(options.values(), key=lambda option: option not in commands[0].params):
        if isinstance(option, Option) and str(option.envvar).startswith("CALLTOOLS_EXPORTER_"):
            default = option.default
            default = default[0] if isinstance(default, tuple) else default
            shown = _code(default if isinstance(default, str) else None)
            yield f"`{option.opts[0]}`", f"`{option.envvar}`", shown, option.help or ""


def _keys(model: Mapping[str, Any]) -> str:
    needed = model.get("required", ())
    rows = []
    for key, value in model["properties"].items():
        words = value.get("description", "")
        rows.append((f"`{key}`" + (" (needed)" if key in needed else ""), _kind(value), words))
    # What is needed comes first, the rest in the order of the schema.
    rows.sort(key=lambda row: "(needed)" not in row[0])
    return _table(("key", "value", "meaning"), rows)


def _kind(value: Mapping[str, Any]) -> str:  # noqa: PLR0911 - one line for each kind
    """Say in a few words what a key takes."""
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        name = name.removesuffix("Keys").removeprefix("Queue" * (name != "Queue")).lower()
        return f"[{name}](#{name})"
    if "anyOf" in value:
        return " or ".join(dict.fromkeys(map(_kind, value["anyOf"])))
    if "const" in value or "enum" in value:
        return " or ".join(_code(word) for word in value.get("enum", [value.get("const")]))
    match value["type"]:
        case "boolean":
            return "`true` or `false`"
        case "integer" if value.get("maximum") == LARGEST_ID:
            return "id"
        case "integer":
            return f"number, {value['minimum']} to {value['maximum']}"
        case "array":
            return f"list of: {_kind(value['items'])}"
        case "object":
            return f"mapping to: {_kind(next(iter(value['patternProperties'].values())))}"
    return "duration" if "[0-9]{1,9}ms" in value.get("pattern", "") else "text"


def _families(*prefixes: str) -> str:
    counters = Counters(["acme"]).families()
    rows = [(name, "gauge", labels, words) for name, (labels, words) in FAMILIES.items()]
    for one in counters:
        labels = {label: None for sample in one.samples for label in sample.labels if label != "le"}
        name = f"{one.name}_total" if one.type == "counter" else one.name
        rows.append((name, one.type, tuple(labels), one.documentation))
    return _table(
        ("metric", "type", "labels", "meaning"),
        (
            (f"`{name}`", kind, ", ".join(labels), words)
            for name, kind, labels, words in rows
            if name.startswith(prefixes)
        ),
    )


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [tuple(head), *map(tuple, rows)]
    lines.insert(1, ("---",) * len(lines[0]))
    return "\n".join(f"| {' | '.join(c.replace('|', chr(92) + '|') for c in r)} |" for r in lines)


def _code(word: str | None) -> str:
    return f"`{word}`" if word else ""


if __name__ == "__main__":
    main()
