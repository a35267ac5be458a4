"""The variables by which containers learn of Services: pkg/kubelet/envvars of Kubernetes 1.32. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from kubesim.util.jsontypes import JSONObject


def service_environment(services: Iterable[JSONObject]) -> dict[str, str]:
    """The variables of Services, those without a cluster IP left out: envvars.FromServices."""
    found: dict[str, str] = {}
    for service in services:
        spec = service.get("spec") or {}
        address = spec.get("clusterIP")
        ports = spec.get("ports") or []
        if address in (None, "", "None") or not ports:
            continue
        prefix = _variable(service["metadata"]["name"])
        found[f"{prefix}_SERVICE_HOST"] = address
        found[f"{prefix}_SERVICE_PORT"] = str(ports[0]["port"])
        for port in ports:
            if port.get("name"):
                found[f"{prefix}_SERVICE_PORT_{_variable(port['name'])}"] = str(port["port"])
        found |= _link_variables(prefix, address, ports)
    return found


def _link_variables(prefix: str, address: str, ports: list[JSONObject]) -> dict[str, str]:
    """makeLinkVariables: as Docker's links had them."""
    host = f"[{address}]" if ":" in address else address
    found: dict[str, str] = {}
    for position, port in enumerate(ports):
        protocol = port.get("protocol") or "TCP"
        number = str(port["port"])
        url = f"{protocol.lower()}://{host}:{number}"
        if position == 0:
            found[f"{prefix}_PORT"] = url
        link = f"{prefix}_PORT_{number}_{protocol.upper()}"
        found[link] = url
        found[f"{link}_PROTO"] = protocol.lower()
        found[f"{link}_PORT"] = number
        found[f"{link}_ADDR"] = address
    return found


def _variable(name: str) -> str:
    """MakeEnvVariableName"""
    return name.upper().replace("-", "_")
