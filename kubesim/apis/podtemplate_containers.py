"""The validation of a pod's containers: ports, environment, mounts, probes and handlers.

Source: validateContainers and its kin in pkg/apis/core/validation.
"""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field as data_field
from typing import Any

from kubesim.apimachinery import field
from kubesim.apimachinery.field import FieldError, GoValue, Path
from kubesim.apimachinery.names import (
    is_config_map_key,
    is_dns1123_label,
    is_http_header_name,
    is_relaxed_env_var_name,
    is_valid_port_name,
    is_valid_port_num,
    name_is_dns_subdomain,
)
from kubesim.apimachinery.objectmeta import validate_nonnegative
from kubesim.apis.podtemplate import is_sidecar
from kubesim.apis.podtemplate_security import validate_security_context
from kubesim.apis.podtemplate_volumes import (
    validate_descending_path,
    validate_field_reference,
    validate_no_backsteps,
    validate_resource_reference,
)
from kubesim.apis.resources import validate_requirements
from kubesim.util.jsontypes import JSONObject, dig

PULL_POLICIES = ("Always", "IfNotPresent", "Never")
PROTOCOLS = ("SCTP", "TCP", "UDP")
_ENV_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_NOT_FOR_INIT = "may not be set for init containers without restartPolicy=Always"
_NOT_FOR_EPHEMERAL = "cannot be set for an Ephemeral Container"
_ONE_HANDLER = "may not specify more than 1 handler type"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the validation of a container has to know of its pod."""

    volumes: dict[str, JSONObject]
    grace_period: int | None = None
    restart_policy: str = "Always"
    host_users: bool = True
    claims: set[str] = data_field(default_factory=set)


def validate_containers(containers: list[JSONObject], around: Surroundings, path: Path) -> list[FieldError]:
    """The errors of the containers that run side by side."""
    if not containers:
        return [field.required(path, "")]
    errors: list[FieldError] = []
    names: set[str] = set()
    for i, container in enumerate(containers):
        at = path.index(i)
        errors += _validate_common(container, around, at)
        name = str(container.get("name") or "")
        if name in names:
            errors.append(field.duplicate(at.child("name"), name))
        names.add(name)
        errors += _validate_lifecycle(container, around, at) + _validate_probes(container, around, at)
        if container.get("restartPolicy") is not None:
            detail = "may not be set for non-init containers"
            errors.append(field.forbidden(at.child("restartPolicy"), detail))
    return errors + _host_port_conflicts(containers, path)


def validate_init_containers(
    containers: list[JSONObject], regular: list[JSONObject], around: Surroundings, path: Path
) -> list[FieldError]:
    """The errors of the containers that run first, one by one, or as sidecars."""
    errors: list[FieldError] = []
    names = {str(c.get("name") or "") for c in regular}
    for i, container in enumerate(containers):
        at = path.index(i)
        errors += _validate_common(container, around, at)
        policy = container.get("restartPolicy")
        if policy is not None and policy != "Always":
            errors.append(field.not_supported(at.child("restartPolicy"), policy, ("Always",)))
        name = str(container.get("name") or "")
        if name in names:
            errors.append(field.duplicate(at.child("name"), name))
        elif name:
            names.add(name)
        errors += _host_port_conflicts([container], path)
        if is_sidecar(container):
            errors += _validate_lifecycle(container, around, at) + _validate_probes(container, around, at)
        else:
            for part in ("lifecycle", *_PROBES):
                if container.get(part) is not None:
                    errors.append(field.forbidden(at.child(part), _NOT_FOR_INIT))
        if container.get("resizePolicy"):
            detail = "must not be set for init containers"
            errors.append(field.invalid(at.child("resizePolicy"), container["resizePolicy"], detail))
    return errors


def validate_ephemeral_containers(
    containers: list[JSONObject], others: list[JSONObject], around: Surroundings, path: Path
) -> list[FieldError]:
    """The errors of the containers that are put into a running pod."""
    errors: list[FieldError] = []
    targets = {str(c.get("name") or "") for c in others}
    names = set(targets)
    for i, container in enumerate(containers):
        at = path.index(i)
        errors += _validate_common(container, around, at) + validate_image_padding(container, at)
        name = str(container.get("name") or "")
        if name in names:
            errors.append(field.duplicate(at.child("name"), name))
        names.add(name)
        target = container.get("targetContainerName") or ""
        if target and target not in targets:
            errors.append(field.not_found(at.child("targetContainerName"), target))
        for part in ("ports", "resources", *_PROBES, "lifecycle", "resizePolicy", "restartPolicy"):
            if container.get(part):
                errors.append(field.forbidden(at.child(part), _NOT_FOR_EPHEMERAL))
        for j, mount in enumerate(container.get("volumeMounts") or ()):
            for part in ("subPath", "subPathExpr"):
                if mount.get(part):
                    where = at.child("volumeMounts").index(j).child(part)
                    errors.append(field.forbidden(where, _NOT_FOR_EPHEMERAL))
    return errors


def validate_image_padding(container: JSONObject, path: Path) -> list[FieldError]:
    """What pods, not templates, refuse: white space around an image's name."""
    image = str(container.get("image") or "")
    if image == image.strip():
        return []
    return [field.invalid(path.child("image"), image, "must not have leading or trailing whitespace")]


def _validate_common(container: JSONObject, around: Surroundings, path: Path) -> list[FieldError]:
    name = str(container.get("name") or "")
    if not name:
        errors = [field.required(path.child("name"), "")]
    else:
        errors = [field.invalid(path.child("name"), name, e) for e in is_dns1123_label(name)]
    if not container.get("image"):
        errors.append(field.required(path.child("image"), ""))
    errors += one_of(
        container.get("terminationMessagePolicy"),
        ("File", "FallbackToLogsOnError"),
        path.child("terminationMessagePolicy"),
    )
    mounts, devices = container.get("volumeMounts") or [], container.get("volumeDevices") or []
    errors += _validate_ports(container.get("ports") or [], path.child("ports"))
    errors += _validate_env(container.get("env") or [], path.child("env"))
    errors += _validate_env_from(container.get("envFrom") or [], path.child("envFrom"))
    errors += _validate_mounts(container, around.volumes, path.child("volumeMounts"))
    errors += _validate_devices(devices, mounts, around.volumes, path.child("volumeDevices"))
    errors += one_of(container.get("imagePullPolicy"), PULL_POLICIES, path.child("imagePullPolicy"))
    errors += validate_requirements(container.get("resources") or {}, path.child("resources"), around.claims)
    errors += _validate_resize_policy(container, around, path.child("resizePolicy"))
    context = container.get("securityContext")
    return errors + validate_security_context(
        context, path.child("securityContext"), host_users=around.host_users
    )


def one_of(value: str | None, supported: tuple[str, ...], path: Path) -> list[FieldError]:
    """A value that has to be there and to be one of these."""
    if not value:
        return [field.required(path, "")]
    return [] if value in supported else [field.not_supported(path, value, supported)]


def _validate_ports(ports: list[JSONObject], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    names: set[str] = set()
    for i, port in enumerate(ports):
        at = path.index(i)
        name = str(port.get("name") or "")
        if name:
            wrong = is_valid_port_name(name)
            errors += [field.invalid(at.child("name"), name, e) for e in wrong]
            if not wrong and name in names:
                errors.append(field.duplicate(at.child("name"), name))
            if not wrong:
                names.add(name)
        number = port.get("containerPort") or 0
        if not number:
            errors.append(field.required(at.child("containerPort"), ""))
        else:
            errors += [field.invalid(at.child("containerPort"), number, e) for e in is_valid_port_num(number)]
        host = port.get("hostPort") or 0
        if host:
            errors += [field.invalid(at.child("hostPort"), host, e) for e in is_valid_port_num(host)]
        errors += one_of(port.get("protocol"), PROTOCOLS, at.child("protocol"))
    return errors


def _host_port_conflicts(containers: list[JSONObject], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    taken: set[str] = set()
    for i, container in enumerate(containers):
        for j, port in enumerate(container.get("ports") or ()):
            if not port.get("hostPort"):
                continue
            key = f"{port.get('protocol') or ''}/{port.get('hostIP') or ''}/{port['hostPort']}"
            if key in taken:
                errors.append(field.duplicate(path.index(i).child("ports").index(j).child("hostPort"), key))
            taken.add(key)
    return errors


def _validate_env(variables: list[JSONObject], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for i, variable in enumerate(variables):
        at = path.index(i)
        name = str(variable.get("name") or "")
        if not name:
            errors.append(field.required(at.child("name"), ""))
        else:
            errors += [field.invalid(at.child("name"), name, e) for e in is_relaxed_env_var_name(name)]
        if variable.get("valueFrom") is not None:
            errors += _validate_value_from(variable, at.child("valueFrom"))
    return errors


def _validate_value_from(variable: JSONObject, path: Path) -> list[FieldError]:
    source = variable["valueFrom"]
    errors: list[FieldError] = []
    sources = 0
    if (reference := source.get("fieldRef")) is not None:
        sources += 1
        errors += validate_field_reference(reference, _ENV_FIELDS, path.child("fieldRef"))
    if (reference := source.get("resourceFieldRef")) is not None:
        sources += 1
        at = path.child("resourceFieldRef")
        errors += validate_resource_reference(reference, at, container_name_required=False)
    for name in ("configMapKeyRef", "secretKeyRef"):
        if (reference := source.get(name)) is not None:
            sources += 1
            errors += _validate_key_reference(reference, path.child(name))
    if not sources:
        detail = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
        errors.append(field.invalid(path, "", detail))
    elif variable.get("value"):
        errors.append(field.invalid(path, "", "may not be specified when `value` is not empty"))
    elif sources > 1:
        errors.append(field.invalid(path, "", "may not have more than one field specified at a time"))
    return errors


def _validate_key_reference(reference: JSONObject, path: Path) -> list[FieldError]:
    name, key = str(reference.get("name") or ""), str(reference.get("key") or "")
    errors = [field.invalid(path.child("name"), name, e) for e in name_is_dns_subdomain(name, False)]  # noqa: FBT003
    if not key:
        return [*errors, field.required(path.child("key"), "")]
    return errors + [field.invalid(path.child("key"), key, e) for e in is_config_map_key(key)]


def _validate_env_from(sources: list[JSONObject], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for i, source in enumerate(sources):
        at = path.index(i)
        prefix = str(source.get("prefix") or "")
        if prefix:
            errors += [field.invalid(at.child("prefix"), prefix, e) for e in is_relaxed_env_var_name(prefix)]
        present = [name for name in ("configMapRef", "secretRef") if source.get(name) is not None]
        for name in present:
            errors += _validate_source_name(source[name], at.child(name))
        if not present:
            detail = "must specify one of: `configMapRef` or `secretRef`"
            errors.append(field.invalid(path, "", detail))
        elif len(present) > 1:
            detail = "may not have more than one field specified at a time"
            errors.append(field.invalid(path, "", detail))
    return errors


def _validate_source_name(reference: JSONObject, path: Path) -> list[FieldError]:
    name = str(reference.get("name") or "")
    if not name:
        return [field.required(path.child("name"), "")]
    return [field.invalid(path.child("name"), name, e) for e in name_is_dns_subdomain(name, True)]  # noqa: FBT003


def _validate_mounts(container: JSONObject, volumes: dict[str, JSONObject], path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    points: set[str] = set()
    devices = {d.get("name") or "": d.get("devicePath") or "" for d in container.get("volumeDevices") or ()}
    for i, mount in enumerate(container.get("volumeMounts") or ()):
        at = path.index(i)
        name, point = str(mount.get("name") or ""), str(mount.get("mountPath") or "")
        if not name:
            errors.append(field.required(at.child("name"), ""))
        if name not in volumes:
            errors.append(field.not_found(at.child("name"), name))
        if not point:
            errors.append(field.required(at.child("mountPath"), ""))
        if point in points:
            errors.append(field.invalid(at.child("mountPath"), point, "must be unique"))
        points.add(point)
        if name in devices:
            errors.append(field.invalid(at.child("name"), name, "must not already exist in volumeDevices"))
        if point in devices.values():
            detail = "must not already exist as a path in volumeDevices"
            errors.append(field.invalid(at.child("mountPath"), point, detail))
        errors += _validate_sub_paths(mount, volumes.get(name) or {}, at, path)
        errors += _validate_propagation(mount, container, path)
    return errors


def _validate_sub_paths(mount: JSONObject, volume: JSONObject, at: Path, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    sub, expression = str(mount.get("subPath") or ""), str(mount.get("subPathExpr") or "")
    if volume.get("image") is not None:
        for name, value in (("subPath", sub), ("subPathExpr", expression)):
            if value:
                errors.append(field.invalid(at.child(name), value, "not allowed in image volume sources"))
    # The paths of these lack the mount's index in Kubernetes, too.
    if sub:
        errors += validate_descending_path(sub, path.child("subPath"))
    if expression:
        if sub:
            detail = "subPathExpr and subPath are mutually exclusive"
            errors.append(field.invalid(at.child("subPathExpr"), expression, detail))
        errors += validate_descending_path(expression, path.child("subPathExpr"))
    return errors


def _validate_propagation(mount: JSONObject, container: JSONObject, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    mode = mount.get("mountPropagation")
    modes = ("Bidirectional", "HostToContainer", "None")
    if mode is not None and mode not in modes:
        errors.append(field.not_supported(path.child("mountPropagation"), mode, modes))
    if mode == "Bidirectional" and not dig(container, "securityContext", "privileged"):
        detail = "Bidirectional mount propagation is available only to privileged containers"
        errors.append(field.forbidden(path.child("mountPropagation"), detail))
    recursive = mount.get("recursiveReadOnly")
    at = path.child("recursiveReadOnly")
    if recursive in {"Enabled", "IfPossible"}:
        if not mount.get("readOnly"):
            errors.append(field.forbidden(at, "may only be specified when readOnly is true"))
        if mode not in {None, "None"}:
            detail = "may only be specified when mountPropagation is None or not specified"
            errors.append(field.forbidden(at, detail))
    elif recursive not in {None, "Disabled"}:
        errors.append(field.not_supported(at, recursive, ("Disabled", "Enabled", "IfPossible")))
    return errors


def _validate_devices(
    devices: list[JSONObject], mounts: list[JSONObject], volumes: dict[str, JSONObject], path: Path
) -> list[FieldError]:
    errors: list[FieldError] = []
    names: set[str] = set()
    targets: set[str] = set()
    mounted = {m.get("name") or "": m.get("mountPath") or "" for m in mounts}
    for i, device in enumerate(devices):
        at = path.index(i)
        name, target = str(device.get("name") or ""), str(device.get("devicePath") or "")
        errors += _validate_device_name(name, names, volumes, at.child("name"))
        where = at.child("devicePath")
        if not target:
            errors.append(field.required(where, ""))
        if target in targets:
            errors.append(field.invalid(where, target, "must be unique"))
        if target and validate_no_backsteps(target, where):
            errors.append(field.invalid(where, target, "can not contain backsteps ('..')"))
        else:
            targets.add(target)
        if name in mounted:
            errors.append(field.invalid(at.child("name"), name, "must not already exist in volumeMounts"))
        if target in mounted.values():
            errors.append(field.invalid(where, target, "must not already exist as a path in volumeMounts"))
        if name:
            names.add(name)
    return errors


def _validate_device_name(
    name: str, names: set[str], volumes: dict[str, JSONObject], path: Path
) -> list[FieldError]:
    errors = [] if name else [field.required(path, "")]
    if name in names:
        errors.append(field.invalid(path, name, "must be unique"))
    volume = volumes.get(name)
    if volume is None:
        errors.append(field.not_found(path, name))
    elif volume.get("persistentVolumeClaim") is None and volume.get("ephemeral") is None:
        detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
        errors.append(field.invalid(path, name, detail))
    return errors


def _validate_resize_policy(container: JSONObject, around: Surroundings, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for i, policy in enumerate(container.get("resizePolicy") or ()):
        name, restart = str(policy.get("resourceName") or ""), str(policy.get("restartPolicy") or "")
        if name in seen:
            errors.append(field.duplicate(path.index(i), name))
        seen.add(name)
        errors += one_of(name, ("cpu", "memory"), path)
        errors += one_of(restart, ("NotRequired", "RestartContainer"), path)
        if around.restart_policy == "Never" and restart != "NotRequired":
            detail = "must be 'NotRequired' when `restartPolicy` is 'Never'"
            errors.append(field.invalid(path, restart, detail))
    return errors


def _validate_probes(container: JSONObject, around: Surroundings, path: Path) -> list[FieldError]:
    errors: list[FieldError] = []
    for name in _PROBES:
        probe = container.get(name)
        if probe is None:
            continue
        at = path.child(name)
        errors += _validate_probe(probe, around, at)
        grace = probe.get("terminationGracePeriodSeconds")
        if name == "readinessProbe":
            if grace is not None:
                detail = "must not be set for readinessProbes"
                errors.append(field.invalid(at.child("terminationGracePeriodSeconds"), grace, detail))
        elif probe.get("successThreshold") != 1:
            threshold = probe.get("successThreshold") or 0
            errors.append(field.invalid(at.child("successThreshold"), threshold, "must be 1"))
    return errors


def _validate_probe(probe: JSONObject, around: Surroundings, path: Path) -> list[FieldError]:
    errors = _validate_handler(probe, ("exec", "httpGet", "tcpSocket", "grpc"), around, path)
    for name in (
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ):
        errors += validate_nonnegative(probe.get(name) or 0, path.child(name))
    grace = probe.get("terminationGracePeriodSeconds")
    if grace is not None and grace <= 0:
        errors.append(
            field.invalid(path.child("terminationGracePeriodSeconds"), grace, "must be greater than 0")
        )
    return errors


def _validate_lifecycle(container: JSONObject, around: Surroundings, path: Path) -> list[FieldError]:
    lifecycle = container.get("lifecycle") or {}
    errors: list[FieldError] = []
    for name in ("postStart", "preStop"):
        if (handler := lifecycle.get(name)) is not None:
            at = path.child("lifecycle", name)
            errors += _validate_handler(handler, ("exec", "httpGet", "tcpSocket", "sleep"), around, at)
    return errors


def _validate_handler(
    handler: JSONObject, kinds: tuple[str, ...], around: Surroundings, path: Path
) -> list[FieldError]:
    errors: list[FieldError] = []
    present = [kind for kind in kinds if handler.get(kind) is not None]
    for at, kind in enumerate(present):
        if at:
            errors.append(field.forbidden(path.child(kind), _ONE_HANDLER))
        else:
            errors += _validate_action(kind, handler[kind], around, path.child(kind))
    if not present:
        errors.append(field.required(path, "must specify a handler type"))
    return errors


def _validate_action(kind: str, action: JSONObject, around: Surroundings, path: Path) -> list[FieldError]:
    if kind == "exec":
        return [] if action.get("command") else [field.required(path.child("command"), "")]
    if kind == "httpGet":
        return _validate_http(action, path)
    if kind == "sleep":
        seconds, grace = action.get("seconds") or 0, around.grace_period
        if grace is None or 0 < seconds <= grace:
            return []
        detail = (
            f"must be greater than 0 and less than terminationGracePeriodSeconds ({grace})."
            " Enable AllowPodLifecycleSleepActionZeroValue feature gate for zero sleep."
        )
        return [field.invalid(path, seconds, detail)]
    return validate_port_num_or_name(action.get("port"), path.child("port"))


def _validate_http(action: JSONObject, path: Path) -> list[FieldError]:
    errors = [] if action.get("path") else [field.required(path.child("path"), "")]
    errors += validate_port_num_or_name(action.get("port"), path.child("port"))
    scheme = action.get("scheme") or ""
    if scheme not in {"HTTP", "HTTPS"}:
        errors.append(field.not_supported(path.child("scheme"), scheme, ("HTTP", "HTTPS")))
    for header in action.get("httpHeaders") or ():
        name = str(header.get("name") or "")
        errors += [field.invalid(path.child("httpHeaders"), name, e) for e in is_http_header_name(name)]
    return errors


def validate_port_num_or_name(port: Any, path: Path) -> list[FieldError]:
    """The errors of a port given by its number or by its name."""
    if isinstance(port, str):
        return [field.invalid(path, port, e) for e in is_valid_port_name(port)]
    # Go prints an int, not an int32, here: %#v comes to the same text.
    return [field.invalid(path, GoValue(str(port or 0)), e) for e in is_valid_port_num(port or 0)]
