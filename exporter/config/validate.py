"""Validation of a tree against a model: the place of each mistake, and what was expected."""

from collections.abc import Iterator
from typing import TypeVar, cast, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from exporter.config.schema import ALL, EveryQueue, Keys, Queue, QueueException
from exporter.config.yaml_tree import (
    Document,
    Location,
    Path,
    Value,
    YamlMapping,
    YamlSequence,
    redacted,
)
from exporter.text import nearest, suggestion

K = TypeVar("K", bound=Keys)

#: The end of the path of a key that is wrong itself.
_KEY = "[key]"
_EXPECTED = {
    "string_type": "text",
    "list_type": "a list",
    "dict_type": "a mapping of keys and values",
    "model_type": "a mapping of keys and values",
    "queues.model_type": "the id of a queue, a whole number, or a mapping of its keys",
    "too_short": "at least one",
}


def validate(document: Document, model: type[K]) -> K | None:
    """Return the model of a tree, or None with every mistake recorded in the document."""
    try:
        return model.model_validate(document.root)
    except ValidationError as error:
        for each in error.errors(include_url=False, include_input=False):
            _explain(document, model, each)
    return None


def misspelt(mapping: YamlMapping, model: type[Keys], key: str) -> bool:
    """Return whether the mapping has a misspelt form of this key."""
    known = model.model_fields
    return any(
        nearest(written, known) == key for written in mapping.key_locations if written not in known
    )


def _explain(document: Document, model: type[Keys], error: ErrorDetails) -> None:
    path: Path = error["loc"]
    kind = error["type"]
    value, location = document.find(path)
    if path[-1] == _KEY:
        location, value = document.key_location(path[:-1]), str(path[-2])
    if kind == "missing":
        _explain_missing(document, model, path)
    elif kind == "extra_forbidden":
        document.add_mistake(document.key_location(path), _unknown_key(model, document, path))
    elif kind == "plainly":
        document.add_mistake(location, error["msg"])
    elif kind == "too_short" and isinstance(value, YamlSequence) and value.incomplete:
        return  # what it lacks is reported
    else:
        context = error.get("ctx", {})
        owner = next((step for step in reversed(path) if isinstance(step, str)), "")
        wanted = context.get("what") or _EXPECTED.get(f"{owner}.{kind}") or _EXPECTED[kind]
        hidden = isinstance(value, str) and not model.never_shown.isdisjoint(path[-2:])
        found = "text that is not shown here" if hidden else found_value(value, location)
        hint = _quotes(value, location, context.get("kind", kind))
        document.add_mistake(location, f"found {found}, expected {wanted}{hint}")


def _explain_missing(document: Document, model: type[Keys], path: Path) -> None:
    value, location = document.find(path[:-1])
    mapping, key = cast("YamlMapping", value), str(path[-1])
    # A mistake that follows from another one is not reported.
    if not mapping.has_key(key) and not misspelt(
        mapping, _model_at(model, document, path[:-1]), key
    ):
        document.add_mistake(location, f"has no key '{key}', which is required")


def found_value(value: Value, location: Location) -> str:
    """Return in words what was found."""
    if isinstance(value, YamlMapping):
        return "a mapping"
    if isinstance(value, YamlSequence):
        return "a list" if value else "an empty list"
    if isinstance(value, str):
        return redacted(value)
    kind = "" if isinstance(value, bool) else "the number "
    return kind + redacted(location.written or str(value))[1:-1]


def _quotes(value: Value, location: Location, kind: str) -> str:
    """Return a hint at quotes where YAML reads another type than the one that is meant."""
    if kind == "string_type" and location.written and not isinstance(value, str):
        return f' (quote it: "{redacted(location.written)[1:-1]}")'
    if kind in {"int_type", "model_type"} and isinstance(value, str) and value.isdecimal():
        return " without quotes"
    return ""


def _unknown_key(root: type[Keys], document: Document, path: Path) -> str:
    key = str(path[-1])
    model = _model_at(root, document, path[:-1])
    if key in model.refused:
        return model.refused[key]
    owner = next((owner for owner in _models_in(root) if key in owner.model_fields), None)
    known = model.model_fields
    otherwise = f"it belongs to {owner.called}" if owner else f"expected {', '.join(known)}"
    return f"unknown key, {suggestion(key, known, otherwise)}"


def _model_at(root: type[Keys], document: Document, path: Path) -> type[Keys]:
    """Return the model of the mapping at a path."""
    model = root
    for depth, step in enumerate(path, 1):
        field = model.model_fields.get(str(step))
        if field is not None:
            model = next(_models_of(field.annotation), model)
            value, _ = document.find(path[:depth])
            if model is Queue and isinstance(value, YamlSequence) and ALL in value:
                model = QueueException
    return model


def _models_of(annotation: object) -> Iterator[type[Keys]]:
    """Iterate over the models in a type, such as that of a list."""
    if annotation is EveryQueue:
        yield QueueException
    elif isinstance(annotation, type) and issubclass(annotation, Keys):
        yield annotation
    for part in get_args(annotation):
        yield from _models_of(part)


def _models_in(model: type[Keys]) -> Iterator[type[Keys]]:
    """Iterate over a model and all below it, outermost first."""
    yield model
    for field in model.model_fields.values():
        for below in _models_of(field.annotation):
            yield from _models_in(below)
