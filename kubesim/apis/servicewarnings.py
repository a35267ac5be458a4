"""What the API server says in Warning headers of a Service that it takes: pkg/api/service/warnings.go."""

from __future__ import annotations

from typing import Final

from kubesim.apimachinery.meta import annotations_of
from kubesim.apimachinery.names import ip_family
from kubesim.apis.meta import canonical_ip, items
from kubesim.apis.servicespec import CLUSTER_IP, EXTERNAL_NAME, NONE, spec_of, type_of
from kubesim.apis.servicevalidation import TOPOLOGY_HINTS, TOPOLOGY_MODE
from kubesim.util.gotext import quote
from kubesim.util.jsontypes import JSONObject

_FUTURE: Final = "was accepted, but will be invalid in a future Kubernetes release"


def warnings(new: JSONObject, old: JSONObject | None) -> list[str]:
    """GetWarningsForService."""
    spec = spec_of(new)
    texts: list[str] = []
    if TOPOLOGY_HINTS in annotations_of(new):
        texts.append(f"annotation {TOPOLOGY_HINTS} is deprecated, please use {TOPOLOGY_MODE} instead")
    if spec.get("clusterIP") != NONE and type_of(new) != EXTERNAL_NAME:
        for at, address in enumerate(items(spec, "clusterIPs")):
            texts += ip_warnings(f"spec.clusterIPs[{at}]", address)
    if type_of(new) == CLUSTER_IP and spec.get("clusterIP") == NONE:
        texts += _headless(spec)
    for at, address in enumerate(items(spec, "externalIPs")):
        texts += ip_warnings(f"spec.externalIPs[{at}]", address)
    if spec.get("loadBalancerIP"):
        texts += ip_warnings("spec.loadBalancerIP", spec["loadBalancerIP"])
    for at, value in enumerate(items(spec, "loadBalancerSourceRanges")):
        texts += cidr_warnings(f"spec.loadBalancerSourceRanges[{at}]", value)
    if type_of(new) == EXTERNAL_NAME and spec.get("externalIPs"):
        texts.append(f'spec.externalIPs is ignored when spec.type is "{EXTERNAL_NAME}"')
    if type_of(new) != EXTERNAL_NAME and spec.get("externalName"):
        texts.append(f'spec.externalName is ignored when spec.type is not "{EXTERNAL_NAME}"')
    return texts


def _headless(spec: JSONObject) -> list[str]:
    ignored = (
        ("loadBalancerIP", bool(spec.get("loadBalancerIP"))),
        ("externalIPs", bool(spec.get("externalIPs"))),
        ("SessionAffinity", spec.get("sessionAffinity") != "None"),
    )
    return [f"spec.{name} is ignored for headless services" for name, is_set in ignored if is_set]


def ip_warnings(path: str, address: str) -> list[str]:
    """What is odd about an address that is still accepted."""
    problem = _parse_problem(address)
    if problem:
        return [f"{path}: IP address {_FUTURE}: {problem}"]
    if ":" not in address or canonical_ip(address) == address:
        return []
    return [_not_canonical(path, "address", address, canonical_ip(address))]


def cidr_warnings(path: str, value: str) -> list[str]:
    """Likewise for a range of addresses."""
    address, _, length = value.partition("/")
    problem = _parse_problem(address)
    if not problem and len(length) > 1 and length.startswith("0"):
        problem = f"bad bits after slash: {quote(length)}"
    if problem:
        return [f"{path}: IP prefix {_FUTURE}: netip.ParsePrefix({quote(value)}): {problem}"]
    if ":" not in address or canonical_ip(address) == address:
        return []
    return [_not_canonical(path, "prefix", value, f"{canonical_ip(address)}/{length}")]


def _not_canonical(path: str, what: str, value: str, canonical: str) -> str:
    wanted = f"is not in RFC 5952 canonical format ({quote(canonical)})"
    return f"{path}: IPv6 {what} {quote(value)} {wanted}, which may cause controller apply-loops"


def _parse_problem(address: str) -> str:
    """Why Go's strict netip.ParseAddr refuses what the lenient parser takes."""
    at = next((i for i, c in enumerate(address) if c.isspace()), None)
    if at is not None:
        return f"ParseAddr({quote(address)}): unexpected character (at {quote(address[at:])})"
    if not ip_family(address):
        return f"ParseAddr({quote(address)}): unable to parse IP"
    numbers = address.rpartition(":")[2].split(".")
    if len(numbers) == 4 and any(len(n) > 1 and n.startswith("0") for n in numbers):
        return f"ParseAddr({quote(address)}): IPv4 field has octet with leading zero"
    return ""
