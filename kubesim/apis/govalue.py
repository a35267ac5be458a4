"""Decoded objects as values of Go's internal types, written as the verb %#v writes them.

Field errors print a bad value that way: `v1.LabelSelector{MatchLabels:map[string]string{"a":"b"}, …}`. The
types stand in `gotypes.json`: for each struct the fields in Go's order, with their types; a field's name on
the wire is the same but for case, unless it is given.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from kubesim.apimachinery.field import GoValue
from kubesim.util.gotext import quote
from kubesim.util.jsontypes import JSONObject
from kubesim.util.quantity import Quantity


@dataclass(frozen=True, slots=True)
class GoField:
    """A field of a struct. `wire` is its name in JSON, in lower case; empty for an embedded struct."""

    name: str
    type: str
    wire: str


@cache
def _types() -> dict[str, Any]:
    text = Path(__file__).with_name("gotypes.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


@cache
def struct_fields(kind: str) -> tuple[GoField, ...] | None:
    """The fields of a struct, or None for a type that is none."""
    text = _types()["structs"].get(kind)
    if text is None:
        return None
    return tuple(_fields(text))


def _fields(text: str) -> Iterator[GoField]:
    for part in filter(None, text.split("; ")):
        name, kind, *rest = part.split(" ")
        wire = rest[0] if rest else name
        yield GoField(name, kind, "" if wire == "-" else wire.lower())


def underlying(kind: str) -> str:
    """What a named type is made of: `string` for core.Protocol."""
    return str(_types()["named"].get(kind, kind))


def go_fields(kind: str, value: JSONObject | None) -> Iterator[tuple[GoField, Any]]:
    """The fields of a struct with the values that the decoded object has for them, None for those it has
    not.
    """
    if kind == "core.PodSpec" and value:
        value = _internal_pod_spec(value)
    given = {k.lower(): v for k, v in (value or {}).items()}
    for found in struct_fields(kind) or ():
        yield found, (value if found.wire == "" else given.get(found.wire))


def _internal_pod_spec(spec: JSONObject) -> JSONObject:
    # The internal version has what a pod shares with its node in the security context.
    shared = ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers")
    found = {name: spec[name] for name in shared if name in spec}
    context = spec.get("securityContext")
    return {**spec, "securityContext": {**(context or {}), **found}} if found else spec


def is_zero(kind: str, value: Any) -> bool:
    """Whether Go would hold the zero value of the type."""
    if value is None:
        return True
    if kind.startswith(("*", "[]", "map[")) or underlying(kind).startswith(("[]", "map[")):
        return False
    if kind == "resource.Quantity":
        return Quantity.from_json(value).is_zero()
    if struct_fields(kind) is not None:
        return all(is_zero(f.type, v) for f, v in go_fields(kind, value))
    return not value


def pretty(kind: str, value: Any) -> GoValue:
    """The value of a field error, as Go prints it."""
    return GoValue(sharp(kind, value))


def sharp(kind: str, value: Any) -> str:
    """A value of this type as %#v writes it; a pointer within is shown as one fixed address."""
    if kind.startswith("*"):
        return f"({kind})(nil)" if value is None else f"({kind})(0xc000000000)"
    base = underlying(kind)
    if base.startswith("[]"):
        return _sharp_slice(kind, base[2:], value)
    if base.startswith("map["):
        return _sharp_map(kind, base, value)
    if kind == "intstr.IntOrString":
        return _sharp_int_or_string(value)
    if kind == "resource.Quantity":
        return sharp_quantity(value)
    if kind == "v1.Time":
        return "time.Date(1, time.January, 1, 0, 0, 0, 0, time.UTC)" if value is None else quote(str(value))
    if struct_fields(kind) is not None:
        parts = [f"{f.name}:{sharp(f.type, v)}" for f, v in go_fields(kind, value)]
        return f"{kind}{{{', '.join(parts)}}}"
    if base == "string":
        return quote(str(value or ""))
    if base == "bool":
        return "true" if value else "false"
    return str(value or 0)


def _sharp_slice(kind: str, item: str, value: Any) -> str:
    if value is None:
        return f"{kind}(nil)"
    return f"{kind}{{{', '.join(sharp(item, v) for v in value)}}}"


def _sharp_map(kind: str, base: str, value: Any) -> str:
    if value is None:
        return f"{kind}(nil)"
    item = base.partition("]")[2]
    return f"{kind}{{{', '.join(f'{quote(k)}:{sharp(item, value[k])}' for k in sorted(value))}}}"


def _sharp_int_or_string(value: Any) -> str:
    if isinstance(value, str):
        return f"intstr.IntOrString{{Type:1, IntVal:0, StrVal:{quote(value)}}}"
    return f'intstr.IntOrString{{Type:0, IntVal:{value or 0}, StrVal:""}}'


def sharp_quantity(value: Any) -> str:
    amount = Quantity.from_json(value or "0")
    return (
        f"resource.Quantity{{i:resource.int64Amount{{value:{amount.mantissa}, scale:{amount.scale}}}, "
        f'd:resource.infDecAmount{{Dec:(*inf.Dec)(nil)}}, s:"{amount}", Format:"{amount.format}"}}'
    )
