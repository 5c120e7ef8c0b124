"""Values that know where they were written, so that a mistake can be shown at its place."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from exporter.errors import ConfigurationError, Mistake

__all__ = ["Document", "Location", "Value", "YamlMapping", "YamlSequence", "redacted"]

_KEY_LIKE: Final = re.compile(r"\b[0-9a-f]{40}\b|\btoken\s+[^\s']+", re.IGNORECASE)


def redacted(text: str) -> str:
    """Quote what was written: on one line, not too long, without what may be an API key."""
    masked = _KEY_LIKE.sub("***", text)
    return repr(masked if len(masked) <= 80 else masked[:77] + "...")


@dataclass(frozen=True, slots=True)
class Location:
    """Where a value stands; ``written`` is the text of a plain scalar, before it was read."""

    file: str
    line: int = 0
    column: int = 0
    path: str = ""
    written: str = ""

    def seen_from(self, other: Location) -> str:
        """Say where this is, for a mistake at another place."""
        file = "" if self.file == other.file else f" in {self.file}"
        return f"{file} on line {self.line}" if self.line else file

    def mistake(self, message: str) -> Mistake:
        """Return the mistake at this place."""
        return Mistake(self.file, self.line, self.column, self.path, message)


class YamlMapping(dict[str, "Value"]):
    """A mapping; ``key_locations`` also has the keys whose value was a mistake, left out here."""

    def __init__(self, location: Location) -> None:
        super().__init__()
        self.location = location
        self.key_locations: dict[str, Location] = {}
        self.value_locations: dict[str, Location] = {}

    def add(
        self, key: str, key_location: Location, value: Value | None, value_location: Location
    ) -> None:
        """Note a key and, unless it was a mistake, its value."""
        self.key_locations[key] = key_location
        if value is not None:
            self[key] = value
            self.value_locations[key] = value_location


class YamlSequence(list["Value"]):
    """A sequence, with the place of each item; incomplete if some were mistakes."""

    def __init__(self, location: Location) -> None:
        super().__init__()
        self.location = location
        self.item_locations: list[Location] = []
        self.incomplete = False

    def add(self, value: Value | None, value_location: Location) -> None:
        """Note an item, unless it was a mistake."""
        if value is None:
            self.incomplete = True
        else:
            self.append(value)
            self.item_locations.append(value_location)


Value: TypeAlias = str | int | float | bool | YamlMapping | YamlSequence
Path: TypeAlias = tuple[str | int, ...]


class Document:
    """A tree of values and the mistakes found in it so far."""

    def __init__(self, root: YamlMapping, mistakes: list[Mistake]) -> None:
        self.root = root
        self.mistakes = mistakes

    def find(self, path: Path) -> tuple[Value, Location, Path]:
        """Return the value at the path and its place, or of the nearest one around it.

        The third value is how much of the path was found.
        """
        value, location = cast("Value", self.root), self.root.location
        for depth, step in enumerate(path):
            if isinstance(value, YamlMapping) and isinstance(step, str) and step in value:
                location, value = value.value_locations[step], value[step]
            elif isinstance(value, YamlSequence) and isinstance(step, int) and step < len(value):
                location, value = value.item_locations[step], value[step]
            else:
                return value, location, path[:depth]
        return value, location, path

    def location(self, *path: str | int) -> Location:
        """Return where the value at the path stands, or the nearest one around it."""
        return self.find(path)[1]

    def key_location(self, *path: str | int) -> Location:
        """Return where the key at the path is written."""
        section, location, _ = self.find(path[:-1])
        return (
            section.key_locations[str(path[-1])] if isinstance(section, YamlMapping) else location
        )

    def has_key(self, *path: str | int) -> bool:
        """Tell whether the key at the path is there, even if its value was a mistake."""
        *parents, key = path
        value, _, found = self.find(tuple(parents))
        return (
            found == tuple(parents)
            and isinstance(value, YamlMapping)
            and key in value.key_locations
        )

    def drop(self, paths: Iterable[Path]) -> None:
        """Leave out what could not be read, so that what is around it can be looked at."""
        items: dict[int, tuple[YamlSequence, set[int]]] = {}
        for path in paths:
            value, _, found = self.find(path[:-1])
            step = path[-1]
            if isinstance(value, YamlMapping) and isinstance(step, str):
                value.pop(step, None)
            elif isinstance(value, YamlSequence) and isinstance(step, int) and found == path[:-1]:
                items.setdefault(id(value), (value, set()))[1].add(step)
        for sequence, indexes in items.values():
            for index in sorted(indexes, reverse=True):
                del sequence[index], sequence.item_locations[index]

    def add_mistake(self, location: Location, message: str) -> None:
        """Note a mistake."""
        self.mistakes.append(location.mistake(message))

    def stop_on_mistakes(self) -> None:
        """Raise what was noted, if anything was; what an alias repeats, once."""
        if self.mistakes:
            raise ConfigurationError(list(dict.fromkeys(self.mistakes)))
