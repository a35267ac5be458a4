"""`metadata.managedFields` on create, update and patch: who set which field last.

As k8s.io/apimachinery/pkg/util/managedfields (the chain of NewDefaultFieldManager) and
sigs.k8s.io/structured-merge-diff/v4/merge/update.go. It runs before admission and allocation, so that
nobody owns what those fill in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from kubesim.apimachinery.managedfields.compare import compare
from kubesim.apimachinery.managedfields.sets import FieldSet, difference, ordered, union, without
from kubesim.apimachinery.schema.node import Node
from kubesim.util.jsontypes import JSONObject

MAX_UPDATE_MANAGERS = 10
ANCIENT = "ancient-changes"
UNKNOWN_MANAGER = "unknown"
UPDATE = "Update"
APPLY = "Apply"

FieldPath = tuple[str, ...]

# What a request cannot change and so never owns, unless a kind's strategy says otherwise (GetResetFields).
RESET_BY_SUBRESOURCE: dict[str, tuple[FieldPath, ...]] = {"": (("status",),), "status": (("spec",),)}


def fields_v1(obj: JSONObject, node: Node) -> FieldSet:
    """The FieldsV1 of whoever makes an object: every field that it has, those of the system aside."""
    return ordered(compare(None, obj, node)[0])


def record_update(
    old: JSONObject | None,
    new: JSONObject,
    *,
    manager: str,
    time: str,
    api_version: str,
    node: Node,
    subresource: str = "",
    reset_fields: Sequence[FieldPath] | None = None,
) -> list[JSONObject]:
    """Set the `metadata.managedFields` that `new` is to have, in their order, and return them.

    `old` is None for a new object. `time` is RFC 3339 in seconds. `reset_fields` are the paths that the
    strategy of the kind does not take from this request; without them, `status`, or `spec` for the
    subresource status.
    """
    entries = _known_entries(old, new, subresource)
    tracked = entries or old is None or not (old.get("metadata") or {}).get("uid")
    if tracked:  # an update does not begin to track an object (skipnonapplied.go)
        paths = RESET_BY_SUBRESOURCE.get(subresource, ()) if reset_fields is None else reset_fields
        changed, removed = compare(old, new, node)
        if paths:
            cut = _set_of(paths)
            changed, removed = without(changed, cut), without(removed, cut)
        entries = _others(entries, changed, removed)
        if changed:
            _own(entries, (manager or UNKNOWN_MANAGER, UPDATE, api_version, subresource), changed, time)
            entries = _capped(entries)
        entries.sort(key=_order)
    metadata = new.setdefault("metadata", {})
    metadata.pop("managedFields", None)
    if entries:
        metadata["managedFields"] = entries
    return entries


def _known_entries(old: JSONObject | None, new: JSONObject, subresource: str) -> list[JSONObject]:
    """The entries to go on from: those of the request if it has any that can be read, else those of the
    live object.
    """
    live: list[JSONObject] = ((old or {}).get("metadata") or {}).get("managedFields") or []
    if subresource:
        return _decoded(live)
    given = (new.get("metadata") or {}).get("managedFields")
    if given == [] or given == [{}]:
        return []
    return _decoded(given or []) or _decoded(live)


def _decoded(entries: Iterable[JSONObject]) -> list[JSONObject]:
    """Entries with one for each manager, or none at all if one of them cannot be read."""
    found: dict[tuple[str, ...], JSONObject] = {}
    for entry in entries:
        operation = entry.get("operation")
        if (
            operation not in (APPLY, UPDATE)
            or entry.get("fieldsType") != "FieldsV1"
            or not entry.get("apiVersion")
        ):
            return []
        found[_identity(entry)] = entry
    return list(found.values())


def _identity(entry: JSONObject) -> tuple[str, ...]:
    """BuildManagerIdentifier: an applier is the same one in every version."""
    operation = entry["operation"]
    version = "" if operation == APPLY else entry["apiVersion"]
    return entry.get("manager") or "", operation, version, entry.get("subresource") or ""


def _set_of(paths: Sequence[FieldPath]) -> FieldSet:
    made: FieldSet = {}
    for path in paths:
        at = made
        for name in path:
            at = at.setdefault("f:" + name, {})
    return made


def _others(entries: list[JSONObject], changed: FieldSet, removed: FieldSet) -> list[JSONObject]:
    """Every entry without what this update changes or removes; an entry that has nothing left goes."""
    if not changed and not removed:
        return list(entries)
    kept = []
    for entry in entries:
        fields: FieldSet = entry.get("fieldsV1") or {}
        left = difference(difference(fields, changed), removed)
        if left is fields or left == fields:
            kept.append(entry)
        elif left:
            kept.append({**entry, "fieldsV1": left})
    return kept


def _own(entries: list[JSONObject], key: tuple[str, str, str, str], changed: FieldSet, time: str) -> None:
    """Give the manager of this update what it changed, in place."""
    manager, operation, version, subresource = key
    for at, entry in enumerate(entries):
        if _identity(entry) == key:
            fields = ordered(union(changed, entry.get("fieldsV1") or {}))
            entries[at] = {**entry, "time": time, "fieldsV1": fields}
            return
    entry = {
        "manager": manager,
        "operation": operation,
        "apiVersion": version,
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": ordered(changed),
    }
    if subresource:
        entry["subresource"] = subresource
    entries.append(entry)


def _capped(entries: list[JSONObject]) -> list[JSONObject]:
    """At most ten entries of updates: the oldest of each version are put together (capmanagers.go)."""
    updates = sorted(
        (e for e in entries if e["operation"] == UPDATE), key=lambda e: (e.get("time") or "", _identity(e))
    )
    count = len(updates)
    if count <= MAX_UPDATE_MANAGERS:
        return entries
    merged: list[JSONObject] = []
    first: dict[str, JSONObject] = {}
    buckets: dict[str, JSONObject] = {}
    for entry in updates:
        version = entry["apiVersion"]
        if count <= MAX_UPDATE_MANAGERS:
            merged.append(entry)
        elif version not in first:
            first[version] = entry
        else:
            before = buckets.get(version) or first[version]
            fields = ordered(union(entry.get("fieldsV1") or {}, before.get("fieldsV1") or {}))
            buckets[version] = _bucket(version, entry.get("time"), fields)
            count -= 1
    merged += [buckets.get(version, entry) for version, entry in first.items()]
    return [e for e in entries if e["operation"] != UPDATE] + merged


def _bucket(version: str, time: Any, fields: FieldSet) -> JSONObject:
    return {
        "manager": ANCIENT,
        "operation": UPDATE,
        "apiVersion": version,
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }


def _order(entry: JSONObject) -> tuple[str, ...]:
    """sortEncodedManagedFields: times are RFC 3339 in UTC, so that their texts sort as they do."""
    return (
        entry["operation"],
        entry.get("time") or "",
        entry.get("manager") or "",
        entry["apiVersion"],
        entry.get("subresource") or "",
    )
