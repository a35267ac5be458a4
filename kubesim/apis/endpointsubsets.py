"""The canonical form of Endpoints' subsets: pkg/api/endpoints, RepackSubsets.

Each set of addresses stands once, with all the ports that exactly these addresses offer; an address that one
subset calls ready and another not ready is not ready. Ports and subsets are sorted by a hash, so that the
order is Kubernetes' own only if the hashed text is: the API server's Go structs as spew prints them with %#v.
"""

from __future__ import annotations

from hashlib import md5
from typing import Any, Final

from kubesim.util.jsontypes import JSONObject

_REFERENCE: Final = (
    ("Kind", "kind", "string"),
    ("Namespace", "namespace", "string"),
    ("Name", "name", "string"),
    ("UID", "uid", "types.UID"),
    ("APIVersion", "apiVersion", "string"),
    ("ResourceVersion", "resourceVersion", "string"),
    ("FieldPath", "fieldPath", "string"),
)


def repack_subsets(subsets: list[JSONObject]) -> list[JSONObject]:
    """The same endpoints, expanded and packed again. The result shares addresses with the argument."""
    addresses: dict[tuple[str, str], JSONObject] = {}
    ports: dict[str, tuple[JSONObject | None, dict[tuple[str, str], bool]]] = {}
    for subset in subsets:
        for port in subset.get("ports") or [None]:  # None keeps the addresses of subsets without ports
            _, ready_by_key = ports.setdefault(_hashed_port(port) if port else "", (port, {}))
            for ready, name in ((True, "addresses"), (False, "notReadyAddresses")):
                for address in subset.get(name) or ():
                    key = _key(address)
                    addresses.setdefault(key, address)
                    if ready_by_key.get(key, True):
                        ready_by_key[key] = ready
    packed: dict[tuple[tuple[tuple[str, str], bool], ...], list[JSONObject]] = {}
    for text in sorted(ports, key=_digest):
        found, ready_by_key = ports[text]
        same = packed.setdefault(tuple(sorted(ready_by_key.items())), [])
        if found is not None:
            same.append(found)
    result = [_subset(members, found, addresses) for members, found in packed.items()]
    return sorted(result, key=lambda s: _digest(_hashed_subset(s))) if len(result) > 1 else result


def is_packed(subsets: list[JSONObject]) -> bool:
    """Whether this is, at first sight, the canonical form already; most Endpoints have one port only."""
    if len(subsets) != 1 or len(subsets[0].get("ports") or ()) > 1:
        return False
    ready, waiting = ([_key(a) for a in subsets[0].get(n) or ()] for n in ("addresses", "notReadyAddresses"))
    found = {*ready, *waiting}
    return len(found) == len(ready) + len(waiting) and ready == sorted(ready) and waiting == sorted(waiting)


def _subset(
    members: tuple[tuple[tuple[str, str], bool], ...],
    ports: list[JSONObject],
    addresses: dict[tuple[str, str], JSONObject],
) -> JSONObject:
    # By IP as text, then by the target's UID: the keys are sorted so already.
    found: JSONObject = {
        "addresses": [addresses[key] for key, ready in members if ready],
        "notReadyAddresses": [addresses[key] for key, ready in members if not ready],
        "ports": ports,
    }
    return {name: value for name, value in found.items() if value}


def _key(address: JSONObject) -> tuple[str, str]:
    return address.get("ip") or "", (address.get("targetRef") or {}).get("uid") or ""


def _digest(text: str) -> bytes:
    return md5(text.encode(), usedforsecurity=False).digest()


# The text that spew's Sprintf("%#v") makes of the structs of pkg/apis/core.


def _hashed_port(port: JSONObject) -> str:
    return f"(core.EndpointPort){_port_fields(port)}"


def _port_fields(port: JSONObject) -> str:
    return (
        f"{{Name:(string){port.get('name') or ''} Port:(int32){port.get('port') or 0}"
        f" Protocol:(core.Protocol){port.get('protocol') or ''}"
        f" AppProtocol:(*string){_pointed(port.get('appProtocol'))}}}"
    )


def _hashed_subset(subset: JSONObject) -> str:
    return (
        f"(core.EndpointSubset){{Addresses:([]core.EndpointAddress){_addresses(subset, 'addresses')}"
        f" NotReadyAddresses:([]core.EndpointAddress){_addresses(subset, 'notReadyAddresses')}"
        f" Ports:([]core.EndpointPort){_list([_port_fields(p) for p in subset.get('ports') or ()])}}}"
    )


def _addresses(subset: JSONObject, name: str) -> str:
    return _list([_address_fields(a) for a in subset.get(name) or ()])


def _address_fields(address: JSONObject) -> str:
    reference: JSONObject | None = address.get("targetRef")
    target = "<nil>"
    if reference is not None:
        target = " ".join(f"{go}:({kind}){reference.get(json) or ''}" for go, json, kind in _REFERENCE)
        target = f"{{{target}}}"
    return (
        f"{{IP:(string){address.get('ip') or ''} Hostname:(string){address.get('hostname') or ''}"
        f" NodeName:(*string){_pointed(address.get('nodeName'))} TargetRef:(*core.ObjectReference){target}}}"
    )


def _list(texts: list[str]) -> str:
    return f"[{' '.join(texts)}]" if texts else "<nil>"


def _pointed(value: Any) -> str:
    return "<nil>" if value is None else str(value)
