"""What roles and role bindings share: pkg/apis/rbac."""

from __future__ import annotations

from datetime import datetime

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.names import is_dns1123_subdomain, is_valid_path_segment_name
from kubesim.apimachinery.scheme import Cells
from kubesim.apis.columns import age
from kubesim.apis.podtemplate import empty
from kubesim.util.jsontypes import JSONObject

GROUP = "rbac.authorization.k8s.io"
BINDING_COLUMNS = "Name, Role, Age | Users, Groups, ServiceAccounts"


def validate_rules(obj: JSONObject, *, namespaced: bool) -> list[FieldError]:
    """The errors of a role's rules: ValidatePolicyRule."""
    errors: list[FieldError] = []
    for i, rule in enumerate(obj.get("rules") or ()):
        path = Path("rules").index(i)
        urls = rule.get("nonResourceURLs") or []
        if not rule.get("verbs"):
            errors.append(field.required(path.child("verbs"), "verbs must contain at least one value"))
        if urls:
            if namespaced:
                detail = "namespaced rules cannot apply to non-resource URLs"
                errors.append(field.invalid(path.child("nonResourceURLs"), urls, detail))
            if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
                detail = "rules cannot apply to both regular resources and non-resource URLs"
                errors.append(field.invalid(path.child("nonResourceURLs"), urls, detail))
            continue
        for name, word in (("apiGroups", "api group"), ("resources", "resource")):
            if not rule.get(name):
                detail = f"resource rules must supply at least one {word}"
                errors.append(field.required(path.child(name), detail))
    return errors


def default_binding(obj: JSONObject) -> None:
    """A role and its subjects are of the group of roles, unless they are service accounts."""
    reference = obj.get("roleRef")
    if reference is not None:
        empty(reference, "apiGroup", GROUP)
    for subject in obj.get("subjects") or ():
        if subject.get("kind") in {"User", "Group"}:
            empty(subject, "apiGroup", GROUP)


def validate_binding(obj: JSONObject, *, namespaced: bool) -> list[FieldError]:
    """The errors of a role binding: ValidateRoleBinding and ValidateClusterRoleBinding."""
    reference, path = obj.get("roleRef") or {}, Path("roleRef")
    group, kind, name = (reference.get(n) or "" for n in ("apiGroup", "kind", "name"))
    kinds = ("ClusterRole", "Role") if namespaced else ("ClusterRole",)
    errors: list[FieldError] = []
    if group != GROUP:
        errors.append(field.not_supported(path.child("apiGroup"), group, (GROUP,)))
    if kind not in kinds:
        shown = ("Role", "ClusterRole") if namespaced else kinds
        errors.append(field.not_supported(path.child("kind"), kind, shown))
    if not name:
        errors.append(field.required(path.child("name"), ""))
    else:
        errors += [field.invalid(path.child("name"), name, e) for e in is_valid_path_segment_name(name)]
    for i, subject in enumerate(obj.get("subjects") or ()):
        errors += _validate_subject(subject, Path("subjects").index(i), namespaced=namespaced)
    return errors


def _validate_subject(subject: JSONObject, path: Path, *, namespaced: bool) -> list[FieldError]:
    kind, name, group = (subject.get(n) or "" for n in ("kind", "name", "apiGroup"))
    errors = [] if name else [field.required(path.child("name"), "")]
    if kind == "ServiceAccount":
        if name:
            errors += [field.invalid(path.child("name"), name, e) for e in is_dns1123_subdomain(name)]
        if group:
            errors.append(field.not_supported(path.child("apiGroup"), group, ("",)))
        if not namespaced and not subject.get("namespace"):
            errors.append(field.required(path.child("namespace"), ""))
    elif kind in {"User", "Group"}:
        if group != GROUP:
            errors.append(field.not_supported(path.child("apiGroup"), group, (GROUP,)))
    else:
        kinds = ("ServiceAccount", "User", "Group")
        errors.append(field.not_supported(path.child("kind"), kind, kinds))
    return errors


def validate_role_kept(new: JSONObject, old: JSONObject) -> list[FieldError]:
    """A binding's role never changes."""
    if new.get("roleRef") == old.get("roleRef"):
        return []
    from kubesim.apis.govalue import pretty

    return [
        field.invalid(Path("roleRef"), pretty("rbac.RoleRef", new.get("roleRef")), "cannot change roleRef")
    ]


def binding_cells(obj: JSONObject, now: datetime) -> Cells:
    """A row of role bindings, with their users, groups and service accounts."""
    reference = obj.get("roleRef") or {}
    found: dict[str, list[str]] = {"User": [], "Group": [], "ServiceAccount": []}
    for subject in obj.get("subjects") or ():
        kind, name = subject.get("kind") or "", subject.get("name") or ""
        if kind in found:
            found[kind].append(
                f"{subject.get('namespace') or ''}/{name}" if kind == "ServiceAccount" else name
            )
    role = f"{reference.get('kind') or ''}/{reference.get('name') or ''}"
    return [name_of(obj), role, age(obj, now), *(", ".join(names) for names in found.values())]
