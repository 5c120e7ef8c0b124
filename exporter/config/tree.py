"""Values that know where they were written, so that a mistake can be shown at its place."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from exporter.errors import ConfigurationError, Mistake

__all__ = ["Document", "Items", "Place", "Section", "Value", "shown"]

_KEY_LIKE: Final = re.compile(r"\b[0-9a-f]{40}\b|\btoken\s+[^\s']+", re.IGNORECASE)


def shown(text: str) -> str:
    """Quote what was written: on one line, not too long, without what may be an API key."""
    masked = _KEY_LIKE.sub("***", text)
    return repr(masked if len(masked) <= 80 else masked[:77] + "...")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands; ``written`` is the text of a plain scalar, before it was read."""

    file: str
    line: int = 0
    column: int = 0
    path: str = ""
    written: str = ""

    def seen_from(self, other: Place) -> str:
        """Say where this is, for a mistake at another place."""
        file = "" if self.file == other.file else f" in {self.file}"
        return f"{file} on line {self.line}" if self.line else file

    def mistake(self, message: str) -> Mistake:
        """Return the mistake at this place."""
        return Mistake(self.file, self.line, self.column, self.path, message)


class Section(dict[str, "Value"]):
    """A mapping; ``keys_at`` also knows the keys whose value was a mistake and is left out."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place
        self.keys_at: dict[str, Place] = {}
        self.values_at: dict[str, Place] = {}

    def add(self, key: str, key_at: Place, value: Value | None, value_at: Place) -> None:
        """Note a key and, unless it was a mistake, its value."""
        self.keys_at[key] = key_at
        if value is not None:
            self[key] = value
            self.values_at[key] = value_at


class Items(list["Value"]):
    """A sequence, with the place of each item; incomplete if some were mistakes."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self.place = place
        self.items_at: list[Place] = []
        self.incomplete = False

    def add(self, value: Value | None, value_at: Place) -> None:
        """Note an item, unless it was a mistake."""
        if value is None:
            self.incomplete = True
        else:
            self.append(value)
            self.items_at.append(value_at)


Value: TypeAlias = str | int | float | bool | Section | Items
Path: TypeAlias = tuple[str | int, ...]


class Document:
    """A tree of values and the mistakes found in it so far."""

    def __init__(self, root: Section, mistakes: list[Mistake]) -> None:
        self.root = root
        self.mistakes = mistakes

    def find(self, path: Path) -> tuple[Value, Place, Path]:
        """Return the value at the path and its place, or of the nearest one around it.

        The third value is how much of the path was found.
        """
        value, place = cast("Value", self.root), self.root.place
        for depth, step in enumerate(path):
            if isinstance(value, Section) and isinstance(step, str) and step in value:
                place, value = value.values_at[step], value[step]
            elif isinstance(value, Items) and isinstance(step, int) and step < len(value):
                place, value = value.items_at[step], value[step]
            else:
                return value, place, path[:depth]
        return value, place, path

    def place(self, *path: str | int) -> Place:
        """Return where the value at the path stands, or the nearest one around it."""
        return self.find(path)[1]

    def key_place(self, *path: str | int) -> Place:
        """Return where the key at the path is written."""
        section, place, _ = self.find(path[:-1])
        return section.keys_at[str(path[-1])] if isinstance(section, Section) else place

    def wrote(self, *path: str | int) -> bool:
        """Tell whether the key at the path is there, even if its value was a mistake."""
        *parents, key = path
        value, _, found = self.find(tuple(parents))
        return found == tuple(parents) and isinstance(value, Section) and key in value.keys_at

    def drop(self, paths: Iterable[Path]) -> None:
        """Leave out what could not be read, so that what is around it can be looked at."""
        items: dict[int, tuple[Items, set[int]]] = {}
        for path in paths:
            value, _, found = self.find(path[:-1])
            step = path[-1]
            if isinstance(value, Section) and isinstance(step, str):
                value.pop(step, None)
            elif isinstance(value, Items) and isinstance(step, int) and found == path[:-1]:
                items.setdefault(id(value), (value, set()))[1].add(step)
        for sequence, indexes in items.values():
            for index in sorted(indexes, reverse=True):
                del sequence[index], sequence.items_at[index]

    def refuse(self, place: Place, message: str) -> None:
        """Note a mistake."""
        self.mistakes.append(place.mistake(message))

    def stop_on_mistakes(self) -> None:
        """Raise what was noted, if anything was; what an alias repeats, once."""
        if self.mistakes:
            raise ConfigurationError(list(dict.fromkeys(self.mistakes)))
