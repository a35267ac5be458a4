"""Code 7: Pods match, but none of them is ready to be sent to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kubesim.apimachinery.meta import namespace_of
from kubesim.apis.podfacts import condition, is_ready, spec_of, status_of
from kubesim.apis.servicespec import EXTERNAL_NAME, type_of
from kubesim.diagnosis.finding import Finding, ObjectRef
from kubesim.diagnosis.rules.ports import shown_bound
from kubesim.diagnosis.view import PodView, View, names_of, selector_of
from kubesim.util.jsontypes import JSONObject, dig

_PROBES = (("startupProbe", "Startup"), ("readinessProbe", "Readiness"), ("livenessProbe", "Liveness"))


def none_ready(view: View, service: JSONObject) -> Iterator[Finding]:
    """Code 7 for a Service whose Pods are there."""
    selector = selector_of(service)
    if not selector or type_of(service) == EXTERNAL_NAME or spec_of(service).get("publishNotReadyAddresses"):
        return
    pods = [p for p in view.selected(namespace_of(service), selector) if not p.path]
    if view.planning:
        pods = [p for p in pods if not p.planned]
    if not pods or any(is_ready(p.obj) for p in pods):
        return
    ref = ObjectRef.of(service, "Service")
    evidence = [line for p in pods[:3] for line in why_not_ready(view, p)]
    many = (
        f"{names_of(pods)} match, but none of them is ready"
        if len(pods) > 1
        else f"{pods[0]} matches, but is not ready"
    )
    yield Finding(
        code=7,
        severity="error",
        object=ref,
        field="spec.selector",
        message=f"{many}: a Service sends to ready Pods only",
        evidence=tuple(evidence),
        fix="mend what the evidence names; publishNotReadyAddresses: true sends to Pods that are not ready",
    )


def why_not_ready(view: View, pod: PodView) -> Iterator[str]:
    """What the Pod's status, its containers and its Events say, one line each."""
    status = status_of(pod.obj)
    if pod.obj["metadata"].get("deletionTimestamp"):
        yield f"{pod} is being deleted"
        return
    scheduled = condition(pod.obj, "PodScheduled")
    if scheduled is not None and scheduled.get("status") == "False":
        yield f"{pod} is not scheduled: {scheduled.get('message') or scheduled.get('reason')}"
        return
    statuses = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    said = False
    for one in statuses:
        waiting, ended = dig(one, "state", "waiting"), dig(one, "state", "terminated")
        if waiting and waiting.get("reason") not in (None, "PodInitializing"):
            yield f"{pod}: container {one.get('name')} waits: {_reason(waiting)}"
            said = True
        elif ended and not one.get("ready") and ended.get("exitCode") != 0:
            yield f"{pod}: container {one.get('name')} ended with exit code {ended.get('exitCode')}: {_reason(ended)}"
            said = True
    for line in _failed_probes(view, pod, statuses):
        yield line
        said = True
    gates = [g.get("conditionType") for g in spec_of(pod.obj).get("readinessGates") or ()]
    for gate in gates:
        found = condition(pod.obj, gate)
        if found is None or found.get("status") != "True":
            yield f"{pod}: the readiness gate {gate} is not True"
            said = True
    if not said:
        ready = condition(pod.obj, "Ready") or {}
        why = (
            ready.get("message") or ready.get("reason") or f"its phase is {status.get('phase') or 'Pending'}"
        )
        yield f"{pod}: {why}"


def _reason(state: JSONObject) -> str:
    message = str(state.get("message") or "")
    return f"{state.get('reason')}: {message}" if message else str(state.get("reason"))


def _failed_probes(view: View, pod: PodView, statuses: Sequence[JSONObject]) -> Iterator[str]:
    """Which probe failed and what it saw, as the last Event says."""
    unready = {
        s.get("name") for s in statuses if not s.get("ready") and dig(s, "state", "running") is not None
    }
    if not unready:
        return
    events = [e for e in view.events(pod.ref) if e.get("reason") == "Unhealthy"]
    for path, container in pod.placed_containers():
        if container.get("name") not in unready:
            continue
        for field, word in _PROBES:
            probe = container.get(field)
            if not probe:
                continue
            mine = [
                e
                for e in events
                if str(e.get("message") or "").startswith(word)
                and f"{{{container.get('name')}}}" in str(dig(e, "involvedObject", "fieldPath", default=""))
            ]
            if mine:
                yield f"{pod}: {path}.{field} ({shown_probe(probe)}): {mine[-1]['message']}"
            elif field == "readinessProbe" and not any(e for e in events):
                delay = probe.get("initialDelaySeconds") or 0
                yield f"{pod}: {path}.{field} ({shown_probe(probe)}) has not succeeded yet (initial delay {delay}s)"


def shown_probe(probe: JSONObject) -> str:
    """`http-get :8080/ready`"""
    if http := probe.get("httpGet"):
        return f"httpGet :{http.get('port')}{http.get('path') or '/'}"
    if tcp := probe.get("tcpSocket"):
        return f"tcpSocket :{tcp.get('port')}"
    if grpc := probe.get("grpc"):
        return f"grpc :{grpc.get('port')}"
    command = dig(probe, "exec", "command", default=None) or []
    return "exec " + " ".join(str(word) for word in command)


def probes(view: View, pod: PodView) -> Iterator[Finding]:
    """Code 7 before anything runs: a readiness or startup probe that asks a port on which nothing listens."""
    if not pod.planned:
        return
    bound = view.bound(pod)
    if bound is None:
        return
    ports = {b.port for b in bound if b.protocol == "TCP" and not b.on_loopback}
    for path, container in pod.placed_containers():
        for field in ("startupProbe", "readinessProbe"):
            probe = container.get(field) or {}
            for kind in ("httpGet", "tcpSocket", "grpc"):
                number = _number(container, (probe.get(kind) or {}).get("port"))
                if number is None or (probe.get(kind) or {}).get("host") or number in ports:
                    continue
                yield Finding(
                    code=7,
                    severity="error",
                    object=pod.ref,
                    field=f"{path}.{field}.{kind}.port",
                    message=f"the {field} asks port {number}, where nothing listens: the Pod will never be ready",
                    evidence=(f"what listens: {shown_bound(bound)}",),
                    fix=f"ask port {min(ports)}" if ports else "ask a port on which the application listens",
                )


def _number(container: JSONObject, port: object) -> int | None:
    if isinstance(port, str):
        named = (p for p in container.get("ports") or () if p.get("name") == port)
        return next((int(p["containerPort"]) for p in named), None)
    return port if isinstance(port, int) else None
