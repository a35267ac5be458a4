"""Codes 0, 6, 8, 9, 10, 19 and 23: what the API server refuses, and what an apply has lost."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from kubesim.apimachinery.errors import StatusError
from kubesim.apimachinery.meta import name_of, namespace_of
from kubesim.apis.servicespec import ports_of, spec_of
from kubesim.client.resources import SERVICES
from kubesim.diagnosis.finding import Finding, ObjectRef
from kubesim.diagnosis.view import View
from kubesim.util.jsontypes import JSONObject, dig

_PORT: Final = re.compile(r"^spec\.ports\[(\d+)\]")
_IN_QUOTES: Final = re.compile(r'Invalid value: "(\d+)": must contain at least one letter')
_CLUSTER_IPS: Final = re.compile(r"^spec\.clusterIPs?(\[\d+\])?$")


def refusal(view: View, obj: JSONObject, error: StatusError) -> Iterator[Finding]:
    """Why an object was refused, a finding for each cause that the API server names."""
    ref = ObjectRef.of(obj)
    causes = (error.status.get("details") or {}).get("causes") or [{"message": error.status.get("message")}]
    for cause in causes:
        field, message = str(cause.get("field") or ""), str(cause.get("message") or "")
        yield _explained(view, obj, ref, field, message)


def _explained(view: View, obj: JSONObject, ref: ObjectRef, field: str, message: str) -> Finding:
    for holds, explain in _EXPLAINED:
        if holds(ref, field, message):
            return explain(view, obj, ref, field, message)
    return Finding(
        code=0,
        severity="error",
        object=ref,
        field=field,
        message=message,
        evidence=(),
        fix="write what the API server takes; `kubesim explain` tells of the field",
    )


def _is_in_quotes(ref: ObjectRef, field: str, message: str) -> bool:
    return field.endswith(("targetPort", "port", "name")) and bool(_IN_QUOTES.search(message))


def _in_quotes(view: View, obj: JSONObject, ref: ObjectRef, field: str, message: str) -> Finding:
    del view, obj
    number = (_IN_QUOTES.search(message) or [""] * 2)[1]
    return Finding(
        code=6,
        severity="error",
        object=ref,
        field=field,
        message=f'"{number}" in quotes is the name of a port, and not the number {number}',
        evidence=(f"the API server: {message}",),
        fix=f"write {field.rpartition('.')[2]}: {number} without quotes",
    )


def _is_taken(ref: ObjectRef, field: str, message: str) -> bool:
    return ref.kind == "Service" and field.endswith("nodePort") and "already allocated" in message


def _taken(view: View, obj: JSONObject, ref: ObjectRef, field: str, message: str) -> Finding:
    port = _node_port(obj, field)
    owners = [s for s in view.all(SERVICES) if any(p.get("nodePort") == port for p in ports_of(s))]
    owners = [s for s in owners if (namespace_of(s), name_of(s)) != (ref.namespace, ref.name)]
    by = ObjectRef.of(owners[0], "Service").qualified if owners else "another port of the same Service"
    return Finding(
        code=9,
        severity="error",
        object=ref,
        field=field,
        message=f"node port {port} is taken by {by}: each node has it only once",
        evidence=(f"the API server: {message}",),
        fix="choose another number, or leave nodePort out and get a free one",
    )


def _is_out_of_range(ref: ObjectRef, field: str, message: str) -> bool:
    return ref.kind == "Service" and field.endswith("nodePort") and "not in the valid range" in message


def _out_of_range(view: View, obj: JSONObject, ref: ObjectRef, field: str, message: str) -> Finding:
    port, (low, high) = _node_port(obj, field), view.node_ports
    match = _PORT.match(field)
    one = ports_of(obj)[int(match[1])] if match and int(match[1]) < len(ports_of(obj)) else {}
    swapped = next((n for n in ("port", "targetPort") if _within(one.get(n), low, high)), "")
    if swapped:
        return Finding(
            code=11,
            severity="error",
            object=ref,
            field=field,
            message=f"nodePort {port} and {swapped} {one[swapped]} have changed places: node ports are {low}-{high}",
            evidence=(f"the API server: {message}",),
            fix=f"write nodePort: {one[swapped]} and {swapped}: {port} (port belongs to the Service's address, "
            "targetPort to the Pods', nodePort to the nodes')",
        )
    return Finding(
        code=10,
        severity="error",
        object=ref,
        field=field,
        message=f"node port {port} is outside of {low}-{high}, the range of this cluster",
        evidence=(f"the API server: {message}",),
        fix=f"write a number from {low} to {high}, or leave nodePort out to get a free one",
    )


def _within(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and low <= value <= high


def _node_port(obj: JSONObject, field: str) -> int:
    match = _PORT.match(field)
    return int(dig(obj, "spec", "ports", int(match[1]) if match else 0, "nodePort", default=0) or 0)


def _is_fixed(ref: ObjectRef, field: str, message: str) -> bool:
    said = "may not change once set" in message or "immutable" in message
    return ref.kind == "Service" and bool(_CLUSTER_IPS.match(field)) and said


def _fixed(view: View, obj: JSONObject, ref: ObjectRef, field: str, message: str) -> Finding:
    old = view.service(ref.name, ref.namespace) or {}
    has, wanted = spec_of(old).get("clusterIP"), spec_of(obj).get("clusterIP")
    why = (
        "a headless Service stays headless"
        if has == "None"
        else "a Service keeps its address as long as it lives"
    )
    return Finding(
        code=19,
        severity="error",
        object=ref,
        field="spec.clusterIP",
        message=f"clusterIP is {has} and may not become {wanted or 'empty'}: {why}",
        evidence=(f"the API server: {message}",),
        fix=f"leave clusterIP out, or delete the Service and make it anew (`delete service {ref.name}`)",
    )


def _is_unnamed(ref: ObjectRef, field: str, message: str) -> bool:
    return (
        ref.kind == "Service"
        and field.endswith(".name")
        and _PORT.match(field) is not None
        and "Required" in message
    )


def _unnamed(view: View, obj: JSONObject, ref: ObjectRef, field: str, message: str) -> Finding:
    del view
    count = len(ports_of(obj))
    return Finding(
        code=23,
        severity="error",
        object=ref,
        field=field,
        message=f"the Service has {count} ports, and then each of them needs a name",
        evidence=(f"the API server: {message}",),
        fix="add a name: to each port; by them they belong to the ports of the endpoints and to SRV records",
    )


_Explain = Callable[[View, JSONObject, ObjectRef, str, str], Finding]
_EXPLAINED: Final[tuple[tuple[Callable[[ObjectRef, str, str], bool], _Explain], ...]] = (
    (_is_in_quotes, _in_quotes),
    (_is_taken, _taken),
    (_is_out_of_range, _out_of_range),
    (_is_fixed, _fixed),
    (_is_unnamed, _unnamed),
)


def lost_ports(written: JSONObject, stored: JSONObject) -> Iterator[Finding]:
    """Code 8: client-side apply joins ports by number alone, and mixes up TCP and UDP of one number."""
    ref = ObjectRef.of(stored, "Service")
    kept = {_key(p): p for p in ports_of(stored)}
    for at, port in enumerate(ports_of(written)):
        shown, there = f"port {port.get('port')}/{port.get('protocol') or 'TCP'}", kept.get(_key(port))
        if there is None:
            what, field = f"apply loses {shown}", f"spec.ports[{at}]"
        elif port.get("targetPort") not in (None, there.get("targetPort")):
            what, field = (
                f"apply gives the targetPort of {shown} to another port",
                f"spec.ports[{at}].targetPort",
            )
        else:
            continue
        yield Finding(
            code=8,
            severity="error",
            object=ref,
            field=field,
            message=f"{what}: it tells ports apart by their number alone, and another one has the same",
            evidence=("after the apply there are: " + ", ".join(f"{p}/{q}" for p, q in sorted(kept)),),
            fix="use `kubectl replace --save-config -f FILE`, which sends the ports as they are written, or delete the "
            "Service and make it anew",
        )


def _key(port: JSONObject) -> tuple[int, str]:
    return int(port.get("port") or 0), str(port.get("protocol") or "TCP")
