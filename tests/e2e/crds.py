"""The definitions of the objects that operators add to Kubernetes, as strict JSON schemas.

They are files of the operators' Go modules, at the versions that `cluster_tools/go.sum` pins.
"""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import kubernetes_validate  # type: ignore[import-untyped]
import yaml

#: Of each group of objects: the module that defines them, and the folder there.
MODULES = {
    "monitoring.coreos.com": (
        "github.com/prometheus-operator/prometheus-operator",
        "example/prometheus-operator-crd",
    ),
    "external-secrets.io": (
        "github.com/external-secrets/external-secrets",
        "config/crds/bases",
    ),
}


def group_of(thing: dict[str, Any]) -> str:
    return str(thing["apiVersion"]).partition("/")[0]


def validate(thing: dict[str, Any], go: str, pins: Path) -> None:
    """Raise jsonschema.ValidationError unless an operator would accept the object.

    Unknown fields are refused too, which the API server would only drop. `pins` is the folder of
    the go.mod that pins the operators' versions.
    """
    group, _, version = thing["apiVersion"].partition("/")
    schema = _schema(group, version, thing["kind"], go, pins)
    jsonschema.Draft202012Validator(schema).validate(thing)
    # The definitions leave metadata to Kubernetes.
    bare = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": thing["metadata"]}
    kubernetes_validate.validate(bare, "1.34", strict=True)


@cache
def _schema(group: str, version: str, kind: str, go: str, pins: Path) -> dict[str, Any]:
    path = _folder(group, go, pins) / f"{group}_{kind.lower()}s.yaml"
    if not path.exists():
        raise jsonschema.ValidationError(f"{group} defines no {kind}")
    spec = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)["spec"]
    assert spec["names"]["kind"] == kind
    for defined in spec["versions"]:
        if defined["name"] == version and defined["served"]:
            schema: dict[str, Any] = _strict(defined["schema"]["openAPIV3Schema"])
            return schema
    raise jsonschema.ValidationError(f"{group} defines no {version} of {kind}")


@cache
def _folder(group: str, go: str, pins: Path) -> Path:
    module, folder = MODULES[group]
    done = subprocess.run(
        [go, "mod", "download", "-json", module],
        cwd=pins,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(json.loads(done.stdout)["Dir"]) / folder


def _strict(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a CRD's schema as plain JSON Schema that refuses unknown fields."""
    strict = dict(schema)
    if "properties" in schema:
        strict["properties"] = {
            name: _strict(value) for name, value in schema["properties"].items()
        }
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            strict.setdefault("additionalProperties", False)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            strict[key] = _strict(schema[key])
    if schema.get("x-kubernetes-int-or-string"):
        strict["type"] = ["integer", "string"]
    if schema.get("nullable") and "type" in schema:
        strict["type"] = [schema["type"], "null"]
    return strict
