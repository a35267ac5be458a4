"""The published definitions of one Kubernetes version as they are, with what the Go sources say beside them.

Read from disk and not kept: who needs them compiles something small out of them, or writes a document, and
lets them go.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from kubesim.util.jsontypes import JSONObject

FACTS = Path(__file__).with_name("go_facts.json")
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
_REFERENCE = "#/$defs/"

# What two types are that the published definitions leave without a description.
_SAID = {
    INT_OR_STRING: "A number (int32) or a string: JSON and YAML hold whichever of the two it is.",
    QUANTITY: (
        "A fixed-point number with an optional suffix: decimal (n, u, m, k, M, G, T, P, E), binary (Ki, Mi,"
        " Gi, Ti, Pi, Ei) or a decimal exponent (e3, E3). It is shown in its canonical form: 0.5 as 500m."
    ),
}


class Published:
    """`definitions` are JSON Schemas by name; references in them go to `#/$defs/NAME`."""

    def __init__(self, path: Path, minor: int) -> None:
        self.definitions: dict[str, JSONObject] = json.loads(path.read_bytes())["$defs"]
        for name, text in _SAID.items():
            if name in self.definitions:
                self.definitions[name].setdefault("description", text)
        self.minor = minor
        self._facts: JSONObject = json.loads(FACTS.read_bytes())

    def go_types(self, name: str) -> dict[str, str]:
        """Field → Go type and options, in Go's order, as they are in this version."""
        text = self._facts["structs"].get(name, "")
        types: dict[str, str] = dict(part.split(":", 1) for part in text.split(" ")) if text else {}
        changes: dict[str, dict[str, str]] = self._facts["changes"].get(name, {})
        known = sorted((int(m) for m in changes), key=lambda m: abs(m - self.minor))
        if self.minor > 36 and known and known[0] == 36:
            return types | changes["36"]  # newer than the newest facts: as the newest
        return types | changes.get(str(self.minor), {})

    def enum(self, name: str, go: str) -> tuple[str, ...]:
        """The values that a field of a definition may have, by its Go type, sorted; none for any."""
        return tuple(sorted(self._enum(name, go)))

    def described(self, name: str, schema: JSONObject, go: str) -> str:
        """The description of a field, with what its values mean."""
        said: str = schema.get("description", "")
        values = self._enum(name, go)
        if not values:
            return said
        lines = sorted(f" - `{json.dumps(v)}` {text}" for v, text in values.items())
        return "\n".join([said, "", "Possible enum values:", *lines])

    def _enum(self, name: str, go: str) -> dict[str, str]:
        shown = go.partition("|")[0].lstrip("*")
        package, _, kind = shown.rpartition(".")
        if not package or shown.startswith("["):
            return {}
        home = name.rsplit(".", 1)[0]
        enums: dict[str, dict[str, str]] = self._facts["enums"]
        for prefix in (home, f"io.k8s.api.core.{package}", META.rstrip(".")):
            if prefix.endswith("." + package) and f"{prefix}.{kind}" in enums:
                return enums[f"{prefix}.{kind}"]
        return {}

    def by_kind(self) -> dict[tuple[str, str, str], str]:
        """The names of the definitions by group, version and kind."""
        return {
            (gvk["group"], gvk["version"], gvk["kind"]): name
            for name, definition in self.definitions.items()
            for gvk in definition.get("x-kubernetes-group-version-kind") or ()
        }


def type_of(schema: JSONObject) -> str:
    """The type of a schema, without the null that the published definitions allow everywhere."""
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((k for k in kind if k != "null"), None)
    return kind or ""


def referred(schema: JSONObject) -> str:
    """The name of the definition that a schema is nothing but a reference to, or nothing."""
    reference: str = schema.get("$ref", "")
    return reference.removeprefix(_REFERENCE)


def references(schema: JSONObject) -> Iterator[str]:
    """The names of all definitions that a definition refers to."""
    if name := referred(schema):
        yield name
    for below in (schema.get("properties") or {}).values():
        yield from references(below)
    for word in ("items", "additionalProperties"):
        below = schema.get(word)
        if isinstance(below, dict):
            yield from references(below)
