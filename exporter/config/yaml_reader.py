"""YAML as a tree of values with their locations.

The words are those of YAML 1.2, as editors and the JSON Schema read them: ``no`` and ``9:30`` are
text, ``012`` is twelve. The tree is built from the parser's events, not from its nodes: that sees
keys written twice, bounds what aliases unfold to, and survives a nesting without end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NoReturn, cast

import yaml

from exporter.config.yaml_tree import Document, Location, Value, YamlMapping, YamlSequence, redacted
from exporter.errors import ConfigurationError, Mistake

__all__ = ["read"]

_DEEPEST: Final = 32
_MOST_ALIASED: Final = 100_000

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUES: Final = frozenset({"true", "True", "TRUE"})
_FALSES: Final = frozenset({"false", "False", "FALSE"})
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,30}")
_HEX_OR_OCTAL: Final = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_UNPRINTABLE: Final = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)

_HINTS: Final = {
    "tab ": "indent with spaces, not with tabs",
    "cannot start any token": "indent with spaces; quote text that begins with @, ` or %",
    "mapping values are not allowed": "indent evenly; quote text that holds ': '",
    "flow": "close what [ or { begins; quote text that begins with one",
}


def read(path: Path, expected: str = "'accounts'") -> Document:
    """Read a YAML file into a tree; ``expected`` names its first keys for who wrote none.

    Raises:
        ConfigurationError: it cannot be read, is no YAML or holds no mapping.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        mistake = Location(str(path)).mistake(f"cannot be read: {error.strerror}")
        raise ConfigurationError([mistake]) from None
    events = yaml.parse(_decode(str(path), data), Loader=_LOADER)
    builder = _Builder(str(path), events, expected)
    try:
        root = builder.build()
    except yaml.MarkedYAMLError as error:
        raise ConfigurationError([*builder.mistakes, _syntax(str(path), error)]) from None
    if not isinstance(root, YamlMapping):
        if not builder.mistakes:
            message = f"found no mapping, expected the key {expected} and others"
            builder.mistakes.append(Location(str(path), 1, 1).mistake(message))
        raise ConfigurationError(builder.mistakes)
    return Document(root, builder.mistakes)


def _decode(file: str, data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        location = _after(file, error.object[: error.start].decode("utf-8-sig"))
        byte = error.object[error.start]
        message = f"found the byte 0x{byte:02x}, which is not UTF-8; save the file as UTF-8"
        raise ConfigurationError([location.mistake(message)]) from None
    if bad := _UNPRINTABLE.search(text):
        message = f"found the control character {bad.group()!r}, expected text"
        raise ConfigurationError([_after(file, text[: bad.start()]).mistake(message)])
    return text


def _after(file: str, before: str) -> Location:
    return Location(file, before.count("\n") + 1, len(before) - before.rfind("\n"))


def _syntax(file: str, error: yaml.MarkedYAMLError) -> Mistake:
    mark = error.problem_mark or error.context_mark
    location = Location(file, mark.line + 1, mark.column + 1) if mark else Location(file, 1, 1)
    told = ", ".join(filter(None, (error.context, error.problem)))
    hint = next((f" ({hint})" for word, hint in _HINTS.items() if word in told), "")
    return location.mistake(f"is not YAML: {told}{hint}")


class _Builder:
    """Make a tree of a parser's events."""

    def __init__(self, file: str, events: Iterator[yaml.Event], expected: str) -> None:
        self.mistakes: list[Mistake] = []
        self._expected = expected
        self._file = file
        self._events = events
        self._anchors: dict[str, tuple[Value | None, int]] = {}
        self._size = 0
        self._aliased = 0

    def build(self) -> Value | None:
        """Return the root, or None if it is missing or a mistake."""
        next(self._events)  # the stream's start
        event = next(self._events)
        if isinstance(event, yaml.StreamEndEvent):
            message = f"the file is empty, expected {self._expected}"
            self._give_up(Location(self._file, 1, 1), message)
        root = self._value(next(self._events), "", 0)
        next(self._events)  # the document's end
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            message = "found a second YAML document, expected one in a file"
            self._add_mistake(self._location(event, ""), message)
        return root

    def _location(self, event: yaml.Event, path: str) -> Location:
        mark = cast("yaml.Mark", event.start_mark)
        written = event.value if isinstance(event, yaml.ScalarEvent) and _is_plain(event) else ""
        return Location(self._file, mark.line + 1, mark.column + 1, path, written)

    def _add_mistake(self, location: Location, message: str) -> None:
        self.mistakes.append(location.mistake(message))

    def _give_up(self, location: Location, message: str) -> NoReturn:
        raise ConfigurationError([*self.mistakes, location.mistake(message)])

    def _value(self, event: yaml.Event, path: str, depth: int) -> Value | None:
        """Return a value; None for one that is missing or a mistake, which is then noted."""
        location = self._location(event, path)
        if depth > _DEEPEST:
            self._give_up(location, f"nested more than {_DEEPEST} levels deep, expected far fewer")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(str(event.anchor), location)
        size, self._size = self._size, self._size + 1
        value: Value | None
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event)
            if value is None:
                message = "found nothing, expected a value; fill it in or take the line out"
                self._add_mistake(location, message)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(location, depth)
        else:
            value = self._mapping(location, depth)
        node = cast("yaml.NodeEvent", event)
        tag = getattr(node, "tag", None)
        if tag not in {None, "!", "tag:yaml.org,2002:str"}:
            self._add_mistake(
                location, f"found the YAML tag {redacted(tag)}, expected a value without a tag"
            )
            value = None
        if node.anchor:
            self._anchors[node.anchor] = (value, self._size - size)
        return value

    def _alias(self, anchor: str, location: Location) -> Value | None:
        if anchor not in self._anchors:
            self._add_mistake(
                location, f"found the alias *{anchor}, but no anchor &{anchor} before it"
            )
            return None
        value, size = self._anchors[anchor]
        self._size += size
        self._aliased += size
        if self._aliased > _MOST_ALIASED:
            self._give_up(location, f"aliases unfold to more than {_MOST_ALIASED} values")
        return value

    def _sequence(self, location: Location, depth: int) -> YamlSequence:
        items = YamlSequence(location)
        index = 0
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            path = f"{location.path}[{index}]"
            items.add(self._value(event, path, depth + 1), self._location(event, path))
            index += 1
        return items

    def _mapping(self, location: Location, depth: int) -> YamlMapping:
        section = YamlMapping(location)
        bases: list[tuple[Value | None, Location]] = []
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event, location, depth)
            key_location = self._location(event, _join(location.path, key or ""))
            event = next(self._events)
            value_location = self._location(event, key_location.path)
            value = self._value(event, key_location.path, depth + 1)
            if key == "<<":
                bases.append((value, value_location))
            elif key is not None and key in section.key_locations:
                line = section.key_locations[key].line
                self._add_mistake(
                    key_location, f"the key is already on line {line}, expected it once"
                )
            elif key is not None:
                section.add(key, key_location, value, value_location)
        for base, base_location in bases:
            self._merge(section, base, base_location)
        return section

    def _key(self, event: yaml.Event, location: Location, depth: int) -> str | None:
        if not isinstance(event, yaml.ScalarEvent):
            self._value(event, location.path, depth + 1)
            self._add_mistake(self._location(event, location.path), "found a key that is no text")
            return None
        key = _scalar(event)
        if not isinstance(key, str):
            message = f'found the key {event.value}, expected text (quote it: "{event.value}")'
            self._add_mistake(self._location(event, location.path), message)
            return None
        return key

    def _merge(self, section: YamlMapping, base: Value | None, location: Location) -> None:
        """Take over what a merge key (``<<``) names and the mapping does not set itself."""
        for mapping in base if isinstance(base, YamlSequence) else [base]:
            if isinstance(mapping, YamlMapping):
                for key, key_location in mapping.key_locations.items():
                    if key not in section.key_locations:
                        value_location = mapping.value_locations.get(key, key_location)
                        section.add(key, key_location, mapping.get(key), value_location)
            elif mapping is not None:
                self._add_mistake(location, "found no mapping to merge, expected an alias of one")


def _is_plain(event: yaml.ScalarEvent) -> bool:
    return event.style in {None, ""}


def _scalar(event: yaml.ScalarEvent) -> Value | None:
    """Read a scalar as YAML 1.2's core schema does; None for null."""
    text = event.value
    value: Value | None
    if event.tag is not None or not _is_plain(event):
        value = text
    elif text in _NULLS:
        value = None
    elif text in _TRUES or text in _FALSES:
        value = text in _TRUES
    elif _INTEGER.fullmatch(text):
        value = int(text)
    elif _HEX_OR_OCTAL.fullmatch(text):
        value = int(text, 0)
    elif _FLOAT.fullmatch(text):
        value = float(text)
    elif _NOT_FINITE.fullmatch(text):
        value = float(text.replace(".", ""))
    else:
        value = text
    return value


def _join(path: str, key: str) -> str:
    name = key if re.fullmatch(r"[\w<-]{1,40}", key) else redacted(key)
    return f"{path}.{name}" if path else name
