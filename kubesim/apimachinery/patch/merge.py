"""RFC 7386: a patch that looks like the object, with null for what goes. As gopkg.in/evanphx/json-patch.v4
does it.
"""

from __future__ import annotations

from typing import Any

from kubesim.apimachinery.patch.errors import BAD_REQUEST, PatchError
from kubesim.apimachinery.patch.values import same
from kubesim.util.jsontypes import JSONObject, JSONValue, deep_copy


def apply_merge_patch(doc: JSONValue, patch: JSONValue) -> Any:
    """A patched copy of a document. Raises PatchError (400) for a patch that is neither an object nor a
    list.
    """
    if not isinstance(patch, (dict, list)):
        raise PatchError("Invalid JSON Patch", BAD_REQUEST)
    return _merged(deep_copy(doc), deep_copy(patch))


def create_merge_patch(original: JSONObject, modified: JSONObject) -> JSONObject:
    """The patch that makes `modified` of `original`, apart from fields that are null in `modified`."""
    patch: JSONObject = {}
    for key, value in modified.items():
        if key not in original:
            patch[key] = deep_copy(value)
            continue
        before = original[key]
        if isinstance(before, dict) and isinstance(value, dict):
            below = create_merge_patch(before, value)
            if below:
                patch[key] = below
        elif not same(before, value):
            patch[key] = deep_copy(value)
    for key in original:
        if key not in modified:
            patch[key] = None
    return patch


def _merged(current: Any, patch: Any) -> Any:
    if not isinstance(current, dict):
        _drop_nulls(patch)
        return patch
    if not isinstance(patch, dict):
        return patch
    for key, value in patch.items():
        if value is None:
            current.pop(key, None)
        elif current.get(key) is None:
            _drop_nulls(value)
            current[key] = value
        else:
            current[key] = _merged(current[key], value)
    return current


def _drop_nulls(value: Any) -> None:
    """Take null fields out of an object, in place, also below lists; null items stay."""
    if isinstance(value, dict):
        for key in [k for k, v in value.items() if v is None]:
            del value[key]
        for below in value.values():
            _drop_nulls(below)
    elif isinstance(value, list):
        for below in value:
            _drop_nulls(below)
