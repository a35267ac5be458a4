"""CustomResourceDefinitions: their strategy, as apiextensions-apiserver has it."""

from __future__ import annotations

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.names import is_dns1035_label, is_dns1123_subdomain
from kubesim.apimachinery.objectmeta import IMMUTABLE
from kubesim.apis.meta import section
from kubesim.apis.podtemplate import empty
from kubesim.util.jsontypes import JSONObject, dig

_SCOPES = ("Cluster", "Namespaced")
_ONE_STORED = "must have exactly one version marked as storage version"


def default(obj: JSONObject) -> None:
    spec = section(obj, "spec")
    names = section(spec, "names")
    kind = str(names.get("kind") or "")
    if kind:
        empty(names, "singular", kind.lower())
        empty(names, "listKind", f"{kind}List")
    conversion = section(spec, "conversion")
    empty(conversion, "strategy", "None")


def prepare_create(obj: JSONObject) -> None:
    stored = [
        v["name"] for v in dig(obj, "spec", "versions", default=()) if v.get("storage") and v.get("name")
    ]
    obj["status"] = {
        "acceptedNames": {"kind": "", "plural": ""},
        "conditions": None,
        "storedVersions": stored[:1] or None,
    }


def prepare_update(new: JSONObject, old: JSONObject) -> None:
    status = dict(old.get("status") or {})
    stored = list(status.get("storedVersions") or ())
    for version in dig(new, "spec", "versions", default=()):
        if version.get("storage") and version.get("name") not in stored:
            stored.append(version.get("name"))
    status["storedVersions"] = stored or None
    new["status"] = status


def validate(obj: JSONObject) -> list[FieldError]:
    spec, path = obj.get("spec") or {}, Path("spec")
    names, group = spec.get("names") or {}, str(spec.get("group") or "")
    errors: list[FieldError] = []
    wanted = f"{names.get('plural') or ''}.{group}"
    if name_of(obj) != wanted:
        detail = 'must be spec.names.plural+"."+spec.group'
        errors.append(field.invalid(Path("metadata").child("name"), name_of(obj), detail))
    if not group:
        errors.append(field.required(path.child("group"), ""))
    else:
        wrong = is_dns1123_subdomain(group)
        errors += [field.invalid(path.child("group"), group, e) for e in wrong]
        if not wrong and "." not in group:
            detail = "should be a domain with at least one dot"
            errors.append(field.invalid(path.child("group"), group, detail))
    scope = spec.get("scope") or ""
    if scope not in _SCOPES:
        errors.append(
            field.required(path.child("scope"), "")
            if not scope
            else field.not_supported(path.child("scope"), scope, _SCOPES)
        )
    errors += _validate_versions(spec.get("versions") or [], path.child("versions"))
    errors += _validate_names(names, path.child("names"))
    return errors + _validate_conversion(spec.get("conversion") or {}, path.child("conversion"))


def _validate_versions(versions: list[JSONObject], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    names: set[str] = set()
    for i, version in enumerate(versions):
        at = path.index(i)
        name = str(version.get("name") or "")
        errors += [field.invalid(at.child("name"), name, e) for e in is_dns1035_label(name)]
        if name in names:
            errors.append(field.duplicate(at.child("name"), name))
        names.add(name)
        schema = dig(version, "schema", "openAPIV3Schema")
        where = at.child("schema", "openAPIV3Schema")
        if schema is None:
            errors.append(field.required(where, "schemas are required"))
        elif schema.get("type") != "object":
            if not schema.get("type"):
                detail = "must not be empty at the root"
                errors.append(field.required(where.child("type"), detail))
            else:
                detail = "must be object at the root"
                errors.append(field.invalid(where.child("type"), schema["type"], detail))
        for j, column in enumerate(version.get("additionalPrinterColumns") or ()):
            for part in ("name", "type", "jsonPath"):
                if not column.get(part):
                    place = at.child("additionalPrinterColumns").index(j).child(part)
                    errors.append(field.required(place, ""))
    stored = sum(bool(v.get("storage")) for v in versions)
    if stored != 1:
        errors.append(field.invalid(path, field.GoValue(_go_versions(versions)), _ONE_STORED))
    return errors


def _go_versions(versions: list[JSONObject]) -> str:
    listed = ", ".join(f'"{v.get("name") or ""}"' for v in versions)
    return f"[]string{{{listed}}}" if versions else "[]apiextensions.CustomResourceDefinitionVersion(nil)"


def _validate_names(names: JSONObject, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for key in ("plural", "singular", "kind", "listKind"):
        value = str(names.get(key) or "")
        if not value:
            errors.append(field.required(path.child(key), ""))
            continue
        checked = value.lower() if key in {"kind", "listKind"} else value
        wrong = is_dns1035_label(checked)
        if wrong and checked != value:
            detail = f"may have mixed case, but should otherwise match: {', '.join(wrong)}"
            errors.append(field.invalid(path.child(key), value, detail))
        else:
            errors += [field.invalid(path.child(key), value, e) for e in wrong]
    for key in ("shortNames", "categories"):
        for i, value in enumerate(names.get(key) or ()):
            errors += [field.invalid(path.child(key).index(i), value, e) for e in is_dns1035_label(value)]
    kind, list_kind = names.get("kind") or "", names.get("listKind") or ""
    if kind and kind == list_kind:
        detail = "kind and listKind may not be the same"
        errors.append(field.invalid(path.child("listKind"), list_kind, detail))
    return errors


def _validate_conversion(conversion: JSONObject, path: Path) -> list[FieldError]:
    strategy, webhook = conversion.get("strategy") or "", conversion.get("webhook")
    if strategy not in {"None", "Webhook"}:
        return [field.not_supported(path.child("strategy"), strategy, ("None", "Webhook"))]
    if strategy == "None":
        detail = "should not be set when strategy is not set to Webhook"
        return [field.forbidden(path.child("webhook"), detail)] if webhook is not None else []
    if webhook is None or webhook.get("clientConfig") is None:
        detail = "required when strategy is set to Webhook"
        return [field.required(path.child("webhook", "clientConfig"), detail)]
    return []


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    errors = validate(new)
    established = any(
        c.get("type") == "Established" and c.get("status") == "True"
        for c in dig(old, "status", "conditions", default=())
    )
    steps: tuple[tuple[str, ...], ...] = (("group",), ("names", "plural"))
    if established:
        steps = (*steps, ("scope",), ("names", "kind"))
    for step in steps:
        value, before = dig(new, "spec", *step), dig(old, "spec", *step)
        if value != before:
            errors.append(field.invalid(Path("spec").child(*step), value, IMMUTABLE))
    return errors
