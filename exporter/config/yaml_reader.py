"""Read YAML into a tree of values with their locations.

Scalars are those of YAML 1.2, as editors and the JSON Schema read them: ``no`` and ``9:30`` are
text, ``012`` is twelve. The tree is built from the parser's events, not from its nodes, in order to
see duplicate keys, limit what aliases expand to, and survive endless nesting.
"""

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, cast

import yaml

from exporter.config.yaml_tree import (
    Document,
    Location,
    Value,
    YamlMapping,
    YamlSequence,
    redacted,
)
from exporter.errors import ConfigurationError, Mistake
from exporter.files import read_file
from exporter.text import path_text

_DEEPEST = 32
_MOST_ALIASED = 100_000

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUES = frozenset({"true", "True", "TRUE"})
_FALSES = frozenset({"false", "False", "FALSE"})
#: What a scalar other than text can begin with.
_NOT_TEXT = frozenset("+-.0123456789~nNtTfF")
_INTEGER = re.compile(r"[-+]?[0-9]{1,30}")
_HEX_OR_OCTAL = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
#: Where libyaml begins a new line.
_LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TEXT_TAGS = frozenset({None, "!", "tag:yaml.org,2002:str"})

_HINTS = {
    "cannot start any token": "quote text that begins with @, ` or %",
    "mapping values are not allowed": "indent evenly; quote text that holds ': '",
    "flow": "close what [ or { begins; quote text that begins with one",
}


def read_yaml(path: Path, expected: str, *, may_be_empty: bool = False) -> Document:
    """Read a YAML file into a tree; ``expected`` names its first keys, for messages.

    Raises:
        ConfigurationError: it cannot be read, is not YAML or has no mapping.
    """
    file = path_text(path)
    try:
        data = read_file(path)
    except OSError as error:
        mistake = Location(file).mistake(f"cannot be read: {error.strerror}")
        raise ConfigurationError([mistake]) from None
    text = _decode(file, data)
    loader = _LOADER(text)
    reader = _Reader(file, loader.get_event)
    try:
        root = reader.read()
    except yaml.MarkedYAMLError as error:
        raise ConfigurationError([*reader.mistakes, _syntax_mistake(file, text, error)]) from None
    finally:
        loader.dispose()
    top = Location(file, 1, 1)
    if root is None and may_be_empty and not reader.mistakes:
        root = YamlMapping(top)
    if isinstance(root, YamlMapping):
        return Document(root, reader.mistakes)
    if root is None:
        message = f"the file is empty, expected {expected}"
    else:
        message = f"found no mapping, expected the key {expected} and others"
    raise ConfigurationError(reader.mistakes or [top.mistake(message)])


def _decode(file: str, data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        location = _end_of(file, error.object[: error.start].decode("utf-8-sig"))
        byte = error.object[error.start]
        message = f"found the byte 0x{byte:02x}, which is not UTF-8; save the file as UTF-8"
        raise ConfigurationError([location.mistake(message)]) from None
    if bad := _UNPRINTABLE.search(text):
        message = f"found the control character {bad.group()!r}, expected text"
        raise ConfigurationError([_end_of(file, text[: bad.start()]).mistake(message)])
    return text


def _end_of(file: str, text: str) -> Location:
    lines = _LINE_BREAK.split(text)
    return Location(file, len(lines), len(lines[-1]) + 1)


def _syntax_mistake(file: str, text: str, error: yaml.MarkedYAMLError) -> Mistake:
    mark = cast("yaml.Mark", error.problem_mark or error.context_mark)
    # libyaml counts a line end that the last line lacks.
    line = [*_LINE_BREAK.split(text), ""][mark.line]
    # An error from a tab in the indentation is reported after the tab.
    tab = line.find("\t")
    if 0 <= tab <= mark.column and not line[:tab].strip(" -"):
        return Location(file, mark.line + 1, tab + 1).mistake("found a tab; indent with spaces")
    words = ", ".join(filter(None, (error.context, error.problem)))
    hint = next((f" ({hint})" for word, hint in _HINTS.items() if word in words), "")
    return Location(file, mark.line + 1, mark.column + 1).mistake(f"is not YAML: {words}{hint}")


class _Reader:
    """Make a tree of a parser's events."""

    def __init__(self, file: str, next_event: Callable[[], yaml.Event]) -> None:
        self.mistakes: list[Mistake] = []
        self._file = file
        self._next = next_event
        self._anchors: dict[str, tuple[Value | None, int]] = {}
        self._size = 0
        self._aliased = 0

    def read(self) -> Value | None:
        """Return the root of the document; None if there is none, or if it is a mistake."""
        self._next()  # the stream's start
        if isinstance(self._next(), yaml.StreamEndEvent):
            return None
        event = self._next()
        is_empty = isinstance(event, yaml.ScalarEvent) and _scalar(event) is None
        root = None if is_empty else self._value(event, self._location(event, ""), 0)
        self._next()  # the document's end
        event = self._next()
        if not isinstance(event, yaml.StreamEndEvent):
            message = "found a second YAML document, expected one in a file"
            self._add_mistake(self._location(event, ""), message)
        return root

    def _location(self, event: yaml.Event, path: str) -> Location:
        mark = cast("yaml.Mark", event.start_mark)
        plain = isinstance(event, yaml.ScalarEvent) and not event.style
        written = cast("yaml.ScalarEvent", event).value if plain else ""
        return Location(self._file, mark.line + 1, mark.column + 1, path, written)

    def _add_mistake(self, location: Location, message: str) -> None:
        self.mistakes.append(location.mistake(message))

    def _give_up(self, location: Location, message: str) -> NoReturn:
        raise ConfigurationError([*self.mistakes, location.mistake(message)])

    def _value(self, event: yaml.Event, location: Location, depth: int) -> Value | None:
        """Return a value; None for one that is missing or a mistake, which is then recorded."""
        if depth > _DEEPEST:
            self._give_up(location, f"nested more than {_DEEPEST} levels deep, expected fewer")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(str(event.anchor), location)
        size, self._size = self._size, self._size + 1
        value: Value | None
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event)
            if value is None:
                message = "found nothing, expected a value; fill it in or remove the line"
                self._add_mistake(location, message)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(location, depth)
        else:
            value = self._mapping(location, depth)
        node = cast("yaml.NodeEvent", event)
        if (tag := getattr(node, "tag", None)) not in _TEXT_TAGS:
            message = f"found the YAML tag {redacted(str(tag))}, expected a value without a tag"
            self._add_mistake(location, message)
            value = None
        if node.anchor:
            self._anchors[node.anchor] = (value, self._size - size)
        return value

    def _alias(self, anchor: str, location: Location) -> Value | None:
        if anchor not in self._anchors:
            message = (
                f"found the alias {redacted(anchor)}, expected an anchor of that name before it"
            )
            self._add_mistake(location, message)
            return None
        value, size = self._anchors[anchor]
        self._size += size
        self._aliased += size
        if self._aliased > _MOST_ALIASED:
            self._give_up(
                location, f"aliases expand to more than {_MOST_ALIASED} values, expected fewer"
            )
        return value

    def _sequence(self, location: Location, depth: int) -> YamlSequence:
        sequence = YamlSequence(location)
        index = 0
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            item_location = self._location(event, f"{location.path}[{index}]")
            sequence.add(self._value(event, item_location, depth + 1), item_location)
            index += 1
        return sequence

    def _mapping(self, location: Location, depth: int) -> YamlMapping:
        mapping = YamlMapping(location)
        bases: list[tuple[Value | None, Location]] = []
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._key(event, location, depth)
            key_location = self._location(event, _join(location.path, key or ""))
            event = self._next()
            value_location = self._location(event, key_location.path)
            value = self._value(event, value_location, depth + 1)
            if key == "<<":
                bases.append((value, value_location))
            elif key is not None and mapping.has_key(key):
                line = mapping.key_locations[key].line
                message = f"the key is already on line {line}, expected it once"
                self._add_mistake(key_location, message)
            elif key is not None:
                mapping.add(key, key_location, value, value_location)
        for base, base_location in bases:
            mapping = self._merged(mapping, base, base_location)
        return mapping

    def _key(self, event: yaml.Event, location: Location, depth: int) -> str | None:
        if not isinstance(event, yaml.ScalarEvent):
            self._value(event, self._location(event, location.path), depth + 1)
            self._add_mistake(self._location(event, location.path), "found a key that is not text")
            return None
        key = _scalar(event)
        if not isinstance(key, str):
            written = redacted(event.value)[1:-1]
            message = f'found the key {written}, expected text (quote it: "{written}")'
            self._add_mistake(self._location(event, location.path), message)
            return None
        return key

    def _merged(self, mapping: YamlMapping, base: Value | None, location: Location) -> YamlMapping:
        """Copy the keys of a merge key (``<<``) that the mapping does not set itself."""
        for item in base if isinstance(base, YamlSequence) else [base]:
            if isinstance(item, YamlMapping):
                mapping = mapping.over(item)
            elif item is not None:
                self._add_mistake(location, "found no mapping to merge, expected an alias of one")
        return mapping


def _scalar(event: yaml.ScalarEvent) -> Value | None:
    """Read a scalar as YAML 1.2's core schema does; None for null."""
    text = event.value
    value: Value | None = text
    if event.tag is not None or event.style or (text and text[0] not in _NOT_TEXT):
        pass
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
    return value


def _join(path: str, key: str) -> str:
    return f"{path}.{_as_step(key)}" if path else _as_step(key)


@functools.lru_cache(maxsize=1024)
def _as_step(key: str) -> str:
    return key if re.fullmatch(r"[\w<-]{1,40}", key) else redacted(key)
