"""Which Services are refused, and why: ValidateService of pkg/apis/core/validation, in its order.

What depends on the cluster (which addresses and node ports are free, which families it has) is decided where
they are allocated: registry.service.
"""

from __future__ import annotations

from typing import Any, Final

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, GoValue, Path
from kubesim.apimachinery.meta import annotations_of
from kubesim.apimachinery.names import ip_family
from kubesim.apimachinery.objectmeta import validate_labels
from kubesim.apis.meta import (
    is_dual_stack,
    items,
    validate_cidr,
    validate_dns1123_label,
    validate_dns1123_subdomain,
    validate_ip,
    validate_non_special_ip,
    validate_port_num,
    validate_port_num_or_name,
    validate_protocol,
    validate_qualified_name,
)
from kubesim.apis.servicespec import (
    CLUSTER_IP,
    EXTERNAL_NAME,
    LOAD_BALANCER,
    NODE_PORT,
    NONE,
    cluster_ips_of,
    externally_accessible,
    is_headless,
    needs_health_check,
    ports_of,
    spec_of,
    type_of,
)
from kubesim.util.gotext import quote
from kubesim.util.jsontypes import JSONObject, dig

TOPOLOGY_HINTS: Final = "service.kubernetes.io/topology-aware-hints"
TOPOLOGY_MODE: Final = "service.kubernetes.io/topology-mode"
SOURCE_RANGES: Final = "service.beta.kubernetes.io/load-balancer-source-ranges"
MAX_AFFINITY_SECONDS: Final = 86400

_SPEC: Final = Path("spec")
_PORTS: Final = Path("spec.ports")
_CLUSTER_IPS: Final = Path("spec.clusterIPs")
_FAMILIES: Final = Path("spec.ipFamilies")
_POLICY: Final = Path("spec.ipFamilyPolicy")
_TYPES: Final = (CLUSTER_IP, EXTERNAL_NAME, LOAD_BALANCER, NODE_PORT)
_FAMILY_NAMES: Final = ("IPv4", "IPv6")
_POLICIES: Final = ("PreferDualStack", "RequireDualStack", "SingleStack")
_TRAFFIC_POLICIES: Final = ("Cluster", "Local")
_ONLY_LOAD_BALANCER: Final = "may only be used when `type` is 'LoadBalancer'"
_UNCHANGEABLE: Final = "may not change once set"


def validate(service: JSONObject) -> list[FieldError]:
    """Every reason why this Service is refused, apart from its metadata: ValidateService."""
    spec = spec_of(service)
    return [
        *_validate_topology_annotations(service),
        *_validate_type_requirements(service, spec),
        *_validate_ports(service),
        *validate_labels(spec.get("selector") or {}, _SPEC.child("selector")),
        *_validate_session_affinity(spec),
        *validate_cluster_ips_related_fields(service),
        *_validate_external_ips(spec),
        *_validate_type(spec),
        *_validate_port_numbers(service),
        *_validate_source_ranges(service, spec),
        *_validate_load_balancer_fields(spec),
        *_validate_load_balancer_class(service, None),
        *_validate_external_traffic_policy(service, spec),
        *_validate_internal_traffic_policy(spec),
        *_validate_traffic_distribution(spec),
    ]


def validate_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    """ValidateServiceUpdate, without that of metadata."""
    errors = _validate_cluster_ips_change(new, old)
    errors += _validate_families_change(new, old)
    errors += _validate_load_balancer_class(new, old)
    port = "healthCheckNodePort"
    if (
        needs_health_check(old)
        and needs_health_check(new)
        and (spec_of(new).get(port) or 0) != (spec_of(old).get(port) or 0)
    ):
        errors.append(field.forbidden(_SPEC.child(port), "field is immutable"))
    return errors + validate(new)


def validate_status_update(new: JSONObject, old: JSONObject) -> list[FieldError]:
    """ValidateServiceStatusUpdate, without that of metadata."""
    return validate_load_balancer_status(
        dig(new, "status", "loadBalancer", default={}), Path("status.loadBalancer"), type_of(new)
    )


def validate_load_balancer_status(status: JSONObject, path: Path, service_type: str) -> list[FieldError]:
    ingress = path.child("ingress")
    points = items(status, "ingress")
    if service_type != LOAD_BALANCER and points:
        return [field.forbidden(ingress, "may only be used when `spec.type` is 'LoadBalancer'")]
    errors: list[FieldError] = []
    for at, point in enumerate(points):
        errors += _validate_ingress_point(point, ingress.index(at))
    return errors


def _validate_ingress_point(point: JSONObject, path: Path) -> list[FieldError]:
    address, host, mode = point.get("ip"), point.get("hostname"), point.get("ipMode")
    errors = validate_ip(address, path.child("ip")) if address else []
    if mode is None:
        if address:
            errors.append(field.required(path.child("ipMode"), "must be specified when `ip` is set"))
    elif not address:
        errors.append(field.forbidden(path.child("ipMode"), "may not be specified when `ip` is not set"))
    elif mode not in {"VIP", "Proxy"}:
        errors.append(field.not_supported(path.child("ipMode"), mode, ("Proxy", "VIP")))
    if host:
        errors += validate_dns1123_subdomain(host, path.child("hostname"))
        if ip_family(host):
            detail = "must be a DNS name, not an IP address"
            errors.append(field.invalid(path.child("hostname"), host, detail))
    return errors


def validate_cluster_ips_related_fields(service: JSONObject) -> list[FieldError]:
    """clusterIP, clusterIPs, ipFamilies and ipFamilyPolicy for themselves and against each other.

    The allocators ask this too, before they look at these fields: ValidateServiceClusterIPsRelatedFields.
    """
    if type_of(service) == EXTERNAL_NAME:
        return []
    spec = spec_of(service)
    addresses, families = cluster_ips_of(service), items(spec, "ipFamilies")
    errors = _validate_singular(spec, addresses)
    errors += _validate_families(families)
    policy = spec.get("ipFamilyPolicy")
    if policy is not None and policy not in _POLICIES:
        errors.append(field.not_supported(_POLICY, policy, _POLICIES))
    wrong, hopeless = _validate_addresses(addresses)
    errors += wrong
    if len(addresses) > 2:
        errors.append(field.invalid(_CLUSTER_IPS, go_strings(addresses), "may only hold up to 2 values"))
    if hopeless:  # what follows would only repeat it in other words
        return errors
    if len(addresses) > 1 and not is_dual_stack(addresses):
        detail = "may specify no more than one IP for each IP family"
        errors.append(field.invalid(_CLUSTER_IPS, go_strings(addresses), detail))
    if not is_headless(service):
        for at, (address, family) in enumerate(zip(addresses, families, strict=False)):
            if family in _FAMILY_NAMES and family != f"IPv{ip_family(address) or 4}":
                detail = f"expected an {family} value as indicated by `ipFamilies[{at}]`"
                errors.append(field.invalid(_CLUSTER_IPS.index(at), address, detail))
    return errors


def _validate_singular(spec: JSONObject, addresses: list[str]) -> list[FieldError]:
    """`clusterIP` repeats the first of `clusterIPs`."""
    address = spec.get("clusterIP")
    if not address:
        if addresses:
            detail = "must be empty when `clusterIP` is not specified"
            return [field.invalid(_CLUSTER_IPS, go_strings(addresses), detail)]
        return []
    if not addresses:
        return [field.required(_CLUSTER_IPS)]
    if addresses[0] != address:
        return [field.invalid(_CLUSTER_IPS, go_strings(addresses), "first value must match `clusterIP`")]
    return []


def _validate_families(families: list[str]) -> list[FieldError]:
    errors: list[FieldError] = []
    for at, family in enumerate(families):
        if family not in _FAMILY_NAMES:
            errors.append(field.not_supported(_FAMILIES.index(at), family, _FAMILY_NAMES))
        if family in families[:at]:
            errors.append(field.duplicate(_FAMILIES.index(at), family))
    return errors


def _validate_addresses(addresses: list[str]) -> tuple[list[FieldError], bool]:
    errors: list[FieldError] = []
    for at, address in enumerate(addresses):
        if at == 0 and address == NONE:
            if len(addresses) > 1:
                detail = "'None' must be the first and only value"
                errors.append(field.invalid(_CLUSTER_IPS, go_strings(addresses), detail))
            continue
        errors += validate_ip(address, _CLUSTER_IPS.index(at))
    return errors, bool(errors)


def _validate_topology_annotations(service: JSONObject) -> list[FieldError]:
    annotations = annotations_of(service)
    hints, mode = annotations.get(TOPOLOGY_HINTS), annotations.get(TOPOLOGY_MODE)
    if hints is None or mode is None or hints == mode:
        return []
    detail = f"must match annotations[{TOPOLOGY_HINTS}] when both are specified"
    return [field.invalid(Path("metadata.annotations").key(TOPOLOGY_MODE), mode, detail)]


def _validate_type_requirements(service: JSONObject, spec: JSONObject) -> list[FieldError]:
    """What each type must, or must not, have."""
    kind = type_of(service)
    errors: list[FieldError] = []
    if not ports_of(service) and not is_headless(service) and kind != EXTERNAL_NAME:
        errors.append(field.required(_PORTS))
    if kind in {LOAD_BALANCER, NODE_PORT} and is_headless(service):
        detail = f"may not be set to 'None' for {kind} services"
        errors.append(field.invalid(_CLUSTER_IPS.index(0), NONE, detail))
    if kind == EXTERNAL_NAME:
        for path, name in (
            (_CLUSTER_IPS, "clusterIPs"),
            (_FAMILIES, "ipFamilies"),
            (_POLICY, "ipFamilyPolicy"),
        ):
            if spec.get(name):
                errors.append(field.forbidden(path, "may not be set for ExternalName services"))
        path = _SPEC.child("externalName")
        cname = (spec.get("externalName") or "").removesuffix(".")
        errors += validate_dns1123_subdomain(cname, path) if cname else [field.required(path)]
    return errors


def _validate_ports(service: JSONObject) -> list[FieldError]:
    errors: list[FieldError] = []
    ports = ports_of(service)
    names: set[str] = set()
    for at, port in enumerate(ports):
        path = _PORTS.index(at)
        name = port.get("name") or ""
        if name:
            errors += validate_dns1123_label(name, path.child("name"))
            if name in names:
                errors.append(field.duplicate(path.child("name"), name))
            names.add(name)
        elif len(ports) > 1:
            errors.append(field.required(path.child("name")))
        errors += validate_port_num(port.get("port") or 0, path.child("port"))
        errors += validate_protocol(port.get("protocol"), path.child("protocol"))
        target = port.get("targetPort")
        errors += validate_port_num_or_name(0 if target is None else target, path.child("targetPort"))
        if port.get("appProtocol") is not None:
            errors += validate_qualified_name(port["appProtocol"], path.child("appProtocol"))
    return errors


def _validate_session_affinity(spec: JSONObject) -> list[FieldError]:
    affinity, config = spec.get("sessionAffinity"), spec.get("sessionAffinityConfig")
    errors: list[FieldError] = []
    if not affinity:
        errors.append(field.required(_SPEC.child("sessionAffinity")))
    elif affinity not in {"ClientIP", "None"}:
        errors.append(field.not_supported(_SPEC.child("sessionAffinity"), affinity, ("ClientIP", "None")))
    path = _SPEC.child("sessionAffinityConfig")
    if affinity == "ClientIP":
        errors += _validate_client_ip(config, path)
    elif affinity == "None" and config is not None:
        errors.append(field.forbidden(path, "must not be set when session affinity is None"))
    return errors


def _validate_client_ip(config: JSONObject | None, path: Path) -> list[FieldError]:
    detail = "when session affinity type is ClientIP"
    if config is None:
        return [field.required(path, detail)]
    path = path.child("clientIP")
    if config.get("clientIP") is None:
        return [field.required(path, detail)]
    path = path.child("timeoutSeconds")
    seconds = config["clientIP"].get("timeoutSeconds")
    if seconds is None:
        return [field.required(path, detail)]
    if 0 < seconds <= MAX_AFFINITY_SECONDS:
        return []
    return [field.invalid(path, seconds, f"must be greater than 0 and less than {MAX_AFFINITY_SECONDS}")]


def _validate_external_ips(spec: JSONObject) -> list[FieldError]:
    errors: list[FieldError] = []
    for at, address in enumerate(items(spec, "externalIPs")):
        path = _SPEC.child("externalIPs").index(at)
        errors += validate_ip(address, path) or validate_non_special_ip(address, path)
    return errors


def _validate_type(spec: JSONObject) -> list[FieldError]:
    kind = spec.get("type")
    if not kind:
        return [field.required(_SPEC.child("type"))]
    return [] if kind in _TYPES else [field.not_supported(_SPEC.child("type"), kind, _TYPES)]


def _validate_port_numbers(service: JSONObject) -> list[FieldError]:
    """Node ports only where the type has them; no node port and no port twice with one protocol."""
    errors: list[FieldError] = []
    ports = ports_of(service)
    if type_of(service) == CLUSTER_IP:
        detail = "may not be used when `type` is 'ClusterIP'"
        errors += [
            field.forbidden(_PORTS.index(at).child("nodePort"), detail)
            for at, port in enumerate(ports)
            if port.get("nodePort")
        ]
    node_ports: set[tuple[Any, Any]] = set()
    for at, port in enumerate(ports):
        key = port.get("protocol"), port.get("nodePort")
        if key[1]:
            if key in node_ports:
                errors.append(field.duplicate(_PORTS.index(at).child("nodePort"), key[1]))
            node_ports.add(key)
    numbers: set[tuple[Any, Any]] = set()
    for at, port in enumerate(ports):
        key = port.get("protocol"), port.get("port") or 0
        if key in numbers:
            errors.append(field.duplicate(_PORTS.index(at), _go_port(*key)))
        numbers.add(key)
    return errors


def _go_port(protocol: str | None, port: int) -> GoValue:
    """The key by which Kubernetes finds doubles is a ServicePort with two fields set; it prints all of it."""
    return GoValue(
        f'core.ServicePort{{Name:"", Protocol:{quote(protocol or "")}, AppProtocol:(*string)(nil), '
        f'Port:{port}, TargetPort:intstr.IntOrString{{Type:0, IntVal:0, StrVal:""}}, NodePort:0}}'
    )


def _validate_source_ranges(service: JSONObject, spec: JSONObject) -> list[FieldError]:
    ranges = items(spec, "loadBalancerSourceRanges")
    annotation = annotations_of(service).get(SOURCE_RANGES)
    errors: list[FieldError] = []
    if ranges:
        path = _SPEC.child("LoadBalancerSourceRanges")  # spelled so upstream
    elif annotation is not None:
        path = Path("metadata.annotations").key(SOURCE_RANGES)
    else:
        return []
    if spec.get("type") != LOAD_BALANCER:
        errors.append(field.forbidden(path, _ONLY_LOAD_BALANCER))
    if ranges:
        for at, value in enumerate(ranges):
            errors += validate_cidr(value.strip(), path.index(at))
    elif annotation and annotation.strip():
        for value in annotation.split(","):
            errors += validate_cidr(value.strip(), path)
    return errors


def _validate_load_balancer_fields(spec: JSONObject) -> list[FieldError]:
    name = "allocateLoadBalancerNodePorts"
    if spec.get("type") != LOAD_BALANCER:
        return [] if spec.get(name) is None else [field.forbidden(_SPEC.child(name), _ONLY_LOAD_BALANCER)]
    return [field.required(Path(name))] if spec.get(name) is None else []


def _validate_load_balancer_class(new: JSONObject, old: JSONObject | None) -> list[FieldError]:
    path = _SPEC.child("loadBalancerClass")
    name = spec_of(new).get("loadBalancerClass")
    errors: list[FieldError] = []
    if type_of(new) != LOAD_BALANCER:
        return [] if name is None else [field.forbidden(path, _ONLY_LOAD_BALANCER)]
    if old is not None and type_of(old) == LOAD_BALANCER and spec_of(old).get("loadBalancerClass") != name:
        errors.append(field.invalid(path, go_pointed(name), _UNCHANGEABLE))
    if name is not None:
        errors += validate_qualified_name(name, path)
    return errors


def _validate_external_traffic_policy(service: JSONObject, spec: JSONObject) -> list[FieldError]:
    path, policy = _SPEC.child("externalTrafficPolicy"), spec.get("externalTrafficPolicy") or ""
    errors: list[FieldError] = []
    if not externally_accessible(service):
        if policy:
            detail = "may only be set for externally-accessible services"
            errors.append(field.invalid(path, policy, detail))
    elif not policy:
        errors.append(field.required(path))
    elif policy not in _TRAFFIC_POLICIES:
        errors.append(field.not_supported(path, policy, _TRAFFIC_POLICIES))
    path, port = _SPEC.child("healthCheckNodePort"), spec.get("healthCheckNodePort") or 0
    if needs_health_check(service):
        errors += validate_port_num(port, path) if port else [field.required(path)]
    elif port:
        detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        errors.append(field.invalid(path, port, detail))
    return errors


def _validate_internal_traffic_policy(spec: JSONObject) -> list[FieldError]:
    path, policy = _SPEC.child("internalTrafficPolicy"), spec.get("internalTrafficPolicy")
    if policy is None:
        # Nothing forbids the field to other types: it was not checked before it went beta.
        return [field.required(path)] if spec.get("type") in {CLUSTER_IP, NODE_PORT, LOAD_BALANCER} else []
    return [] if policy in _TRAFFIC_POLICIES else [field.not_supported(path, policy, _TRAFFIC_POLICIES)]


def _validate_traffic_distribution(spec: JSONObject) -> list[FieldError]:
    value = spec.get("trafficDistribution")
    if value is None or value == "PreferClose":
        return []
    return [field.not_supported(_SPEC.child("trafficDistribution"), value, ("PreferClose",))]


def _validate_cluster_ips_change(new: JSONObject, old: JSONObject) -> list[FieldError]:
    """A second address may come and go, the first one stays: validateUpgradeDowngradeClusterIPs."""
    if EXTERNAL_NAME in {type_of(new), type_of(old)} or (is_headless(old) and is_headless(new)):
        return []
    before, after = cluster_ips_of(old), cluster_ips_of(new)
    shown = go_strings(spec_of(new).get("clusterIPs"))
    if len(before) == len(after):
        return [
            field.invalid(_CLUSTER_IPS.index(at), shown, _UNCHANGEABLE)
            for at, address in enumerate(before)
            if address != after[at]
        ]
    errors: list[FieldError] = []
    if not after:
        errors.append(field.invalid(_CLUSTER_IPS.index(0), shown, "primary clusterIP can not be unset"))
    if before and after and before[0] != after[0]:
        errors.append(field.invalid(_CLUSTER_IPS.index(0), shown, _UNCHANGEABLE))
    if len(before) > len(after) == 1:
        errors += _validate_release(new, "clusterIP")
    return errors


def _validate_families_change(new: JSONObject, old: JSONObject) -> list[FieldError]:
    """Likewise for families, where the Service is not headless: validateUpgradeDowngradeIPFamilies."""
    if EXTERNAL_NAME in {type_of(new), type_of(old)} or is_headless(new) or is_headless(old):
        return []
    before, after = items(spec_of(old), "ipFamilies"), items(spec_of(new), "ipFamilies")
    shown = go_strings(spec_of(new).get("ipFamilies"), "core.IPFamily")
    if len(before) == len(after):
        return [
            field.invalid(_FAMILIES.index(0), shown, _UNCHANGEABLE)
            for at, family in enumerate(before)
            if family != after[at]
        ]
    errors: list[FieldError] = []
    addresses = spec_of(new).get("clusterIPs")
    if len(before) > len(after) and not addresses:
        errors.append(field.invalid(_FAMILIES.index(0), shown, "primary ipFamily can not be unset"))
    if before and after and before[0] != after[0]:
        # Upstream shows the addresses here, not the families.
        errors.append(field.invalid(_FAMILIES.index(0), go_strings(addresses), _UNCHANGEABLE))
    if len(before) > len(after) == 1:
        errors += _validate_release(new, "ipFamily")
    return errors


def _validate_release(new: JSONObject, what: str) -> list[FieldError]:
    policy = spec_of(new).get("ipFamilyPolicy")
    if policy == "SingleStack":
        return []
    detail = f"must be set to 'SingleStack' when releasing the secondary {what}"
    return [field.invalid(_POLICY, go_pointed(policy), detail)]


def go_strings(values: list[str] | None, kind: str = "string") -> GoValue:
    """A slice of strings as %#v prints it; what is missing is nil."""
    if values is None:
        return GoValue(f"[]{kind}(nil)")
    return GoValue(f"[]{kind}{{{', '.join(map(quote, values))}}}")


def go_pointed(value: str | None) -> str:
    """What a pointer to a string points to, `null` where it is nil, as field errors show it."""
    return "null" if value is None else value
