"""`vars`, the old way of `replacements`: `$(NAME)` stands for a field of a resource."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kubesim.cli.kustomize.errors import BuildError
from kubesim.cli.kustomize.fieldspecs import FieldSpec, Slot, apply_spec
from kubesim.cli.kustomize.identity import ResId, gvk_of, is_cluster_scoped
from kubesim.cli.kustomize.resources import Resources, text_of
from kubesim.util.jsontypes import JSONObject


def merge_variables(known: dict[str, JSONObject], new: Sequence[JSONObject], resources: Resources) -> None:
    """Take in variables and note on the resources which of them they are the source of: MergeVars."""
    for variable in new:
        name = str(variable.get("name") or "")
        reference = variable.get("objref") or {}
        gvk = gvk_of(reference)
        wanted = ResId(
            gvk,
            str(reference.get("name") or ""),
            str(reference.get("namespace") or ""),
            is_cluster_scoped(gvk),
        )
        exact = bool(wanted.namespace) or wanted.cluster
        found = resources.by_any_id(
            lambda i, w=wanted, e=exact: i.equals(w) if e else (i.name, i.gvk) == (w.name, w.gvk)  # type: ignore[misc]
        )
        if len(found) > 1:
            raise BuildError(f"found {len(found)} resId matches for var {variable} (unable to disambiguate)")
        if found:
            found[0].variables.append(name)
        if name in known and known[name] != variable:
            raise BuildError(f"var '{name}' already encountered")
        known[name] = variable


def resolve_variables(
    resources: Resources, known: Mapping[str, JSONObject], specs: Sequence[FieldSpec]
) -> None:
    """Replace `$(NAME)` where variables may stand."""
    if not known:
        return
    values = {name: _value(resources, name, variable) for name, variable in sorted(known.items())}

    def put(slot: Slot) -> None:
        value = slot.value
        if isinstance(value, dict):
            for key, item in value.items():
                if isinstance(item, str):
                    value[key] = expand(item, values)
        elif isinstance(value, list):
            if not all(isinstance(item, str) for item in value):
                raise BuildError("invalid value type expect a string")
            value[:] = [expand(item, values) for item in value]
        elif isinstance(value, str):
            slot.value = expand(value, values)

    for resource in resources.items:
        for spec in specs:
            apply_spec(resource.obj, spec, put)


def _value(resources: Resources, name: str, variable: JSONObject) -> Any:
    path = str((variable.get("fieldref") or {}).get("fieldpath") or "metadata.name")
    source = next((r for r in resources.items if name in r.variables), None)
    if source is None:
        raise BuildError(f"var '{variable}' cannot be mapped to a field in the set of known resources")
    value: Any = source.obj
    for part in path.replace("[", ".").replace("]", "").split("."):
        if isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        elif isinstance(value, dict) and part in value:
            value = value[part]
        else:
            raise BuildError(f"field specified in var '{variable}' not found in corresponding resource")
    return value


def expand(text: str, values: Mapping[str, Any]) -> Any:
    """A text with its variables replaced; `$$` stands for `$`. A variable alone keeps its type: DoReplacements."""
    made, at = "", 0
    while at < len(text):
        if text[at] != "$" or at + 1 == len(text):
            made += text[at]
            at += 1
            continue
        end = text.find(")", at)
        if text[at + 1] == "$":
            made += "$"
            at += 2
        elif text[at + 1] == "(" and end >= 0:
            name = text[at + 2 : end]
            value = values.get(name)
            known = name in values and not isinstance(value, (dict, list)) and value is not None
            if text == f"$({name})":
                return value if known else text
            made += text_of(value) if known else f"$({name})"
            at = end + 1
        else:
            made += text[at : at + 2]
            at += 2
    return made
