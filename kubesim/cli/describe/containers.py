"""Containers, of Pods and of Pod templates."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote as percent_encoded

from kubesim.apimachinery.meta import name_of, namespace_of
from kubesim.cli.describe.page import (
    PrefixWriter,
    go_bool,
    go_list,
    long_time,
    or_none,
    sorted_resources,
    yes,
)
from kubesim.util.gotext import quote
from kubesim.util.jsontypes import JSONObject, dig

PROBES = (("Liveness", "livenessProbe"), ("Readiness", "readinessProbe"), ("Startup", "startupProbe"))


def containers(
    page: PrefixWriter,
    title: str,
    items: Sequence[JSONObject],
    statuses: Sequence[JSONObject] = (),
    *,
    owner: JSONObject | None = None,
    space: str = "",
) -> None:
    """DescribeContainers. `owner` is the Pod that field references are read from; `space` indents templates."""
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
        for kind, key in PROBES:
            if container.get(key) is not None:
                page.line(2, f"{kind}:", probe_text(container[key]))
        _env_from(page, container)
        _env(page, container, owner)
        _mounts(page, container)


def _basics(page: PrefixWriter, container: JSONObject, status: JSONObject | None, indent: str) -> None:
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
    if profile is not None:
        page.line(2, "SeccompProfile:", profile.get("type", ""))
        if profile.get("type") == "Localhost":
            page.line(3, "LocalhostProfile:", profile.get("localhostProfile", ""))


def _command(page: PrefixWriter, container: JSONObject) -> None:
    for title, key in (("Command:", "command"), ("Args:", "args")):
        if container.get(key):
            page.write(2, f"{title}\n")
            for word in container[key]:
                for line in word.split("\n"):
                    page.write(3, f"{line}\n")


def _state(page: PrefixWriter, status: JSONObject) -> None:
    _state_of(page, "State", status.get("state") or {})
    if dig(status, "lastState", "terminated") is not None:
        _state_of(page, "Last State", status["lastState"])
    page.line(2, "Ready:", yes(status.get("ready")))
    page.line(2, "Restart Count:", status.get("restartCount", 0))


def _state_of(page: PrefixWriter, title: str, state: JSONObject) -> None:
    if state.get("running") is not None:
        page.line(2, f"{title}:", "Running")
        page.line(3, "Started:", long_time(state["running"].get("startedAt")))
        return
    ended = state.get("terminated")
    if ended is None or state.get("waiting") is not None:
        page.line(2, f"{title}:", "Waiting")
        if dig(state, "waiting", "reason"):
            page.line(3, "Reason:", state["waiting"]["reason"])
        return
    page.line(2, f"{title}:", "Terminated")
    for word, key in (("Reason:", "reason"), ("Message:", "message")):
        if ended.get(key):
            page.line(3, word, ended[key])
    page.line(3, "Exit Code:", ended.get("exitCode", 0))
    if ended.get("signal", 0) > 0:
        page.line(3, "Signal:", ended["signal"])
    page.line(3, "Started:", long_time(ended.get("startedAt")))
    page.line(3, "Finished:", long_time(ended.get("finishedAt")))


def resources(page: PrefixWriter, found: JSONObject, level: int) -> None:
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
    if probe.get("exec") is not None:
        return f"exec {go_list(probe['exec'].get('command'))} {numbers}"
    if probe.get("httpGet") is not None:
        return f"http-get {_url(probe['httpGet'])} {numbers}"
    if probe.get("tcpSocket") is not None:
        socket = probe["tcpSocket"]
        return f"tcp-socket {socket.get('host', '')}:{socket.get('port', 0)} {numbers}"
    if probe.get("grpc") is not None:
        return f"grpc <pod>:{probe['grpc'].get('port', 0)} {probe['grpc'].get('service') or ''} {numbers}"
    return f"unknown {numbers}"


def _url(get: JSONObject) -> str:
    """A URL as net/url writes it."""
    scheme = str(get.get("scheme") or "").lower()
    host = str(get.get("host") or "")
    path = percent_encoded(str(get.get("path") or ""), safe="$&+,/:;=@~")
    if path and not path.startswith("/"):
        path = f"/{path}"
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}{':' if scheme else ''}//{shown}:{get.get('port', 0)}{path}"


def _env_from(page: PrefixWriter, container: JSONObject) -> None:
    if not container.get("envFrom"):
        return
    page.write(2, "Environment Variables from:\n")
    for item in container["envFrom"]:
        reference: JSONObject = {}
        kind = ""
        if item.get("configMapRef") is not None:
            reference, kind = item["configMapRef"], "ConfigMap"
        elif item.get("secretRef") is not None:
            reference, kind = item["secretRef"], "Secret"
        if item.get("prefix"):
            kind += f" with prefix '{item['prefix']}'"
        page.line(3, reference.get("name", ""), kind, f"Optional: {go_bool(reference.get('optional'))}")


def _env(page: PrefixWriter, container: JSONObject, owner: JSONObject | None) -> None:
    variables = container.get("env") or []
    page.write(2, "Environment:\n" if variables else "Environment:\t<none>\n")
    for variable in variables:
        name, source = variable.get("name", ""), variable.get("valueFrom")
        if source is None:
            first, *rest = str(variable.get("value") or "").split("\n")
            page.line(3, f"{name}:", first)
            for line in rest:
                page.write(3, f"\t{line}\n")
        elif source.get("fieldRef") is not None:
            reference = source["fieldRef"]
            path = reference.get("fieldPath", "")
            value = field_value(owner, path) if owner is not None else ""
            page.line(3, f"{name}:", f"{value} ({reference.get('apiVersion', '')}:{path})")
        elif source.get("resourceFieldRef") is not None:
            reference = source["resourceFieldRef"]
            page.line(
                3, f"{name}:", f"{_resource_value(container, reference)} ({reference.get('resource', '')})"
            )
        elif source.get("secretKeyRef") is not None:
            _key_reference(page, name, source["secretKeyRef"], "in secret")
        elif source.get("configMapKeyRef") is not None:
            _key_reference(page, name, source["configMapKeyRef"], "of config map")


def _key_reference(page: PrefixWriter, name: str, key: JSONObject, where: str) -> None:
    text = f"<set to the key '{key.get('key', '')}' {where} '{key.get('name', '')}'>"
    page.line(3, f"{name}:", text, f"Optional: {go_bool(key.get('optional'))}")


def field_value(pod: JSONObject, path: str) -> str:
    """What a field reference of the downward API leads to, as far as kubectl follows it.

    Its scheme converts the labels of these two fields alone: DefaultMetaV1FieldSelectorConversion.
    """
    return {"metadata.name": name_of, "metadata.namespace": namespace_of}.get(path, _nothing)(pod)


def _nothing(pod: JSONObject) -> str:
    return ""


def _resource_value(container: JSONObject, reference: JSONObject) -> str:
    """ExtractContainerResourceValue: how many divisors there are in the resource, rounded up."""
    from kubesim.util.quantity import ZERO, Quantity

    resource = str(reference.get("resource") or "")
    kind, _, name = resource.partition(".")
    if kind not in ("limits", "requests"):
        return ""
    if name not in ("cpu", "memory", "ephemeral-storage") and not name.startswith("hugepages-"):
        return ""
    divisor = Quantity.from_json(reference.get("divisor") or "0")
    divisor = Quantity(1) if divisor == ZERO else divisor
    amount = Quantity.from_json(dig(container, "resources", kind, name, default="0"))
    whole, part = (
        (amount.milli_value(), divisor.milli_value()) if name == "cpu" else (amount.value(), divisor.value())
    )
    found = -(-whole // part)
    return "node allocatable" if found == 0 and resource in ("limits.cpu", "limits.memory") else str(found)


def _mounts(page: PrefixWriter, container: JSONObject) -> None:
    mounts = container.get("volumeMounts") or []
    none = "" if mounts else "\t<none>"
    page.write(2, f"Mounts:{none}\n")
    for mount in sorted(mounts, key=lambda m: m.get("mountPath", "")):
        words = "ro" if mount.get("readOnly") else "rw"
        if mount.get("subPath"):
            words += f",path={quote(mount['subPath'])}"
        page.write(3, f"{mount.get('mountPath', '')} from {mount.get('name', '')} ({words})\n")
    if container.get("volumeDevices"):
        page.write(2, f"Devices:{none}\n")
        for device in sorted(container["volumeDevices"], key=lambda d: d.get("devicePath", "")):
            page.write(3, f"{device.get('devicePath', '')} from {device.get('name', '')}\n")
