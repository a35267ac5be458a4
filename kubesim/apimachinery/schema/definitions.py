"""Compile the published OpenAPI definitions of one Kubernetes version into the tables of `shapes`.

The definitions come from the package kubernetes-validate, read as data. What they leave out and the API
server's behaviour needs (Go's field order, its type names, `omitempty`, enumerations) stands in
`go_facts.json` beside this module, extracted from the sources of k8s.io/api and k8s.io/apimachinery by
`tools/go_facts.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kubesim.apimachinery.schema import shapes
from kubesim.apimachinery.schema.published import META, Published, referred, type_of
from kubesim.apimachinery.schema.shapes import Definition, Field
from kubesim.util.jsontypes import JSONObject

# Definitions whose Go types read and write JSON themselves.
SPECIAL = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": shapes.QUANTITY,
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": shapes.INT_OR_STRING,
    "io.k8s.apimachinery.pkg.runtime.RawExtension": shapes.RAW,
    META + "Time": shapes.TIME,
    META + "MicroTime": shapes.MICRO_TIME,
    META + "Duration": shapes.DURATION,
    META + "FieldsV1": shapes.RAW,
    META + "Patch": shapes.RAW,
}

# Go types that the definitions give as plain strings, and whose JSON is checked.
GO_SPECIAL = {"v1.Time": shapes.TIME, "v1.MicroTime": shapes.MICRO_TIME, "v1.Duration": shapes.DURATION}

_SCALARS = {
    ("string", None): shapes.STRING,
    ("string", "byte"): shapes.BYTES,
    ("string", "date-time"): shapes.TIME,
    ("integer", "int32"): shapes.INT32,
    ("integer", "int64"): shapes.INT64,
    ("integer", None): shapes.INT64,
    ("boolean", None): shapes.BOOL,
    ("number", "double"): shapes.FLOAT,
    ("number", None): shapes.FLOAT,
}


def compile_definitions(path: Path, minor: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The hot table (decoding, patching) and the cold one (texts, Go's type names) of a
    `_definitions.json`.
    """
    return _Compiler(Published(path, minor)).tables()


class _Compiler:
    def __init__(self, published: Published) -> None:
        self._published = published
        self._found = found = published.definitions
        self._names = sorted(found)
        self._positions = {name: at for at, name in enumerate(self._names)}
        self._types = {name: published.go_types(name) for name in self._names}
        self._shared: dict[Any, Any] = {}

    def tables(self) -> tuple[dict[str, Any], dict[str, Any]]:
        definitions = [self._definition(name) for name in self._names]
        zeros = _Zeros(definitions)
        hot = {
            "names": self._names,
            "definitions": [
                {field: self._share(zeros.complete(value)) for field, value in fields.items()}
                for fields in definitions
            ],
            "maps": {
                at: self._found[name]["x-kubernetes-map-type"]
                for at, name in enumerate(self._names)
                if "x-kubernetes-map-type" in self._found[name]
            },
            "kinds": self._kinds(),
        }
        cold = {
            "types": {n: t for n, t in self._types.items() if t},
            "texts": {name: self._texts(name) for name in self._names},
        }
        return hot, cold

    def _share(self, value: Any) -> Any:
        """Equal tuples become one, so that the table is small on disk and in memory."""
        if isinstance(value, tuple):
            value = tuple(self._share(v) for v in value)
            return self._shared.setdefault(repr(value), value)
        return value

    def _kinds(self) -> dict[tuple[str, str, str], int]:
        return {kind: self._positions[name] for kind, name in self._published.by_kind().items()}

    def _definition(self, name: str) -> Definition:
        properties = self._found[name].get("properties") or {}
        types = self._types[name]
        order = [f for f in types if f in properties] + [f for f in sorted(properties) if f not in types]
        made = {field: self._field(properties[field], types.get(field, "")) for field in order}
        if name == META + "ObjectMeta":  # an empty list is how a request resets them
            made["managedFields"] = (*made["managedFields"][:2], shapes.KEEP, *made["managedFields"][3:])
        return made

    def _field(self, schema: JSONObject, go: str = "") -> Field:
        kind, argument = self._shape(schema, go)
        shown, _, options = go.partition("|")
        pointer = shown.startswith("*")
        omit = _omit(kind, shown, options) if go else shapes.KEEP
        zero = None
        if omit == shapes.ALWAYS and not pointer:
            zero = {} if kind == shapes.STRUCT else shapes.ZERO[kind]
        return kind, argument, omit, zero, self._merge(schema)

    def _shape(self, schema: JSONObject, go: str) -> tuple[int, Any]:
        name = referred(schema)
        if name:
            if name in SPECIAL:
                return SPECIAL[name], None
            target = self._found[name]
            if "properties" in target:
                return shapes.STRUCT, self._positions[name]
            kind = type_of(target)
            return _SCALARS.get((kind, target.get("format")), shapes.RAW), None
        kind = type_of(schema)
        if kind == "array":
            return shapes.LIST, self._field(schema["items"])
        if kind == "object":
            values = schema.get("additionalProperties")
            return (shapes.MAP, self._field(values)) if isinstance(values, dict) else (shapes.RAW, None)
        special = GO_SPECIAL.get(go.partition("|")[0].lstrip("*"))
        if special is not None:
            return special, None
        return _SCALARS.get((kind, schema.get("format")), shapes.RAW), None

    def _merge(self, schema: JSONObject) -> shapes.Merge | None:
        strategies = schema.get("x-kubernetes-patch-strategy", "")
        map_type = schema.get("x-kubernetes-map-type", "")
        found = (
            schema.get("x-kubernetes-list-type", ""),
            tuple(schema.get("x-kubernetes-list-map-keys", ())),
            schema.get("x-kubernetes-patch-merge-key", ""),
            tuple(strategies.split(",")) if strategies else (),
            map_type,
        )
        return found if any(found) else None

    def _texts(self, name: str) -> tuple[Any, ...]:
        """`(description, type, required, {field: (description, type tree, enum)})` of a definition, for
        explain.
        """
        definition = self._found[name]
        fields = {}
        for field, schema in sorted((definition.get("properties") or {}).items()):
            go = self._types[name].get(field, "")
            said, values = self._published.described(name, schema, go), self._published.enum(name, go)
            fields[field] = (said, _tree(schema), values)
        return (
            definition.get("description", ""),
            type_of(definition),
            tuple(definition.get("required") or ()),
            fields,
        )


# Types that `omitempty` does not concern: they are structs to Go, whatever their JSON is.
_GO_STRUCTS = (
    shapes.STRUCT,
    shapes.TIME,
    shapes.MICRO_TIME,
    shapes.DURATION,
    shapes.QUANTITY,
    shapes.INT_OR_STRING,
)


def _omit(kind: int, shown: str, options: str) -> int:
    """What Go's encoder does with the zero value of a field, from its type and its tag options."""
    if shown.startswith("*"):
        return shapes.KEEP if options else shapes.ALWAYS
    if "z" in options:
        return shapes.DROP
    if not options or kind in _GO_STRUCTS:
        return shapes.ALWAYS
    if kind == shapes.RAW:
        return shapes.ALWAYS if shown == "runtime.RawExtension" else shapes.KEEP
    return shapes.DROP


def _tree(schema: JSONObject) -> tuple[Any, ...]:
    """What explain needs of a type: ("ref", name), ("array", tree), ("map", tree) or (type,)."""
    if name := referred(schema):
        return "ref", name
    kind = type_of(schema)
    if kind == "array":
        return "array", _tree(schema["items"])
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return "map", _tree(schema["additionalProperties"])
    return (kind,)


class _Zeros:
    """Fills in the zero values of structs: each is the object of its fields that are always written."""

    def __init__(self, definitions: list[Definition]) -> None:
        self._definitions = definitions
        self._found: dict[int, JSONObject] = {}

    def complete(self, field: Field) -> Field:
        kind, argument, omit, zero, merge = field
        if kind in (shapes.LIST, shapes.MAP):
            argument = self.complete(argument)
        elif zero == {}:
            zero = self.of(argument)
        return kind, argument, omit, zero, merge

    def of(self, at: int) -> JSONObject:
        if at not in self._found:
            self._found[at] = {
                name: self.of(argument) if zero == {} else zero
                for name, (_, argument, omit, zero, _) in self._definitions[at].items()
                if omit == shapes.ALWAYS
            }
        return self._found[at]
