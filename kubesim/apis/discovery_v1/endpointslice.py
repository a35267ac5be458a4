"""EndpointSlice: a part of the endpoints of a Service, for one family of addresses.

Sources: pkg/apis/discovery/{v1/defaults.go,validation}, pkg/registry/discovery/endpointslice/strategy.go.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.meta import labels_of, name_of
from kubesim.apimachinery.names import (
    is_fully_qualified_domain_name,
    is_valid_ipv4_address,
    is_valid_ipv6_address,
    is_valid_label_value,
)
from kubesim.apimachinery.objectmeta import validate_immutable, validate_labels
from kubesim.apimachinery.scheme import Cells, Column
from kubesim.apis.meta import (
    AGE,
    NAME,
    and_more,
    created,
    items,
    section,
    validate_dns1123_label,
    validate_dns1123_subdomain,
    validate_non_special_ip,
    validate_protocol,
    validate_qualified_name,
)
from kubesim.util.durations import time_since
from kubesim.util.jsontypes import JSONObject, dig

COLUMNS: Final = (
    NAME,
    Column("AddressType", description="What the addresses are: IPv4, IPv6 or FQDN."),
    Column("Ports", description="Ports that every endpoint of the slice has."),
    Column("Endpoints", description="Addresses of the slice."),
    AGE,
)
ADDRESS_TYPES: Final = ("FQDN", "IPv4", "IPv6")
MAX_ENDPOINTS: Final = 1000
MAX_PORTS: Final = 20000
MAX_ADDRESSES: Final = 100
MAX_TOPOLOGY_LABELS: Final = 16
MAX_ZONE_HINTS: Final = 8

_ZONE: Final = "topology.kubernetes.io/zone"


def default(endpoint_slice: JSONObject) -> None:
    """SetDefaults_EndpointPort; and the fields that are written even where they are empty."""
    endpoint_slice.setdefault("endpoints", None)
    endpoint_slice.setdefault("ports", None)
    for endpoint in items(endpoint_slice, "endpoints"):
        section(endpoint, "conditions")
    for port in items(endpoint_slice, "ports"):
        if port.get("name") is None:
            port["name"] = ""
        if port.get("protocol") is None:
            port["protocol"] = "TCP"


def prepare_create(endpoint_slice: JSONObject) -> None:
    endpoint_slice["metadata"]["generation"] = 1
    _drop_topology(endpoint_slice)


def prepare_update(new: JSONObject, old: JSONObject) -> None:
    """Labels count for the generation: they say which Service a slice belongs to."""
    same = all(new.get(name) == old.get(name) for name in ("addressType", "endpoints", "ports"))
    generation = old["metadata"].get("generation") or 0
    if not same or labels_of(new) != labels_of(old):
        generation += 1
    if generation:
        new["metadata"]["generation"] = generation
    if new.get("endpoints") != old.get("endpoints"):
        _drop_topology(new)


def _drop_topology(endpoint_slice: JSONObject) -> None:
    """DeprecatedTopology belongs to v1beta1: dropTopologyOnV1."""
    for endpoint in items(endpoint_slice, "endpoints"):
        endpoint.pop("deprecatedTopology", None)


def validate(endpoint_slice: JSONObject) -> list[FieldError]:
    """ValidateEndpointSliceCreate."""
    kind = endpoint_slice.get("addressType") or ""
    errors: list[FieldError] = []
    if not kind:
        errors.append(field.required(Path("addressType")))
    elif kind not in ADDRESS_TYPES:
        errors.append(field.not_supported(Path("addressType"), kind, ADDRESS_TYPES))
    errors += _validate_endpoints(items(endpoint_slice, "endpoints"), kind)
    return errors + _validate_ports(items(endpoint_slice, "ports"))


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    """ValidateEndpointSliceUpdate."""
    change = validate_immutable(new.get("addressType"), old.get("addressType"), Path("addressType"))
    return validate(new) + change


def _validate_endpoints(endpoints: list[JSONObject], kind: str) -> list[FieldError]:
    if len(endpoints) > MAX_ENDPOINTS:
        return [field.too_many(Path("endpoints"), len(endpoints), MAX_ENDPOINTS)]
    errors: list[FieldError] = []
    for at, endpoint in enumerate(endpoints):
        path = Path("endpoints").index(at)
        errors += _validate_addresses(items(endpoint, "addresses"), kind, path.child("addresses"))
        if endpoint.get("nodeName") is not None:
            errors += validate_dns1123_subdomain(endpoint["nodeName"], path.child("nodeName"))
        errors += _validate_topology(
            endpoint.get("deprecatedTopology") or {}, path.child("deprecatedTopology")
        )
        if endpoint.get("hostname") is not None:
            errors += validate_dns1123_label(endpoint["hostname"], path.child("hostname"))
        if endpoint.get("hints") is not None:
            errors += _validate_zones(items(endpoint["hints"], "forZones"), path.child("hints", "forZones"))
    return errors


def _validate_addresses(addresses: list[str], kind: str, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    if not addresses:
        errors.append(field.required(path, "must contain at least 1 address"))
    elif len(addresses) > MAX_ADDRESSES:
        errors.append(field.too_many(path, len(addresses), MAX_ADDRESSES))
    for at, address in enumerate(addresses):
        place = path.index(at)
        if kind == "FQDN":
            errors += _validate_domain(address, place)
        elif kind in {"IPv4", "IPv6"}:
            texts = is_valid_ipv4_address(address) if kind == "IPv4" else is_valid_ipv6_address(address)
            errors += [field.invalid(place, address, text) for text in texts]
            errors += validate_non_special_ip(address, place)
    return errors


def _validate_domain(name: str, path: Path) -> list[FieldError]:
    if not name:
        return [field.required(path)]
    shown = name.removesuffix(".")
    return [field.invalid(path, shown, text) for text in is_fully_qualified_domain_name(name)]


def _validate_topology(topology: dict[str, str], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    if len(topology) > MAX_TOPOLOGY_LABELS:
        errors.append(field.too_many(path, len(topology), MAX_TOPOLOGY_LABELS))
    errors += validate_labels(topology, path)
    if _ZONE in topology:
        errors.append(field.internal_error(path.key(_ZONE), "reserved key was not removed in conversion"))
    return errors


def _validate_zones(zones: list[JSONObject], path: Path) -> list[FieldError]:
    if len(zones) > MAX_ZONE_HINTS:
        return [field.too_many(path, len(zones), MAX_ZONE_HINTS)]
    errors: list[FieldError] = []
    seen: set[str] = set()
    for at, zone in enumerate(zones):
        name, place = zone.get("name") or "", path.index(at).child("name")
        if name in seen:
            errors.append(field.duplicate(place, name))
        seen.add(name)
        errors += [field.invalid(place, name, text) for text in is_valid_label_value(name)]
    return errors


def _validate_ports(ports: list[JSONObject]) -> list[FieldError]:
    if len(ports) > MAX_PORTS:
        return [field.too_many(Path("ports"), len(ports), MAX_PORTS)]
    errors: list[FieldError] = []
    names: set[str] = set()
    for at, port in enumerate(ports):
        path, name = Path("ports").index(at), port.get("name") or ""
        if name:
            errors += validate_dns1123_label(name, path.child("name"))
        if name in names:
            errors.append(field.duplicate(path.child("name"), name))
        names.add(name)
        errors += validate_protocol(port.get("protocol"), path.child("protocol"))
        if port.get("appProtocol") is not None:
            errors += validate_qualified_name(port["appProtocol"], path.child("appProtocol"))
    return errors


def indexes(endpoint_slice: JSONObject) -> Iterable[tuple[str, str]]:
    """`address`: those that do not belong to a Pod. All the others are found through the Pod, so that a slice of a hundred
    Pods has not a hundred entries to be written with each change of it.
    """
    for endpoint in items(endpoint_slice, "endpoints"):
        if dig(endpoint, "targetRef", "kind", default="") != "Pod":
            for address in dict.fromkeys(items(endpoint, "addresses")):
                yield "address", address


def cells(endpoint_slice: JSONObject, now: datetime) -> Cells:
    ports = [_port_text(port) for port in items(endpoint_slice, "ports")]
    addresses = [a for e in items(endpoint_slice, "endpoints") for a in items(e, "addresses")]
    return [
        name_of(endpoint_slice),
        endpoint_slice.get("addressType") or "",
        and_more(ports, len(ports)) or "<unset>",
        and_more(addresses, len(addresses)) or "<unset>",
        time_since(created(endpoint_slice), now),
    ]


def _port_text(port: JSONObject) -> str:
    if port.get("port") is not None:
        return str(port["port"])
    return "*" if port.get("name") is None else str(port["name"])
