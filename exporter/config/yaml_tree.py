"""Values with their locations, so that a mistake can be reported at its place."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import NamedTuple, TypeAlias, cast

from exporter.errors import ConfigurationError, Mistake

_KEY = re.compile(r"[0-9a-f]{40,}", re.IGNORECASE)
_KEY_WITH_PREFIX = re.compile(r"\btoken\s+[^\s']+", re.IGNORECASE)


def redacted(text: str) -> str:
    """Quote a value: on one line, not too long, and without what may be an API key."""
    masked = _KEY.sub("***", _KEY_WITH_PREFIX.sub("***", text))
    return repr(masked if len(masked) <= 80 else masked[:77] + "...")


class Location(NamedTuple):
    """Where a value was written; ``written`` is the text of a plain scalar, before it was read.

    It is a tuple, as there is one for each key and value of thousands of files.
    """

    file: str
    line: int = 0
    column: int = 0
    path: str = ""
    written: str = ""

    def seen_from(self, other: Location) -> str:
        """Return this place in words, for a mistake at another place."""
        file = "" if self.file == other.file else f" in {self.file}"
        return f"{file} on line {self.line}" if self.line else file

    def mistake(self, message: str) -> Mistake:
        """Return the mistake at this place.

        The message is redacted: an API key may have been pasted anywhere.
        """
        path, message = (_KEY.sub("***", text) for text in (self.path, message))
        return Mistake(self.file, self.line, self.column, path, message)


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
        """Add a key and, unless it was a mistake, its value."""
        self.key_locations[key] = key_location
        if value is not None:
            self[key] = value
            self.value_locations[key] = value_location

    def has_key(self, key: str) -> bool:
        """Return whether the key was written, even if its value was a mistake."""
        return key in self.key_locations

    def location_of(self, key: str) -> Location:
        """Return where the value of a key was written, else where the mapping was."""
        return self.value_locations.get(key, self.location)

    def mapping(self, key: str) -> YamlMapping:
        """Return the mapping under a key; an empty one where there is none."""
        value = self.get(key)
        return value if isinstance(value, YamlMapping) else YamlMapping(self.location_of(key))

    def sequence(self, key: str) -> YamlSequence:
        """Return the sequence under a key; an empty one where there is none."""
        value = self.get(key)
        return value if isinstance(value, YamlSequence) else YamlSequence(self.location_of(key))

    def over(self, base: YamlMapping, keys: Collection[str] | None = None) -> YamlMapping:
        """Return this mapping with the keys that it lacks from another one, each with its location.

        ``keys`` are those that may be copied, None for all.
        """
        merged = YamlMapping(self.location)
        for mapping in (self, base):
            for key, key_location in mapping.key_locations.items():
                if not merged.has_key(key) and (mapping is self or keys is None or key in keys):
                    value_location = mapping.value_locations.get(key, key_location)
                    merged.add(key, key_location, mapping.get(key), value_location)
        return merged


class YamlSequence(list["Value"]):
    """A sequence, with the place of each item; incomplete if some were mistakes."""

    def __init__(self, location: Location) -> None:
        super().__init__()
        self.location = location
        self.item_locations: list[Location] = []
        self.incomplete = False

    def add(self, value: Value | None, value_location: Location) -> None:
        """Add an item, unless it was a mistake."""
        if value is None:
            self.incomplete = True
        else:
            self.append(value)
            self.item_locations.append(value_location)

    def mappings(self) -> Iterator[YamlMapping]:
        """Iterate over the items that are mappings."""
        return (item for item in self if isinstance(item, YamlMapping))


Value: TypeAlias = str | int | float | bool | YamlMapping | YamlSequence
Path: TypeAlias = tuple[str | int, ...]


class Document:
    """A tree of values and the mistakes found in it so far."""

    def __init__(self, root: YamlMapping, mistakes: list[Mistake]) -> None:
        self.root = root
        self.mistakes = mistakes

    def find(self, path: Path) -> tuple[Value, Location]:
        """Return the value at a path and its location, or of the nearest one around it."""
        value, location = cast("Value", self.root), self.root.location
        for step in path:
            if isinstance(value, YamlMapping) and isinstance(step, str) and step in value:
                location, value = value.value_locations[step], value[step]
            elif isinstance(value, YamlSequence) and isinstance(step, int) and step < len(value):
                location, value = value.item_locations[step], value[step]
            else:
                break
        return value, location

    def key_location(self, path: Path) -> Location:
        """Return where the key at a path was written."""
        mapping, location = self.find(path[:-1])
        return (
            mapping.key_locations[str(path[-1])] if isinstance(mapping, YamlMapping) else location
        )

    def add_mistake(self, location: Location, message: str) -> None:
        """Record a mistake."""
        self.mistakes.append(location.mistake(message))

    def raise_mistakes(self) -> None:
        """Raise the recorded mistakes, if any; one that an alias repeats is raised once."""
        if self.mistakes:
            raise ConfigurationError(list(dict.fromkeys(self.mistakes)))
