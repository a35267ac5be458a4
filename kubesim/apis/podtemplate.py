"""What every pod spec has in common, whether in a Pod or in the template of a workload: its defaults.

Source: pkg/apis/core/v1/defaults.go. Fields that Go writes even when they are empty (`resources: {}`) are
put in too, so that an object reads as the API server would send it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from kubesim.apimachinery.field import Path
from kubesim.util.jsontypes import JSONObject

DEFAULT_MODE = 0o644
_PORT_OR_TAG = re.compile(r":([^:/@]+)(@.*)?$")

CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")


def default_pod_template(template: JSONObject) -> None:
    """Fill in the defaults of a PodTemplateSpec."""
    # Go writes the creationTimestamp of embedded metadata as null.
    metadata = template.get("metadata")
    if metadata is None:
        template["metadata"] = {"creationTimestamp": None}
    else:
        metadata.setdefault("creationTimestamp", None)
    spec = template.get("spec")
    if spec is None:
        spec = template["spec"] = {}
    default_pod_spec(spec)


def default_pod(spec: JSONObject) -> None:
    """Fill in what a Pod has and a template has not, and then what both have: SetDefaults_Pod."""
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        _requests_from_limits(container)
    missing(spec, "enableServiceLinks", True)  # noqa: FBT003 - the field's value
    if spec.get("hostNetwork"):
        for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
            for port in container.get("ports") or ():
                if not port.get("hostPort"):
                    port["hostPort"] = port.get("containerPort")
    default_pod_spec(spec)


def default_pod_spec(spec: JSONObject) -> None:
    """Fill in the defaults of a PodSpec: SetDefaults_PodSpec, and those of its parts."""
    empty(spec, "dnsPolicy", "ClusterFirst")
    empty(spec, "restartPolicy", "Always")
    missing(spec, "securityContext", {})
    missing(spec, "terminationGracePeriodSeconds", 30)
    empty(spec, "schedulerName", "default-scheduler")
    _mirror_service_account(spec)
    if "containers" not in spec:
        spec["containers"] = None
    for name in CONTAINER_LISTS:
        for container in spec.get(name) or ():
            default_container(container)
    for volume in spec.get("volumes") or ():
        _default_volume(volume)


def _mirror_service_account(spec: JSONObject) -> None:
    # The conversion between v1 and the internal version keeps both names of this field alike.
    name = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if name:
        spec["serviceAccountName"] = spec["serviceAccount"] = name


def _requests_from_limits(container: JSONObject) -> None:
    resources = container.get("resources") or {}
    limits = resources.get("limits")
    if not limits:
        return
    requests = resources.get("requests")
    if requests is None:
        requests = resources["requests"] = {}
    for name, amount in limits.items():
        requests.setdefault(name, amount)


def default_container(container: JSONObject) -> None:
    """Fill in the defaults of a container of any sort."""
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = pull_policy(str(container.get("image") or ""))
    empty(container, "terminationMessagePath", "/dev/termination-log")
    empty(container, "terminationMessagePolicy", "File")
    missing(container, "resources", {})
    for port in container.get("ports") or ():
        empty(port, "protocol", "TCP")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if probe := container.get(name):
            _default_probe(probe)
    lifecycle = container.get("lifecycle") or {}
    for name in ("postStart", "preStop"):
        _default_http((lifecycle.get(name) or {}).get("httpGet"))
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        _default_downward(source)


def pull_policy(image: str) -> str:
    """Always for the tag `latest` and for no tag at all, else IfNotPresent: SetDefaults_Container."""
    found = _PORT_OR_TAG.search(image)
    tag = found[1] if found else "" if "@" in image else "latest"
    return "Always" if tag == "latest" and image else "IfNotPresent"


def _default_probe(probe: JSONObject) -> None:
    for name, value in (
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ):
        empty(probe, name, value)
    _default_http(probe.get("httpGet"))
    if (grpc := probe.get("grpc")) is not None:
        missing(grpc, "service", "")


def _default_http(action: JSONObject | None) -> None:
    if action is not None:
        empty(action, "path", "/")
        empty(action, "scheme", "HTTP")


def _default_downward(source: JSONObject) -> None:
    if (reference := source.get("fieldRef")) is not None:
        empty(reference, "apiVersion", "v1")
    if (reference := source.get("resourceFieldRef")) is not None:
        empty(reference, "divisor", "0")


def _default_volume(volume: JSONObject) -> None:
    if not any(v is not None for k, v in volume.items() if k != "name"):
        volume["emptyDir"] = {}
    for name in ("secret", "configMap", "downwardAPI", "projected"):
        if (source := volume.get(name)) is not None:
            missing(source, "defaultMode", DEFAULT_MODE)
    for item in (volume.get("downwardAPI") or {}).get("items") or ():
        _default_downward(item)
    if volume.get("projected") is not None:
        _default_projected(volume["projected"])
    if volume.get("ephemeral") is not None and volume["ephemeral"].get("volumeClaimTemplate") is not None:
        default_claim_template(volume["ephemeral"]["volumeClaimTemplate"])
    for name, defaults in _SOURCE_DEFAULTS:
        if (source := volume.get(name)) is not None:
            for key, value in defaults.items():
                (missing if value in ("", False) else empty)(source, key, value)


_SOURCE_DEFAULTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("hostPath", {"type": ""}),
    ("iscsi", {"iscsiInterface": "default"}),
    ("rbd", {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"}),
    ("azureDisk", {"cachingMode": "ReadWrite", "kind": "Shared", "fsType": "ext4", "readOnly": False}),
    ("scaleIO", {"storageMode": "ThinProvisioned", "fsType": "xfs"}),
)


def _default_projected(source: JSONObject) -> None:
    if "sources" not in source:
        source["sources"] = None
    for projection in source.get("sources") or ():
        if (token := projection.get("serviceAccountToken")) is not None:
            missing(token, "expirationSeconds", 3600)
        for item in (projection.get("downwardAPI") or {}).get("items") or ():
            _default_downward(item)


def default_claim_template(template: JSONObject) -> None:
    """Fill in the defaults of a template for PersistentVolumeClaims."""
    metadata = template.get("metadata")
    if metadata is None:
        metadata = template["metadata"] = {}
    metadata.setdefault("creationTimestamp", None)
    spec = template.get("spec")
    if spec is None:
        spec = template["spec"] = {}
    missing(spec, "volumeMode", "Filesystem")
    missing(spec, "resources", {})


def missing(obj: JSONObject, name: str, value: Any) -> None:
    """Set a field that is not there, or null: a nil pointer in Go."""
    if obj.get(name) is None:
        obj[name] = value


def empty(obj: JSONObject, name: str, value: Any) -> None:
    """Set a field that is not there, null or empty: a zero value in Go."""
    if not obj.get(name):
        obj[name] = value


def containers_with_paths(spec: JSONObject, path: Path) -> Iterator[tuple[JSONObject, Path]]:
    """Every container of a pod spec with its path, in the order of VisitContainersWithPath."""
    for name in CONTAINER_LISTS:
        for at, container in enumerate(spec.get(name) or ()):
            yield container, path.child(name).index(at)


def is_sidecar(container: JSONObject) -> bool:
    """Whether this init container goes on running beside the others: isRestartableInitContainer."""
    return container.get("restartPolicy") == "Always"
