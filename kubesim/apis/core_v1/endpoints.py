"""Endpoints: the addresses behind a Service, as sets of addresses that share ports.

Sources: pkg/registry/core/endpoint/strategy.go, pkg/apis/core/validation, pkg/api/endpoints/util.go.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.scheme import Cells, Column
from kubesim.apis.endpointsubsets import is_packed, repack_subsets
from kubesim.apis.meta import (
    AGE,
    NAME,
    NONE,
    SHOWN,
    and_more,
    created,
    drop_empty,
    host_port,
    items,
    validate_dns1123_label,
    validate_dns1123_subdomain,
    validate_ip,
    validate_non_special_ip,
    validate_port_num,
    validate_protocol,
    validate_qualified_name,
)
from kubesim.util.durations import time_since
from kubesim.util.jsontypes import JSONObject

COLUMNS: Final = (NAME, Column("Endpoints", description="Addresses that are ready, with their ports."), AGE)


def default(endpoints: JSONObject) -> None:
    """SetDefaults_Endpoints."""
    drop_empty(endpoints, ("subsets",))
    for subset in items(endpoints, "subsets"):
        drop_empty(subset, ("addresses", "notReadyAddresses", "ports"))
        for port in items(subset, "ports"):
            drop_empty(port, ("name",))
            port["port"] = port.get("port") or 0
            if not port.get("protocol"):
                port["protocol"] = "TCP"
        for address in (*items(subset, "addresses"), *items(subset, "notReadyAddresses")):
            drop_empty(address, ("hostname",))


def prepare_create(endpoints: JSONObject) -> None:
    """Bring the subsets into their canonical form.

    The API server does so after validation, so that errors speak of the subsets as the user wrote them; here
    what will be refused is left as it is.
    """
    subsets = items(endpoints, "subsets")
    if subsets and not is_packed(subsets) and not validate(endpoints):
        endpoints["subsets"] = repack_subsets(subsets)


def prepare_update(new: JSONObject, old: JSONObject) -> None:
    if new.get("subsets") != old.get("subsets"):
        prepare_create(new)


def validate(endpoints: JSONObject) -> list[FieldError]:
    """ValidateEndpoints."""
    errors: list[FieldError] = []
    for at, subset in enumerate(items(endpoints, "subsets")):
        path = Path("subsets").index(at)
        if not subset.get("addresses") and not subset.get("notReadyAddresses"):
            errors.append(field.required(path, "must specify `addresses` or `notReadyAddresses`"))
        for name in ("addresses", "notReadyAddresses"):
            listed = path.child(name)
            for place, address in enumerate(items(subset, name)):
                errors += _validate_address(address, listed.index(place))
        ports = items(subset, "ports")
        for place, port in enumerate(ports):
            errors += _validate_port(port, path.child("ports").index(place), named=len(ports) > 1)
    return errors


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    return validate(new)


def _validate_address(address: JSONObject, path: Path) -> list[FieldError]:
    value, host, node = address.get("ip") or "", address.get("hostname"), address.get("nodeName")
    place = path.child("ip")
    errors = validate_ip(value, place)
    if host:
        errors += validate_dns1123_label(host, path.child("hostname"))
    if node is not None:
        errors += validate_dns1123_subdomain(node, path.child("nodeName"))
    return errors + validate_non_special_ip(value, place)


def _validate_port(port: JSONObject, path: Path, *, named: bool) -> list[FieldError]:
    errors: list[FieldError] = []
    if port.get("name"):
        errors += validate_dns1123_label(port["name"], path.child("name"))
    elif named:
        errors.append(field.required(path.child("name")))
    errors += validate_port_num(port.get("port") or 0, path.child("port"))
    errors += validate_protocol(port.get("protocol"), path.child("protocol"))
    if port.get("appProtocol") is not None:
        errors += validate_qualified_name(port["appProtocol"], path.child("appProtocol"))
    return errors


def cells(endpoints: JSONObject, now: datetime) -> Cells:
    return [name_of(endpoints), format_endpoints(endpoints), time_since(created(endpoints), now)]


def format_endpoints(endpoints: JSONObject) -> str:
    """`10.244.0.4:80,10.244.0.5:80,10.244.0.6:80 + 2 more...`; empty where no address is ready."""
    subsets = items(endpoints, "subsets")
    if not subsets:
        return NONE
    shown: list[str] = []
    count = 0
    for subset in subsets:
        addresses = items(subset, "addresses")
        ports = items(subset, "ports")
        count += len(addresses) * (len(ports) or 1)
        for port in ports or [None]:
            shown += [_shown(address, port) for address in addresses[: SHOWN - len(shown)]]
    return and_more(shown, count)


def _shown(address: JSONObject, port: JSONObject | None) -> str:
    return host_port(address["ip"], port["port"]) if port else str(address["ip"])
