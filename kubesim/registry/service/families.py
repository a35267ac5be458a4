"""The linked fields of a Service that hold its addresses: clusterIP, clusterIPs, ipFamilies and
ipFamilyPolicy.

Everything here works on the object alone; what needs the store is in `alloc`. Source of rules, order and
texts: pkg/registry/core/service/storage/{storage,alloc}.go.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from kubesim.apimachinery import errors, field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.meta import name_of
from kubesim.apimachinery.names import ip_family
from kubesim.apis.lazy import lazy
from kubesim.apis.servicespec import (
    EXTERNAL_NAME,
    LOAD_BALANCER,
    NODE_PORT,
    NONE,
    cluster_ips_of,
    needs_cluster_ip,
    needs_health_check,
    ports_of,
    spec_of,
    type_of,
)
from kubesim.registry.service.ipallocator import IPV4, IPV6
from kubesim.util.jsontypes import JSONObject

SINGLE_STACK: Final = "SingleStack"
PREFER_DUAL_STACK: Final = "PreferDualStack"
REQUIRE_DUAL_STACK: Final = "RequireDualStack"

_POLICY: Final = Path("spec.ipFamilyPolicy")
_FAMILIES: Final = Path("spec.ipFamilies")
_CLUSTER_IPS: Final = Path("spec.clusterIPs")

_validate_related_fields = lazy("kubesim.apis.servicevalidation", "validate_cluster_ips_related_fields")


def families_of(service: JSONObject) -> list[str]:
    return spec_of(service).get("ipFamilies") or []


def policy_of(service: JSONObject) -> str:
    return spec_of(service).get("ipFamilyPolicy") or ""


def cluster_ip_of(service: JSONObject) -> str:
    return spec_of(service).get("clusterIP") or ""


def family_of(ip: str) -> str:
    return {4: IPV4, 6: IPV6}.get(ip_family(ip), "unknown")


def other_family(family: str) -> str:
    return IPV6 if family == IPV4 else IPV4


def allocates_node_ports(service: JSONObject) -> bool:
    """Whether a port that names no node port gets one."""
    if type_of(service) == LOAD_BALANCER:
        return spec_of(service).get("allocateLoadBalancerNodePorts") is not False
    return type_of(service) == NODE_PORT


def normalize_cluster_ips(new: JSONObject, old: JSONObject | None) -> None:
    """Have clusterIPs follow clusterIP where a client wrote only the one: normalizeClusterIPs."""
    spec = new["spec"]
    if old is None:
        if cluster_ip_of(new) and not cluster_ips_of(new):
            spec["clusterIPs"] = [spec["clusterIP"]]
        return
    before, after = cluster_ip_of(old), cluster_ip_of(new)
    if before == after:
        if cluster_ips_of(old) and not cluster_ips_of(new):
            spec["clusterIPs"] = list(cluster_ips_of(old))
    elif cluster_ips_of(old) == cluster_ips_of(new):
        if after:
            spec["clusterIPs"] = [after]
        else:
            spec.pop("clusterIPs", None)


def patch_allocated_values(new: JSONObject, old: JSONObject) -> None:
    """Carry over what was allocated and the client left out: patchAllocatedValues."""
    spec = new["spec"]
    if needs_cluster_ip(old) and needs_cluster_ip(new):
        if not cluster_ip_of(new) and cluster_ip_of(old):
            spec["clusterIP"] = cluster_ip_of(old)
        if not cluster_ips_of(new) and cluster_ips_of(old):
            spec["clusterIPs"] = list(cluster_ips_of(old))
    if allocates_node_ports(old) and allocates_node_ports(new):
        _patch_node_ports(new, old)
    if needs_health_check(old) and needs_health_check(new):
        port = spec.get("healthCheckNodePort") or spec_of(old).get("healthCheckNodePort")
        if port:
            spec["healthCheckNodePort"] = port


def _patch_node_ports(new: JSONObject, old: JSONObject) -> None:
    """Ports are told apart by name, since the user may have changed everything else of them."""
    kept = node_ports_of(old) & node_ports_of(new)
    by_name = {p.get("name") or "": p.get("nodePort") or 0 for p in ports_of(old)}
    for port in ports_of(new):
        if not port.get("nodePort"):
            before = by_name.get(port.get("name") or "", 0)
            if before and before not in kept:
                port["nodePort"] = before


def node_ports_of(service: JSONObject) -> set[int]:
    return {p["nodePort"] for p in ports_of(service) if p.get("nodePort")}


def default_on_read(service: JSONObject, primary: str) -> None:
    """Fill in what Services stored by older versions lack: defaultOnReadService. `primary` is the cluster's
    family.
    """
    normalize_cluster_ips(service, None)
    spec = service["spec"]
    if type_of(service) == EXTERNAL_NAME:
        spec.pop("internalTrafficPolicy", None)
        return
    if families_of(service):
        return
    if cluster_ip_of(service) != NONE:
        families = [family_of(ip) for ip in cluster_ips_of(service)]
        policy = {1: SINGLE_STACK, 2: REQUIRE_DUAL_STACK}.get(len(families))
    elif spec.get("selector"):
        families, policy = [primary], SINGLE_STACK
    else:
        families, policy = [primary, other_family(primary)], REQUIRE_DUAL_STACK
    if families:
        spec["ipFamilies"] = families
    if policy:
        spec["ipFamilyPolicy"] = policy


def keeps_preferred_families(new: JSONObject, old: JSONObject | None) -> bool:
    """Whether nothing asks to change the families of a PreferDualStack Service.

    Such a Service neither gains nor loses a family because the cluster did:
    isMatchingPreferDualStackClusterIPFields.
    """
    return (
        old is not None
        and policy_of(new) == PREFER_DUAL_STACK
        and type_of(old) == type_of(new)
        and needs_cluster_ip(new)
        and policy_of(old) in {"", PREFER_DUAL_STACK}
        and cluster_ips_of(old) == cluster_ips_of(new)
        and families_of(old) == families_of(new)
    )


def init_family_fields(new: JSONObject, old: JSONObject | None, configured: Collection[str]) -> None:
    """Settle ipFamilyPolicy and ipFamilies: initIPFamilyFields. `configured` are the cluster's families in
    order.

    Raises StatusError (422) for what contradicts itself or the cluster.
    """
    if type_of(new) == EXTERNAL_NAME or keeps_preferred_families(new, old):
        return
    selectorless = cluster_ip_of(new) == NONE and not spec_of(new).get("selector")
    _default_policy(new, old, selectorless=selectorless)
    _refuse(new, _validate_related_fields(new))
    found = _fit_to_old(new, old) if old is not None else []
    found += _contradictions(new)
    found += _infer_families(new, configured)
    _refuse(new, found)
    primary = next(iter(configured))
    if selectorless:
        # Headless without a selector: whoever makes the endpoints decides, whatever the cluster has.
        _complete_families(new, primary, dual=True)
        return
    _refuse(new, _not_configured(new, configured))
    _complete_families(new, primary, dual=len(configured) == 2)


def _default_policy(new: JSONObject, old: JSONObject | None, *, selectorless: bool) -> None:
    spec = new["spec"]
    if spec.get("ipFamilyPolicy") is None:
        before = policy_of(old) if old is not None else ""
        spec["ipFamilyPolicy"] = before or (REQUIRE_DUAL_STACK if selectorless else SINGLE_STACK)


def _fit_to_old(new: JSONObject, old: JSONObject) -> list[FieldError]:
    """Give up the second family where the policy says so; refuse to where it does not."""
    spec = new["spec"]
    found: list[FieldError] = []
    for name, before, after, what in (
        ("clusterIPs", cluster_ips_of(old), cluster_ips_of(new), "cluster IP"),
        ("ipFamilies", families_of(old), families_of(new), "IP family"),
    ):
        if policy_of(new) == SINGLE_STACK:
            if before == after and len(after) > 1:
                spec[name] = after[:1]
        elif after and len(after) < len(before):
            detail = f"must be 'SingleStack' to release the secondary {what}"
            found.append(field.invalid(_POLICY, policy_of(new), detail))
    return found


def _contradictions(new: JSONObject) -> list[FieldError]:
    if policy_of(new) != SINGLE_STACK:
        return []
    text = "must be 'RequireDualStack' or 'PreferDualStack' when multiple {} are specified"
    found = []
    if len(cluster_ips_of(new)) == 2:
        found.append(field.invalid(_POLICY, SINGLE_STACK, text.format("cluster IPs")))
    if len(families_of(new)) == 2:
        found.append(field.invalid(_POLICY, SINGLE_STACK, text.format("IP families")))
    return found


def _infer_families(new: JSONObject, configured: Collection[str]) -> list[FieldError]:
    """Families that are not named come from the addresses that are."""
    spec, found = new["spec"], []
    families = list(families_of(new))
    addresses = cluster_ips_of(new)
    for at, ip in enumerate(addresses):
        if ip == NONE:
            break
        if at >= len(families):
            family = family_of(ip)
            if family in configured:
                families.append(family)
            else:
                detail = f"{family} is not configured on this cluster"
                found.append(field.invalid(_CLUSTER_IPS.index(at), addresses, detail))
    if families:
        spec["ipFamilies"] = families
    return found


def _not_configured(new: JSONObject, configured: Collection[str]) -> list[FieldError]:
    found = []
    if policy_of(new) == REQUIRE_DUAL_STACK and len(configured) < 2:
        detail = "this cluster is not configured for dual-stack services"
        found.append(field.invalid(_POLICY, REQUIRE_DUAL_STACK, detail))
    for at, family in enumerate(families_of(new)):
        if family not in configured:
            found.append(field.invalid(_FAMILIES.index(at), family, "not configured on this cluster"))
    return found


def _complete_families(new: JSONObject, primary: str, *, dual: bool) -> None:
    """The cluster's first family where none is named, and the other one where the policy wants two."""
    families = families_of(new) or [primary]
    if dual and len(families) == 1 and policy_of(new) != SINGLE_STACK:
        families = [families[0], other_family(families[0])]
    new["spec"]["ipFamilies"] = families


def _refuse(service: JSONObject, found: list[FieldError]) -> None:
    if found:
        raise errors.invalid("Service", name_of(service), found)
