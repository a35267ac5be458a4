"""The kustomization file itself: which fields it may have, of which types, and which are old."""

from __future__ import annotations

from typing import Any, Final

from kubesim.cli.kustomize.errors import BuildError
from kubesim.cli.kustomize.loader import Loader
from kubesim.util.jsontypes import JSONObject
from kubesim.util.yamlfmt import YAMLSyntaxError, load

NAMES: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")
KUSTOMIZATION, COMPONENT = "Kustomization", "Component"
VERSIONS: Final = {
    KUSTOMIZATION: "kustomize.config.k8s.io/v1beta1",
    COMPONENT: "kustomize.config.k8s.io/v1alpha1",
}

# Go's types of the fields: a word, a list of one, a table of fields, or STRINGS for a map. As api/types has them.
STRINGS: Final = "map[string]string"
Type = Any
_GVK: dict[str, Type] = {"group": "string", "version": "string", "kind": "string"}
_ID: dict[str, Type] = {**_GVK, "name": "string", "namespace": "string"}
_SELECTOR: dict[str, Type] = {**_ID, "annotationSelector": "string", "labelSelector": "string"}
_FIELD_SPEC: dict[str, Type] = {**_GVK, "path": "string", "create": "bool"}
_OPTIONS: dict[str, Type] = {
    "labels": STRINGS,
    "annotations": STRINGS,
    "disableNameSuffixHash": "bool",
    "immutable": "bool",
}
_CONFIG_MAP: dict[str, Type] = {
    "namespace": "string",
    "name": "string",
    "behavior": "string",
    "literals": ["string"],
    "files": ["string"],
    "envs": ["string"],
    "env": "string",
    "options": _OPTIONS,
}
_PATCH: dict[str, Type] = {
    "path": "string",
    "patch": "string",
    "target": _SELECTOR,
    "options": "map[string]bool",
}
_IMAGE: dict[str, Type] = {
    "name": "string",
    "newName": "string",
    "tagSuffix": "string",
    "newTag": "string",
    "digest": "string",
}
_FIELD_OPTIONS: dict[str, Type] = {
    "delimiter": "string",
    "index": "int",
    "encoding": "string",
    "create": "bool",
}
_REPLACEMENT: dict[str, Type] = {
    "path": "string",
    "source": {**_ID, "fieldPath": "string", "options": _FIELD_OPTIONS},
    "targets": [
        {"select": _SELECTOR, "reject": [_SELECTOR], "fieldPaths": ["string"], "options": _FIELD_OPTIONS}
    ],
}
_VARIABLE: dict[str, Type] = {
    "name": "string",
    "objref": {**_ID, "apiVersion": "string"},
    "fieldref": {"fieldpath": "string"},
}
FIELDS: Final[dict[str, Type]] = {
    "kind": "string",
    "apiVersion": "string",
    "metadata": {"name": "string", "namespace": "string", "labels": STRINGS, "annotations": STRINGS},
    "openapi": STRINGS,
    "namePrefix": "string",
    "nameSuffix": "string",
    "namespace": "string",
    "commonLabels": STRINGS,
    "labels": [
        {"pairs": STRINGS, "includeSelectors": "bool", "includeTemplates": "bool", "fields": [_FIELD_SPEC]}
    ],
    "commonAnnotations": STRINGS,
    "patchesStrategicMerge": ["string"],
    "patchesJson6902": [_PATCH],
    "patches": [_PATCH],
    "images": [_IMAGE],
    "imageTags": [_IMAGE],
    "replacements": [_REPLACEMENT],
    "replicas": [{"name": "string", "count": "int64"}],
    "vars": [_VARIABLE],
    "sortOptions": {
        "order": "string",
        "legacySortOptions": {"orderFirst": ["string"], "orderLast": ["string"]},
    },
    "resources": ["string"],
    "components": ["string"],
    "crds": ["string"],
    "bases": ["string"],
    "configMapGenerator": [_CONFIG_MAP],
    "secretGenerator": [{**_CONFIG_MAP, "type": "string"}],
    "helmGlobals": "any",
    "helmCharts": ["any"],
    "helmChartInflationGenerator": ["any"],
    "generatorOptions": _OPTIONS,
    "configurations": ["string"],
    "generators": ["string"],
    "transformers": ["string"],
    "validators": ["string"],
    "buildMetadata": ["string"],
}
# Names of Go's types where an object is wanted.
_GO_NAMES: Final = {
    "patches": "types.Patch",
    "patchesJson6902": "types.Patch",
    "images": "types.Image",
    "imageTags": "types.Image",
    "labels": "types.Label",
    "configMapGenerator": "types.ConfigMapArgs",
    "secretGenerator": "types.SecretArgs",
    "replicas": "types.Replica",
    "replacements": "types.ReplacementField",
    "vars": "types.Var",
    "target": "types.Selector",
    "generatorOptions": "types.GeneratorOptions",
    "options": "types.GeneratorOptions",
    "sortOptions": "types.SortOptions",
    "legacySortOptions": "types.LegacySortOptions",
    "fields": "types.FieldSpec",
    "source": "types.SourceSelector",
    "targets": "types.TargetSelector",
    "metadata": "types.ObjectMeta",
}
_MOVED: Final = (
    ("bases", "resources"),
    ("imageTags", "images"),
    ("helmChartInflationGenerator", "helmCharts"),
)
_EDIT_FIX: Final = "Run 'kustomize edit fix' to update your Kustomization automatically."
_DEPRECATED: Final = {
    "bases": f"# Warning: 'bases' is deprecated. Please use 'resources' instead. {_EDIT_FIX}",
    "commonLabels": f"# Warning: 'commonLabels' is deprecated. Please use 'labels' instead. {_EDIT_FIX}",
    "imageTags": f"# Warning: 'imageTags' is deprecated. Please use 'images' instead. {_EDIT_FIX}",
    "patchesJson6902": f"# Warning: 'patchesJson6902' is deprecated. Please use 'patches' instead. {_EDIT_FIX}",
    "patchesStrategicMerge": (
        f"# Warning: 'patchesStrategicMerge' is deprecated. Please use 'patches' instead. {_EDIT_FIX}"
    ),
    "vars": (
        f"# Warning: 'vars' is deprecated. Please use 'replacements' instead. [EXPERIMENTAL] {_EDIT_FIX}"
    ),
}


def read_kustomization(loader: Loader) -> tuple[JSONObject, list[str]]:
    """The kustomization of a directory, old fields moved to their new places, and warnings about them.

    Raises BuildError: none, several, empty, or not of the right form.
    """
    data: list[bytes] = []
    for name in NAMES:
        try:
            data.append(loader.load(name))
        except BuildError:
            # Missing: one of the other names will do.
            continue
    if not data:
        raise BuildError(
            "unable to find one of 'kustomization.yaml', 'kustomization.yml' or 'Kustomization' "
            f"in directory '{loader.root}'"
        )
    if len(data) > 1:
        raise BuildError(f"Found multiple kustomization files under: {loader.root}")
    try:
        value = load(data[0])
    except YAMLSyntaxError as error:
        text = str(error).removeprefix("error converting YAML to JSON: ")
        raise BuildError(f"invalid Kustomization: {text}") from None
    found = _checked(value)
    warnings = [text for name, text in _DEPRECATED.items() if found.get(name) is not None]
    return _modern(found, loader), warnings


def _checked(value: Any) -> JSONObject:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BuildError(
            f"invalid Kustomization: json: cannot unmarshal {_word(value)} into Go value of type types.Kustomization"
        )
    return _object(value, FIELDS, "Kustomization", "")


def _object(value: JSONObject, fields: dict[str, Type], struct: str, path: str) -> JSONObject:
    """Fields under their own names (Go does not mind the case), without those that are null.

    `struct` is Go's name of the object's type, `path` what leads to it from the top.
    """
    names = {name.lower(): name for name in fields}
    found: JSONObject = {}
    for key, item in sorted(value.items()):
        name = names.get(key.lower())
        if name is None:
            raise BuildError(f'invalid Kustomization: json: unknown field "{key}"')
        if item is not None:
            found[name] = _value(item, fields[name], struct, f"{path}.{name}" if path else name)
    return found


def _value(value: Any, wanted: Type, struct: str, path: str) -> Any:
    if isinstance(wanted, list):
        if not isinstance(value, list):
            raise _mismatch(value, struct, path, _go_type(wanted, path))
        return [_value(item, wanted[0], struct, path) for item in value if item is not None]
    if isinstance(wanted, dict):
        name = _go_type(wanted, path)
        if not isinstance(value, dict):
            raise _mismatch(value, struct, path, name)
        return _object(value, wanted, name.removeprefix("types."), path)
    if wanted.startswith("map[string]"):
        if not isinstance(value, dict):
            raise _mismatch(value, struct, path, wanted)
        inner = wanted.removeprefix("map[string]")
        return {k: _value(v, inner, struct, path) for k, v in sorted(value.items()) if v is not None}
    kinds: dict[str, type] = {"string": str, "bool": bool, "int": int, "int64": int}
    if wanted in kinds and (
        not isinstance(value, kinds[wanted]) or (isinstance(value, bool) and wanted != "bool")
    ):
        raise _mismatch(value, struct, path, wanted)
    return value


def _go_type(wanted: Type, path: str) -> str:
    if isinstance(wanted, list):
        return f"[]{_go_type(wanted[0], path)}"
    if isinstance(wanted, dict):
        return _GO_NAMES.get(path.rpartition(".")[2], "types.Selector")
    return str(wanted)


def _word(value: Any) -> str:
    kinds: dict[type, str] = {bool: "bool", str: "string", list: "array", dict: "object"}
    return kinds.get(type(value), "number")


def _mismatch(value: Any, struct: str, path: str, wanted: str) -> BuildError:
    where = f"Go struct field {struct}.{path} of type {wanted}"
    return BuildError(f"invalid Kustomization: json: cannot unmarshal {_word(value)} into {where}")


def _modern(found: JSONObject, loader: Loader) -> JSONObject:
    """FixKustomization, CheckEmpty and EnforceFields."""
    kind = found.get("kind") or KUSTOMIZATION
    version = found.get("apiVersion") or VERSIONS.get(kind, VERSIONS[KUSTOMIZATION])
    for old, new in _MOVED:
        if old in found:
            found[new] = [*(found.get(new) or []), *found.pop(old)]
    if not set(found) - {"kind", "apiVersion"}:
        raise BuildError("kustomization.yaml is empty")
    problems = []
    if kind not in VERSIONS:
        problems.append(f"kind should be {KUSTOMIZATION} or {COMPONENT}")
    wanted = VERSIONS.get(kind, VERSIONS[KUSTOMIZATION])
    if version != wanted:
        problems.append(f"apiVersion for {kind} should be {wanted}")
    if problems:
        raise BuildError(f"Failed to read kustomization file under {loader.root}:\n" + "\n".join(problems))
    return {**found, "kind": kind, "apiVersion": version}
