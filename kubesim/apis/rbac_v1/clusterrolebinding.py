"""ClusterRoleBindings: who has a role in the whole cluster."""

from __future__ import annotations

from kubesim.apimachinery.field import FieldError
from kubesim.apimachinery.names import name_is_path_segment
from kubesim.apis.columns import columns
from kubesim.apis.rbac import (
    BINDING_COLUMNS,
    binding_cells,
    default_binding,
    validate_binding,
    validate_role_kept,
)
from kubesim.util.jsontypes import JSONObject

COLUMNS = columns(BINDING_COLUMNS)

name_errors = name_is_path_segment
default = default_binding
cells = binding_cells


def validate(obj: JSONObject) -> list[FieldError]:
    return validate_binding(obj, namespaced=False)


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    return validate(new) + validate_role_kept(new, old)
