"""Hold a tree against the model, and say of each mistake where it is and what was expected."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from exporter.config.schema import Account, File, Keys, Queue, Schedule, Tls, model_at
from exporter.config.yaml_tree import (
    Document,
    Location,
    Path,
    Value,
    YamlMapping,
    YamlSequence,
    redacted,
)
from exporter.text import nearest

__all__ = ["validated"]

_KEY_IN_THE_FILE: Final = (
    "the API key has no place in this file, which others read and copy; "
    "put it into a file or an environment variable and name that: token_file or token_env"
)
_SPECIAL_KEYS: Final = {
    "token": _KEY_IN_THE_FILE,
    "api_key": _KEY_IN_THE_FILE,
    "api_token": _KEY_IN_THE_FILE,
}
_STAND_INS: Final[dict[str | int, Callable[[Location], Value]]] = {
    "name": lambda location: f"unnamed {location.line}:{location.column}",
    "id": lambda location: 2**62 + 2**32 * location.line + location.column,
}
#: The end of the path of a key that is wrong itself.
_KEY: Final = "[key]"
#: What is left out can leave its list too short, and so on up to the root.
_ATTEMPTS: Final = 8
_NEVER_SHOWN: Final = {"token_env", "token_file"}
_OWNERS: Final[dict[str, type[Keys]]] = {
    "an account": Account,
    "a queue": Queue,
    "tls": Tls,
    "a schedule": Schedule,
    "the file": File,
}
_EXPECTED: Final = {
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "a mapping of keys and values",
    "model_type": "a mapping of keys and values",
    "queues.model_type": "the id of a queue, a whole number, or a mapping of its keys",
    "too_short": "at least one",
}


def validated(document: Document) -> File:
    """Return the model of a tree and note every mistake.

    What is wrong is left out of the tree, so that the rest can be checked further in the same run:
    with mistakes noted, the model is only good for finding more of them.
    """
    for attempt in range(_ATTEMPTS):
        try:
            return File.model_validate(document.root)
        except ValidationError as error:
            errors = error.errors(include_url=False)
        if attempt == 0:
            for each in errors:
                _explain(document, each)
        _leave_out(document, errors)
    return File()


def _leave_out(document: Document, errors: list[ErrorDetails]) -> None:
    """Drop what is wrong; put a stand-in where a name or an id is needed."""
    wrong = []
    for error in errors:
        value, location, found = document.find(error["loc"])
        key = error["loc"][-1]
        if key == _KEY:
            wrong.append(found)
        elif error["type"] == "missing" and isinstance(value, YamlMapping) and key in _STAND_INS:
            value.add(str(key), location, _STAND_INS[key](location), location)
        elif found:
            wrong.append(found)
    document.drop(wrong)


def _explain(document: Document, error: ErrorDetails) -> None:
    path: Path = error["loc"]
    kind = error["type"]
    value, location, _ = document.find(path)
    if path[-1] == _KEY:
        location, value = document.key_location(*path[:-1]), str(path[-2])
    if kind == "missing" and document.has_key(*path):
        return  # its value is a mistake
    if kind == "missing":
        document.add_mistake(location, f"has no key '{path[-1]}', which is needed")
    elif kind == "extra_forbidden":
        document.add_mistake(document.key_location(*path), _unknown_key(path))
    elif kind == "plainly":
        document.add_mistake(location, error["msg"])
    elif kind == "too_short" and isinstance(value, YamlSequence) and value.incomplete:
        return  # what it lacks is noted
    else:
        context = error.get("ctx", {})
        owner = next((step for step in reversed(path) if isinstance(step, str)), "")
        wanted = context.get("what") or _EXPECTED.get(f"{owner}.{kind}") or _EXPECTED[kind]
        hidden = isinstance(value, str) and not _NEVER_SHOWN.isdisjoint(path)
        found = "text that is not shown here" if hidden else _found(value, location)
        hint = _quotes(value, location, context.get("kind", kind))
        document.add_mistake(location, f"found {found}, expected {wanted}{hint}")


def _found(value: Value, location: Location) -> str:
    if isinstance(value, YamlMapping):
        return "a mapping"
    if isinstance(value, YamlSequence):
        return "a list" if value else "an empty list"
    if isinstance(value, str):
        return redacted(value)
    kind = "" if isinstance(value, bool) else "the number "
    return kind + redacted(location.written or str(value))[1:-1]


def _quotes(value: Value, location: Location, kind: str) -> str:
    """Hint at quotes where YAML reads another type than the one that was meant."""
    if kind == "string_type" and location.written and not isinstance(value, str):
        return f' (quote it: "{redacted(location.written)[1:-1]}")'
    if kind in {"int_type", "model_type"} and isinstance(value, str) and value.isdecimal():
        return " without quotes"
    return ""


def _unknown_key(path: Path) -> str:
    key = str(path[-1])
    if key in _SPECIAL_KEYS:
        return _SPECIAL_KEYS[key]
    known = list(model_at(path[:-1]).model_fields)
    if near := nearest(key, known):
        return f"unknown key, did you mean '{near}'?"
    owner = next((owner for owner, keys in _OWNERS.items() if key in keys.model_fields), None)
    if owner:
        return f"unknown key here, it is a key of {owner}"
    return f"unknown key, expected {', '.join(known)}"
