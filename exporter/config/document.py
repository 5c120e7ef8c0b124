"""YAML as a tree of values with their places.

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

from exporter.config.tree import Document, Items, Place, Section, Value, shown
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
        mistake = Place(str(path)).mistake(f"cannot be read: {error.strerror}")
        raise ConfigurationError([mistake]) from None
    events = yaml.parse(_decode(str(path), data), Loader=_LOADER)
    builder = _Builder(str(path), events, expected)
    try:
        root = builder.build()
    except yaml.MarkedYAMLError as error:
        raise ConfigurationError([*builder.mistakes, _syntax(str(path), error)]) from None
    if not isinstance(root, Section):
        if not builder.mistakes:
            message = f"found no mapping, expected the key {expected} and others"
            builder.mistakes.append(Place(str(path), 1, 1).mistake(message))
        raise ConfigurationError(builder.mistakes)
    return Document(root, builder.mistakes)


def _decode(file: str, data: bytes) -> str:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = _after(file, error.object[: error.start].decode("utf-8-sig"))
        byte = error.object[error.start]
        message = f"found the byte 0x{byte:02x}, which is not UTF-8; save the file as UTF-8"
        raise ConfigurationError([place.mistake(message)]) from None
    if bad := _UNPRINTABLE.search(text):
        message = f"found the control character {bad.group()!r}, expected text"
        raise ConfigurationError([_after(file, text[: bad.start()]).mistake(message)])
    return text


def _after(file: str, before: str) -> Place:
    return Place(file, before.count("\n") + 1, len(before) - before.rfind("\n"))


def _syntax(file: str, error: yaml.MarkedYAMLError) -> Mistake:
    mark = error.problem_mark or error.context_mark
    place = Place(file, mark.line + 1, mark.column + 1) if mark else Place(file, 1, 1)
    told = ", ".join(filter(None, (error.context, error.problem)))
    hint = next((f" ({hint})" for word, hint in _HINTS.items() if word in told), "")
    return place.mistake(f"is not YAML: {told}{hint}")


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
            self._give_up(Place(self._file, 1, 1), message)
        root = self._value(next(self._events), "", 0)
        next(self._events)  # the document's end
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            message = "found a second YAML document, expected one in a file"
            self._refuse(self._place(event, ""), message)
        return root

    def _place(self, event: yaml.Event, path: str) -> Place:
        mark = cast("yaml.Mark", event.start_mark)
        written = event.value if isinstance(event, yaml.ScalarEvent) and _is_plain(event) else ""
        return Place(self._file, mark.line + 1, mark.column + 1, path, written)

    def _refuse(self, place: Place, message: str) -> None:
        self.mistakes.append(place.mistake(message))

    def _give_up(self, place: Place, message: str) -> NoReturn:
        raise ConfigurationError([*self.mistakes, place.mistake(message)])

    def _value(self, event: yaml.Event, path: str, depth: int) -> Value | None:
        """Return a value; None for one that is missing or a mistake, which is then noted."""
        place = self._place(event, path)
        if depth > _DEEPEST:
            self._give_up(place, f"nested more than {_DEEPEST} levels deep, expected far fewer")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(str(event.anchor), place)
        size, self._size = self._size, self._size + 1
        value: Value | None
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event)
            if value is None:
                message = "found nothing, expected a value; fill it in or take the line out"
                self._refuse(place, message)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(place, depth)
        else:
            value = self._mapping(place, depth)
        node = cast("yaml.NodeEvent", event)
        tag = getattr(node, "tag", None)
        if tag not in {None, "!", "tag:yaml.org,2002:str"}:
            self._refuse(place, f"found the YAML tag {shown(tag)}, expected a value without a tag")
            value = None
        if node.anchor:
            self._anchors[node.anchor] = (value, self._size - size)
        return value

    def _alias(self, anchor: str, place: Place) -> Value | None:
        if anchor not in self._anchors:
            self._refuse(place, f"found the alias *{anchor}, but no anchor &{anchor} before it")
            return None
        value, size = self._anchors[anchor]
        self._size += size
        self._aliased += size
        if self._aliased > _MOST_ALIASED:
            self._give_up(place, f"aliases unfold to more than {_MOST_ALIASED} values")
        return value

    def _sequence(self, place: Place, depth: int) -> Items:
        items = Items(place)
        index = 0
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            path = f"{place.path}[{index}]"
            items.add(self._value(event, path, depth + 1), self._place(event, path))
            index += 1
        return items

    def _mapping(self, place: Place, depth: int) -> Section:
        section = Section(place)
        bases: list[tuple[Value | None, Place]] = []
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event, place, depth)
            key_at = self._place(event, _join(place.path, key or ""))
            event = next(self._events)
            value_at = self._place(event, key_at.path)
            value = self._value(event, key_at.path, depth + 1)
            if key == "<<":
                bases.append((value, value_at))
            elif key is not None and key in section.keys_at:
                line = section.keys_at[key].line
                self._refuse(key_at, f"the key is already on line {line}, expected it once")
            elif key is not None:
                section.add(key, key_at, value, value_at)
        for base, base_at in bases:
            self._merge(section, base, base_at)
        return section

    def _key(self, event: yaml.Event, place: Place, depth: int) -> str | None:
        if not isinstance(event, yaml.ScalarEvent):
            self._value(event, place.path, depth + 1)
            self._refuse(self._place(event, place.path), "found a key that is no text")
            return None
        key = _scalar(event)
        if not isinstance(key, str):
            message = f'found the key {event.value}, expected text (quote it: "{event.value}")'
            self._refuse(self._place(event, place.path), message)
            return None
        return key

    def _merge(self, section: Section, base: Value | None, place: Place) -> None:
        """Take over what a merge key (``<<``) names and the mapping does not set itself."""
        for mapping in base if isinstance(base, Items) else [base]:
            if isinstance(mapping, Section):
                for key, key_at in mapping.keys_at.items():
                    if key not in section.keys_at:
                        value_at = mapping.values_at.get(key, key_at)
                        section.add(key, key_at, mapping.get(key), value_at)
            elif mapping is not None:
                self._refuse(place, "found no mapping to merge, expected an alias of one")


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
    name = key if re.fullmatch(r"[\w<-]{1,40}", key) else shown(key)
    return f"{path}.{name}" if path else name
