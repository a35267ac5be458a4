"""Containers, of Pods and of Pod templates."""

from __future__ import annotations

import json
from collections.abc import Sequence

from kubesim.apimachinery.meta import annotations_of, labels_of, metadata_of
from kubesim.cli.describe.page import Page, go_bool, long_time, or_none, sorted_resources, yes
from kubesim.util.jsontypes import JSONObject, dig


def containers(
    page: Page,
    title: str,
    items: Sequence[JSONObject],
    statuses: Sequence[JSONObject],
    *,
    owner: JSONObject | None = None,
    space: str = "",
) -> None:
    """describeContainers. `owner` is the Pod that field references are read from; `space` indents templates."""
    by_name = {s.get("name"): s for s in statuses}
    none = "" if items else " <none>"
    page.write(0, f"{space}{title}:{none}\n")
    for container in items:
        status = by_name.get(container.get("name"))
        _basics(page, container, status, " " if space else "")
        _command(page, container)
        if status is not None:
            _state(page, status)
        resources(page, container.get("resources") or {}, 2)
        for kind, key in (("Liveness", "livenessProbe"), ("Readiness", "readinessProbe"), ("Startup", "startupProbe")):
            if container.get(key):
                page.line(2, f"{kind}:", probe_text(container[key]))
        _env_from(page, container)
        _env(page, container, owner)
        _mounts(page, container)


def _basics(page: Page, container: JSONObject, status: JSONObject | None, indent: str) -> None:
    page.write(1, f"{indent}{container.get('name', '')}:\n")
    if status is not None:
        page.line(2, "Container ID:", status.get("containerID", ""))
    page.line(2, "Image:", container.get("image", ""))
    if status is not None:
        page.line(2, "Image ID:", status.get("imageID", ""))
    declared = container.get("ports") or []
    for word, key in (("Port", "containerPort"), ("Host Port", "hostPort")):
        shown = ", ".join(f"{p.get(key, 0)}/{p.get('protocol', '')}" for p in declared)
        if "," in shown:
            page.line(2, f"{word}s:", shown)
        else:
            page.line(2, f"{word}:", or_none(shown))
    profile = dig(container, "securityContext", "seccompProfile")
    if profile:
        page.line(2, "SeccompProfile:", profile.get("type", ""))
        if profile.get("type") == "Localhost":
            page.line(3, "LocalhostProfile:", profile.get("localhostProfile", ""))


def _command(page: Page, container: JSONObject) -> None:
    for title, key in (("Command:", "command"), ("Args:", "args")):
        if container.get(key):
            page.write(2, f"{title}\n")
            for word in container[key]:
                for line in word.split("\n"):
                    page.write(3, f"{line}\n")


def _state(page: Page, status: JSONObject) -> None:
    _state_of(page, "State", status.get("state") or {})
    if dig(status, "lastState", "terminated"):
        _state_of(page, "Last State", status["lastState"])
    page.line(2, "Ready:", yes(status.get("ready")))
    page.line(2, "Restart Count:", status.get("restartCount", 0))


def _state_of(page: Page, title: str, state: JSONObject) -> None:
    if state.get("running") is not None:
        page.line(2, f"{title}:", "Running")
        page.line(3, "Started:", long_time(state["running"].get("startedAt")))
        return
    ended = state.get("terminated")
    if ended is None:
        page.line(2, f"{title}:", "Waiting")
        if dig(state, "waiting", "reason"):
            page.line(3, "Reason:", state["waiting"]["reason"])
        return
    page.line(2, f"{title}:", "Terminated")
    for word, key in (("Reason:", "reason"), ("Message:", "message")):
        if ended.get(key):
            page.line(3, word, ended[key])
    page.line(3, "Exit Code:", ended.get("exitCode", 0))
    if ended.get("signal"):
        page.line(3, "Signal:", ended["signal"])
    page.line(3, "Started:", long_time(ended.get("startedAt")))
    page.line(3, "Finished:", long_time(ended.get("finishedAt")))


def resources(page: Page, found: JSONObject, level: int) -> None:
    """Limits, then requests."""
    for title, key in (("Limits:", "limits"), ("Requests:", "requests")):
        if found.get(key):
            page.write(level, f"{title}\n")
            for name, quantity in sorted_resources(found[key]):
                page.line(level + 1, f"{name}:", quantity)


def probe_text(probe: JSONObject) -> str:
    """DescribeProbe."""
    numbers = (
        f"delay={probe.get('initialDelaySeconds', 0)}s timeout={probe.get('timeoutSeconds', 0)}s "
        f"period={probe.get('periodSeconds', 0)}s #success={probe.get('successThreshold', 0)} "
        f"#failure={probe.get('failureThreshold', 0)}"
    )
    if probe.get("exec"):
        return f"exec [{' '.join(probe['exec'].get('command') or [])}] {numbers}"
    if probe.get("httpGet"):
        get = probe["httpGet"]
        return f"http-get {(get.get('scheme') or '').lower()}://{get.get('host', '')}:{get.get('port')}{get.get('path', '')} {numbers}"
    if probe.get("tcpSocket"):
        return f"tcp-socket {probe['tcpSocket'].get('host', '')}:{probe['tcpSocket'].get('port')} {numbers}"
    if probe.get("grpc"):
        return f"grpc <pod>:{probe['grpc'].get('port', 0)} {probe['grpc'].get('service', '')} {numbers}"
    return f"unknown {numbers}"


def _env_from(page: Page, container: JSONObject) -> None:
    if not container.get("envFrom"):
        return
    page.write(2, "Environment Variables from:\n")
    for item in container["envFrom"]:
        reference, kind = item.get("configMapRef"), "ConfigMap"
        if reference is None:
            reference, kind = item.get("secretRef") or {}, "Secret" if item.get("secretRef") else ""
        if item.get("prefix"):
            kind += f" with prefix '{item['prefix']}'"
        page.line(3, reference.get("name", ""), kind, f"Optional: {go_bool(reference.get('optional'))}")


def _env(page: Page, container: JSONObject, owner: JSONObject | None) -> None:
    variables = container.get("env") or []
    page.write(2, "Environment:\n" if variables else "Environment:\t<none>\n")
    for variable in variables:
        name, source = variable.get("name", ""), variable.get("valueFrom")
        if not source:
            first, *rest = str(variable.get("value", "")).split("\n")
            page.line(3, f"{name}:", first)
            for line in rest:
                page.write(3, f"\t{line}\n")
        elif source.get("fieldRef"):
            reference = source["fieldRef"]
            value = field_value(owner, reference.get("fieldPath", "")) if owner is not None else ""
            page.line(3, f"{name}:", f"{value} ({reference.get('apiVersion', '')}:{reference.get('fieldPath', '')})")
        elif source.get("resourceFieldRef"):
            resource = source["resourceFieldRef"].get("resource", "")
            page.line(3, f"{name}:", f"{_resource_value(container, resource)} ({resource})")
        elif source.get("secretKeyRef"):
            key = source["secretKeyRef"]
            text = f"<set to the key '{key.get('key', '')}' in secret '{key.get('name', '')}'>"
            page.line(3, f"{name}:", text, f"Optional: {go_bool(key.get('optional'))}")
        elif source.get("configMapKeyRef"):
            key = source["configMapKeyRef"]
            text = f"<set to the key '{key.get('key', '')}' of config map '{key.get('name', '')}'>"
            page.line(3, f"{name}:", text, f"Optional: {go_bool(key.get('optional'))}")


def field_value(pod: JSONObject, path: str) -> str:
    """What a field reference of the downward API leads to (fieldpath.ExtractFieldPathAsString)."""
    base, bracket, key = path.partition("['")
    if bracket:
        return str({"metadata.labels": labels_of, "metadata.annotations": annotations_of}[base](pod).get(key[:-2], ""))
    match path:
        case "metadata.labels":
            return _pairs(labels_of(pod))
        case "metadata.annotations":
            return _pairs(annotations_of(pod))
        case "metadata.name" | "metadata.namespace" | "metadata.uid":
            return str(metadata_of(pod).get(path.split(".")[1], ""))
        case "status.podIPs" | "status.hostIPs":
            return ",".join(a.get("ip", "") for a in dig(pod, *path.split("."), default=[]))
    return str(dig(pod, *path.split("."), default=""))


def _pairs(values: dict[str, str]) -> str:
    return "\n".join(f"{k}={json.dumps(v, ensure_ascii=False)}" for k, v in sorted(values.items()))


def _resource_value(container: JSONObject, resource: str) -> str:
    kind, _, name = resource.partition(".")
    quantity = dig(container, "resources", kind, name)
    if quantity is None:
        return "node allocatable" if resource in ("limits.cpu", "limits.memory") else "0"
    from kubesim.util.quantity import Quantity

    return str(Quantity.parse(quantity).value())


def _mounts(page: Page, container: JSONObject) -> None:
    mounts = container.get("volumeMounts") or []
    none = "" if mounts else "\t<none>"
    page.write(2, f"Mounts:{none}\n")
    for mount in sorted(mounts, key=lambda m: m.get("mountPath", "")):
        words = "ro" if mount.get("readOnly") else "rw"
        if mount.get("subPath"):
            words += f",path={json.dumps(mount['subPath'])}"
        page.write(3, f"{mount.get('mountPath', '')} from {mount.get('name', '')} ({words})\n")
    if container.get("volumeDevices"):
        page.write(2, f"Devices:{none}\n")
        for device in sorted(container["volumeDevices"], key=lambda d: d.get("devicePath", "")):
            page.write(3, f"{device.get('devicePath', '')} from {device.get('name', '')}\n")
