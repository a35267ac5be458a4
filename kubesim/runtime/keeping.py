"""Specifications and states as JSON, for the state store."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from kubesim.runtime.spec import (
    ContainerPort,
    ContainerSpec,
    ContainerState,
    Mount,
)
from kubesim.util.jsontypes import decode, encode
from kubesim.util.state import StateStore


def pack(value: Any) -> bytes:
    """As JSON. Names and variables of a container may hold bytes that are no UTF-8: then escaped, and slower."""
    try:
        return encode(value)
    except TypeError:
        return json.dumps(value).encode("ascii")


def unpack(text: bytes) -> Any:
    """What `pack` wrote."""
    try:
        return decode(text)
    except ValueError:
        return json.loads(text)


def merged(base: dict[str, Any], ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """A tree with the changes of two who began with the same one; of what both have changed, ours."""
    absent = object()
    changed = {p for p in base.keys() | ours.keys() if base.get(p, absent) != ours.get(p, absent)}
    return {p: n for p, n in theirs.items() if p not in changed} | {p: ours[p] for p in ours if p in changed}


def keep_tree(store: StateStore, name: str, tree: dict[str, Any], base: bytes | None) -> bytes:
    """Write a tree, or its changes where another has written to it meanwhile; what it was written as."""
    ours, stored = pack(tree), store.get(name)
    if stored == base or base is None:
        store.set(name, ours)
    elif stored is not None:  # else it has been removed
        store.set(name, pack(merged(unpack(base), unpack(ours), unpack(stored))))
    return ours


def dump_spec(spec: ContainerSpec) -> dict[str, Any]:
    kept = _shallow(spec)
    kept["env"] = dict(spec.env)
    kept["ports"] = [_shallow(port) for port in spec.ports]
    kept["mounts"] = [
        _shallow(m)
        | {"files": None if m.files is None else {k: b64encode(v).decode() for k, v in m.files.items()}}
        for m in spec.mounts
    ]
    return kept


def _shallow(value: ContainerSpec | ContainerPort | Mount) -> dict[str, Any]:
    """Field by field. (`dataclasses.asdict` copies all that is below, to no purpose: it is written at once.)"""
    return {f.name: getattr(value, f.name) for f in fields(value)}


def load_spec(kept: dict[str, Any]) -> ContainerSpec:
    fields = dict(kept)
    fields["ports"] = tuple(ContainerPort(**p) for p in kept["ports"])
    fields["mounts"] = tuple(
        Mount(
            **{**m, "files": None if m["files"] is None else {k: b64decode(v) for k, v in m["files"].items()}}
        )
        for m in kept["mounts"]
    )
    for key in ("command", "args", "pod_ips", "host_ips"):
        fields[key] = tuple(kept[key])
    return ContainerSpec(**fields)


def dump_state(state: ContainerState) -> dict[str, Any]:
    kept = {
        "running": state.running,
        "exit_code": state.exit_code,
        "reason": state.reason,
        "message": state.message,
    }
    for key in ("started_at", "finished_at", "look_again"):
        at = getattr(state, key)
        kept[key] = at.timestamp() if at is not None else None
    return kept


def load_state(kept: dict[str, Any]) -> ContainerState:
    fields = dict(kept)
    for key in ("started_at", "finished_at", "look_again"):
        fields[key] = datetime.fromtimestamp(kept[key], UTC) if kept[key] is not None else None
    return ContainerState(**fields)
