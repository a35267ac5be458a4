"""What controllers ask of a Pod: pkg/api/v1/pod, in a few plain functions."""

from __future__ import annotations

from ipaddress import ip_address

from kubesim.util.jsontypes import JSONObject

TERMINAL_PHASES = ("Succeeded", "Failed")


def status_of(pod: JSONObject) -> JSONObject:
    found = pod.get("status")
    return found if isinstance(found, dict) else {}


def spec_of(obj: JSONObject) -> JSONObject:
    found = obj.get("spec")
    return found if isinstance(found, dict) else {}


def condition(obj: JSONObject, name: str) -> JSONObject | None:
    """The condition of a type in `status.conditions`."""
    for found in status_of(obj).get("conditions") or ():
        if found.get("type") == name:
            return dict(found)
    return None


def is_ready(pod: JSONObject) -> bool:
    for found in status_of(pod).get("conditions") or ():
        if found["type"] == "Ready":
            return bool(found["status"] == "True")
    return False


def is_terminal(pod: JSONObject) -> bool:
    """Whether all containers have ended for good."""
    return status_of(pod).get("phase") in TERMINAL_PHASES


def ready_since(pod: JSONObject) -> str:
    """When readiness last changed; empty if it never was known. Times in this form sort as texts."""
    for found in status_of(pod).get("conditions") or ():
        if found["type"] == "Ready":
            return found.get("lastTransitionTime") or ""
    return ""


def pod_ips(pod: JSONObject) -> list[str]:
    return [entry["ip"] for entry in status_of(pod).get("podIPs") or () if entry.get("ip")]


def is_ipv6(address: str) -> bool:
    return ":" in address


def canonical_ip(address: str) -> str:
    """An address in its usual form; IPv4 is written in one way only."""
    return str(ip_address(address)) if ":" in address else address


def belongs_in_endpoints(pod: JSONObject, *, terminating_too: bool) -> bool:
    """endpointslice/util.ShouldPodBeInEndpoints."""
    status = status_of(pod)
    if status.get("phase") in TERMINAL_PHASES or not (status.get("podIP") or status.get("podIPs")):
        return False
    return terminating_too or not pod["metadata"].get("deletionTimestamp")


def has_service_hostname(pod: JSONObject, service_name: str) -> bool:
    """endpointslice/util.ShouldSetHostname; the namespaces are the same."""
    spec = spec_of(pod)
    return bool(spec.get("hostname")) and spec.get("subdomain") == service_name


def find_port(pod: JSONObject, service_port: JSONObject) -> int | None:
    """The Pod's port that a Service's port leads to; None if it has no port of that name and protocol.

    endpointslice.FindPort: containers first, then init containers that go on running.
    """
    target = service_port.get("targetPort")
    if not isinstance(target, str):
        return int(target) if target else int(service_port["port"])
    protocol = service_port.get("protocol") or "TCP"
    spec = spec_of(pod)
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    for container in [*(spec.get("containers") or ()), *sidecars]:
        for port in container.get("ports") or ():
            if port.get("name") == target and (port.get("protocol") or "TCP") == protocol:
                return int(port["containerPort"])
    return None


def endpoints_changed(old: JSONObject, new: JSONObject) -> bool:
    """Whether a Pod changed in a way that changes its endpoints: endpointslice/util.podEndpointsChanged.

    The phase is asked too: a Pod that ends for good leaves the endpoints.
    """
    before, after = old["metadata"], new["metadata"]
    return (
        before.get("deletionTimestamp") != after.get("deletionTimestamp")
        or is_ready(old) != is_ready(new)
        or is_terminal(old) != is_terminal(new)
        or pod_ips(old) != pod_ips(new)
    )


def membership_changed(old: JSONObject, new: JSONObject) -> bool:
    """Whether a Pod changed in a way that changes which Services it belongs to, or its name in them."""
    one, two = spec_of(old), spec_of(new)
    return (
        (old["metadata"].get("labels") or {}) != (new["metadata"].get("labels") or {})
        or one.get("hostname") != two.get("hostname")
        or one.get("subdomain") != two.get("subdomain")
    )


def endpoint_facts(pod: JSONObject) -> JSONObject:
    """A Pod with no more than what endpoints are made of, a twentieth of it: for those who hold many of them."""
    metadata, spec, status = pod["metadata"], spec_of(pod), status_of(pod)
    return {
        "metadata": _picked(metadata, "name", "namespace", "uid", "labels", "deletionTimestamp"),
        "spec": _picked(spec, "nodeName", "hostname", "subdomain")
        | {
            name: [_picked(c, "restartPolicy", "ports") for c in spec[name]]
            for name in ("containers", "initContainers")
            if spec.get(name)
        },
        "status": _picked(status, "phase", "podIP", "podIPs")
        | {"conditions": [c for c in status.get("conditions") or () if c["type"] == "Ready"]},
    }


def _picked(obj: JSONObject, *names: str) -> JSONObject:
    return {name: obj[name] for name in names if name in obj}
