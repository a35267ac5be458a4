"""The validation of a whole pod spec, and of the template of a workload: ValidatePodSpec and
ValidatePodTemplateSpec.
"""

from __future__ import annotations

import re

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, Path
from kubesim.apimachinery.names import (
    inclusive_range_error,
    is_dns1123_label,
    is_dns1123_subdomain,
    is_qualified_name,
    is_valid_ip,
)
from kubesim.apimachinery.objectmeta import validate_annotations, validate_labels
from kubesim.apis.podtemplate import containers_with_paths
from kubesim.apis.podtemplate_containers import (
    Surroundings,
    one_of,
    validate_containers,
    validate_ephemeral_containers,
    validate_init_containers,
)
from kubesim.apis.podtemplate_scheduling import (
    validate_affinity,
    validate_tolerations,
    validate_topology_spread,
)
from kubesim.apis.podtemplate_security import validate_os, validate_pod_security_context
from kubesim.apis.podtemplate_volumes import validate_volumes
from kubesim.apis.resources import validate_requirements
from kubesim.util.jsontypes import JSONObject

MAX_INT32 = (1 << 31) - 1
RESTART_POLICIES = ("Always", "OnFailure", "Never")
_DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
_MAX_NAMESERVERS, _MAX_SEARCHES, _MAX_SEARCH_LENGTH = 3, 32, 2048
_APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
_MIRROR = "kubernetes.io/config.mirror"
_DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"


def validate_pod_template(template: JSONObject, path: Path) -> list[FieldError]:
    """The errors of a PodTemplateSpec."""
    metadata = template.get("metadata") or {}
    annotations = metadata.get("annotations") or {}
    spec = template.get("spec") or {}
    errors = validate_labels(metadata.get("labels") or {}, path.child("labels"))
    errors += validate_annotations(annotations, path.child("annotations"))
    errors += validate_pod_annotations(annotations, spec, path.child("annotations"))
    errors += validate_pod_spec(spec, path.child("spec"))
    if spec.get("ephemeralContainers"):
        detail = "ephemeral containers not allowed in pod template"
        errors.append(field.forbidden(path.child("spec", "ephemeralContainers"), detail))
    return errors


def validate_pod_annotations(annotations: dict[str, str], spec: JSONObject, path: Path) -> list[FieldError]:
    """The errors of the annotations that mean something for a pod: ValidatePodSpecificAnnotations."""
    errors: list[FieldError] = []
    if _MIRROR in annotations and not spec.get("nodeName"):
        detail = "must set spec.nodeName if mirror pod annotation is set"
        errors.append(field.invalid(path.key(_MIRROR), annotations[_MIRROR], detail))
    cost = annotations.get(_DELETION_COST)
    if cost is not None and not _is_int32(cost):
        errors.append(field.invalid(path.key(_DELETION_COST), cost, "must be a 32bit integer"))
    names = {str(c.get("name")) for c, _ in containers_with_paths(spec, path)}
    for key in sorted(annotations):
        if not key.startswith(_APP_ARMOR):
            continue
        name, profile = key.removeprefix(_APP_ARMOR), annotations[key]
        if name not in names:
            errors.append(field.invalid(path.key(key), name, "container not found"))
        if profile not in {"", "runtime/default", "unconfined"} and not profile.startswith("localhost/"):
            detail = f'invalid AppArmor profile name: "{profile}"'
            errors.append(field.invalid(path.key(key), profile, detail))
    return errors


def _is_int32(text: str) -> bool:
    # As helper.GetDeletionCostFromPodAnnotations: no sign "+", no zeros in front.
    if not re.fullmatch("0|-?[1-9][0-9]*", text):
        return False
    return -MAX_INT32 - 1 <= int(text) <= MAX_INT32


def validate_pod_spec(spec: JSONObject, path: Path, pod_name: str = "") -> list[FieldError]:
    """The errors of a PodSpec. `pod_name` is given for Pods alone, whose ephemeral volumes make claims."""
    errors: list[FieldError] = []
    grace = spec.get("terminationGracePeriodSeconds")
    if grace is None:
        errors.append(field.required(path.child("terminationGracePeriodSeconds"), ""))
    volumes, volume_errors = validate_volumes(spec.get("volumes") or [], path.child("volumes"), pod_name)
    errors += volume_errors
    errors += _validate_resource_claims(spec.get("resourceClaims") or [], path.child("resourceClaims"))
    around = Surroundings(
        volumes=volumes,
        grace_period=grace,
        restart_policy=str(spec.get("restartPolicy") or ""),
        host_users=spec.get("hostUsers") is not False,
        claims={c["name"] for c in spec.get("resourceClaims") or () if c.get("name")},
    )
    regular, first = spec.get("containers") or [], spec.get("initContainers") or []
    later = spec.get("ephemeralContainers") or []
    errors += validate_containers(regular, around, path.child("containers"))
    errors += validate_init_containers(first, regular, around, path.child("initContainers"))
    at = path.child("ephemeralContainers")
    errors += validate_ephemeral_containers(later, [*regular, *first], around, at)
    errors += _validate_pod_resources(spec, path.child("resources"))
    errors += _validate_host_ports(spec, path)
    errors += one_of(spec.get("restartPolicy"), RESTART_POLICIES, path.child("restartPolicy"))
    errors += one_of(spec.get("dnsPolicy"), _DNS_POLICIES, path.child("dnsPolicy"))
    errors += validate_labels(spec.get("nodeSelector") or {}, path.child("nodeSelector"))
    errors += validate_pod_security_context(spec, path.child("securityContext"))
    errors += validate_affinity(spec.get("affinity"), path.child("affinity"))
    errors += _validate_dns_config(spec, path.child("dnsConfig"))
    errors += _validate_gates(spec, path)
    constraints = spec.get("topologySpreadConstraints") or []
    errors += validate_topology_spread(constraints, path.child("topologySpreadConstraints"))
    errors += _validate_host_users(spec, path)
    errors += _validate_names(spec, path)
    errors += validate_tolerations(spec.get("tolerations") or [], path.child("tolerations"))
    errors += _validate_host_aliases(spec.get("hostAliases") or [], path.child("hostAliases"))
    errors += _validate_classes(spec, path)
    return errors + validate_os(spec, path)


def _validate_resource_claims(claims: list[JSONObject], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    names: set[str] = set()
    for i, claim in enumerate(claims):
        at = path.index(i)
        name = str(claim.get("name") or "")
        if not name:
            errors.append(field.required(at.child("name"), ""))
        elif name in names:
            errors.append(field.duplicate(at.child("name"), name))
        else:
            errors += [field.invalid(at.child("name"), name, e) for e in is_dns1123_label(name)]
            names.add(name)
        sources = ("resourceClaimName", "resourceClaimTemplateName")
        present = [s for s in sources if claim.get(s) is not None]
        if len(present) > 1:
            detail = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            errors.append(field.invalid(at, claim, detail))
        if not present:
            detail = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            errors.append(field.invalid(at, claim, detail))
        for source in present:
            value = claim[source]
            errors += [field.invalid(at.child(source), value, e) for e in is_dns1123_subdomain(value)]
    return errors


def _validate_pod_resources(spec: JSONObject, path: Path) -> list[FieldError]:
    requirements = spec.get("resources")
    if requirements is None:
        return []
    errors: list[FieldError] = []
    if requirements.get("claims") is not None:
        detail = "claims cannot be set for Resources at pod-level"
        errors.append(field.forbidden(path.child("claims"), detail))
    return errors + validate_requirements({**requirements, "claims": None}, path, set())


def _validate_host_ports(spec: JSONObject, path: Path) -> list[FieldError]:
    if not spec.get("hostNetwork"):
        return []
    detail = "must match `containerPort` when `hostNetwork` is true"
    return [
        field.invalid(
            path.child("containers").index(i).child("ports").index(j).child("hostPort"),
            port["hostPort"],
            detail,
        )
        for i, container in enumerate(spec.get("containers") or ())
        for j, port in enumerate(container.get("ports") or ())
        # A template's missing host port is filled in as the pod is made.
        if port.get("hostPort") and port["hostPort"] != port.get("containerPort")
    ]


def _validate_dns_config(spec: JSONObject, path: Path) -> list[FieldError]:
    config = spec.get("dnsConfig")
    if spec.get("dnsPolicy") == "None":
        if config is None:
            return [field.required(path, "must provide `dnsConfig` when `dnsPolicy` is None")]
        if not config.get("nameservers"):
            detail = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            return [field.required(path.child("nameservers"), detail)]
    if config is None:
        return []
    errors: list[FieldError] = []
    servers, searches = config.get("nameservers") or [], config.get("searches") or []
    at = path.child("nameservers")
    if len(servers) > _MAX_NAMESERVERS:
        errors.append(field.invalid(at, servers, f"must not have more than {_MAX_NAMESERVERS} nameservers"))
    for i, server in enumerate(servers):
        errors += [field.invalid(at.index(i), server, e) for e in is_valid_ip(server)]
    at = path.child("searches")
    if len(searches) > _MAX_SEARCHES:
        errors.append(field.invalid(at, searches, f"must not have more than {_MAX_SEARCHES} search paths"))
    if len(" ".join(searches)) > _MAX_SEARCH_LENGTH:
        detail = (
            f"must not have more than {_MAX_SEARCH_LENGTH} characters (including spaces) in the search list"
        )
        errors.append(field.invalid(at, searches, detail))
    for i, search in enumerate(searches):
        name = search.removesuffix(".")
        errors += [field.invalid(at.index(i), name, e) for e in is_dns1123_subdomain(name)]
    for i, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            errors.append(field.required(path.child("options").index(i), "must not be empty"))
    return errors


def _validate_gates(spec: JSONObject, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for i, gate in enumerate(spec.get("readinessGates") or ()):
        at, kind = (
            path.child("readinessGates").index(i).child("conditionType"),
            gate.get("conditionType") or "",
        )
        errors += [field.invalid(at, kind, e) for e in is_qualified_name(kind)]
    seen: set[str] = set()
    for i, gate in enumerate(spec.get("schedulingGates") or ()):
        at, name = path.child("schedulingGates").index(i), gate.get("name") or ""
        errors += [field.invalid(at, name, e) for e in is_qualified_name(name)]
        if name in seen:
            errors.append(field.duplicate(at, name))
        seen.add(name)
    return errors


def _validate_host_users(spec: JSONObject, path: Path) -> list[FieldError]:
    if spec.get("hostUsers") is not False:
        return []
    detail = "when `pod.Spec.HostUsers` is false"
    names = (("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC"))
    return [field.forbidden(path.child(shown), detail) for name, shown in names if spec.get(name)]


def _validate_names(spec: JSONObject, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for name in ("serviceAccountName", "nodeName"):
        value = spec.get(name)
        if value:
            errors += [field.invalid(path.child(name), value, e) for e in is_dns1123_subdomain(value)]
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= MAX_INT32:
        detail = inclusive_range_error(1, MAX_INT32)
        errors.append(field.invalid(path.child("activeDeadlineSeconds"), deadline, detail))
    for name in ("hostname", "subdomain"):
        value = spec.get(name)
        if value:
            errors += [field.invalid(path.child(name), value, e) for e in is_dns1123_label(value)]
    return errors


def _validate_host_aliases(aliases: list[JSONObject], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for i, alias in enumerate(aliases):
        address = str(alias.get("ip") or "")
        errors += [field.invalid(path.index(i).child("ip"), address, e) for e in is_valid_ip(address)]
        for j, name in enumerate(alias.get("hostnames") or ()):
            at = path.index(i).child("hostnames").index(j)
            errors += [field.invalid(at, name, e) for e in is_dns1123_subdomain(name)]
    return errors


def _validate_classes(spec: JSONObject, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    priority = spec.get("priorityClassName")
    if priority:
        errors += [
            field.invalid(path.child("priorityClassName"), priority, e)
            for e in is_dns1123_subdomain(priority)
        ]
    runtime = spec.get("runtimeClassName")
    if runtime is not None:
        errors += [
            field.invalid(path.child("runtimeClassName"), runtime, e) for e in is_dns1123_subdomain(runtime)
        ]
    if spec.get("preemptionPolicy") is not None:
        policies = ("PreemptLowerPriority", "Never")
        errors += one_of(spec["preemptionPolicy"], policies, path.child("preemptionPolicy"))
    if spec.get("overhead"):
        errors += validate_requirements({"limits": spec["overhead"]}, path.child("overhead"), set())
    return errors
