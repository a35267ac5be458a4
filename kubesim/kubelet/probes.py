"""Probes: what a container answers, and what follows from it.

Handlers as in pkg/probe/{http,tcp,exec,grpc}, counting as in pkg/kubelet/prober/worker.go of Kubernetes 1.32.

The real kubelet asks every few seconds for ever. Here a probe whose answer cannot change by itself rests:
one that a server answers, until something happens in the Pod; a command is asked again ever more rarely, as
its answer may depend on the rest of the world.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import TYPE_CHECKING, Final

from kubesim.kubelet.record import ContainerRecord, PodRecord, Probe
from kubesim.runtime.application import HTTPApplication, Listener, Peer
from kubesim.runtime.http1 import HTTPRequest
from kubesim.runtime.spec import ExecError
from kubesim.util.durations import format_duration
from kubesim.util.gotext import quote
from kubesim.util.jsontypes import JSONObject

if TYPE_CHECKING:
    from kubesim.runtime.container import ContainerRuntime

STARTUP: Final = "startup"
LIVENESS: Final = "liveness"
READINESS: Final = "readiness"
_FIELDS: Final = {STARTUP: "startupProbe", LIVENESS: "livenessProbe", READINESS: "readinessProbe"}
_TITLES: Final = {STARTUP: "Startup", LIVENESS: "Liveness", READINESS: "Readiness"}
# pkg/probe/exec: what is kept of a command's output.
_OUTPUT_LIMIT: Final = 10 * 1024
_CLIENT_PORT: Final = 40_000
# How much rarer a settled probe is asked: after a tenth of the time for which it has been settled.
_RARER: Final = 10


@dataclass(frozen=True, slots=True)
class Answer:
    """How one try ended; `settled` says that nothing but a change in the Pod can make it end otherwise."""

    success: bool
    output: str = ""
    settled: bool = True
    errored: bool = False


_YES: Final = Answer(success=True)


def _no(output: str) -> Answer:
    return Answer(success=False, output=output)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a probe goes: a container, and all that run in its Pod."""

    container: JSONObject
    container_id: str
    pod_ip: str
    gateway: str
    together: tuple[str, ...]


def target_of(pod: PodRecord, record: ContainerRecord, container: JSONObject) -> Target:
    """Where the kubelet goes that asks a container of a Pod."""
    together = (record.id, *(c.id for c in pod.containers.values() if c.running and c is not record))
    ip = pod.pod_ips[0] if pod.pod_ips else ""
    gateway = ip
    if pod.addresses:
        gateway = str(ip_network(pod.addresses[0][0], strict=False)[1])
    return Target(container, record.id, ip, gateway, together)


class Prober:
    """Carries out probe handlers."""

    def __init__(self, runtime: ContainerRuntime) -> None:
        self._runtime = runtime
        self._port = _CLIENT_PORT

    def ask(self, target: Target, probe: JSONObject) -> Answer:
        """Try once."""
        if probe.get("exec"):
            return self._exec(target, probe["exec"].get("command") or [])
        if probe.get("httpGet"):
            return self._http(target, probe["httpGet"], probe.get("timeoutSeconds") or 1)
        if probe.get("tcpSocket"):
            action = probe["tcpSocket"]
            host, port = action.get("host") or target.pod_ip, _port(target.container, action.get("port"))
            found = self.listener(target, host, port)
            return _YES if found else _no(_refused(host, port))
        if probe.get("grpc"):
            return self._grpc(target, probe["grpc"], probe.get("timeoutSeconds") or 1)
        return _YES

    def _exec(self, target: Target, command: list[str]) -> Answer:
        try:
            code, out, err = self._runtime.exec_capture(target.container_id, command)
        except ExecError as error:
            text = (
                f"rpc error: code = Unknown desc = failed to exec in container: failed to start exec: {error}"
            )
            return Answer(success=False, output=text, errored=True)
        text = (out + err)[:_OUTPUT_LIMIT].decode("utf-8", "replace")
        return Answer(success=code == 0, output=text, settled=False)

    def _http(self, target: Target, action: JSONObject, seconds: int) -> Answer:
        host, port = action.get("host") or target.pod_ip, _port(target.container, action.get("port"))
        scheme = (action.get("scheme") or "HTTP").lower()
        path = action.get("path") or "/"
        where = f"[{host}]" if ":" in host else host
        url = f"{scheme}://{where}:{port}{path if path.startswith('/') else '/' + path}"
        listener = self.listener(target, host, port)
        if listener is None:
            return _no(f'Get "{url}": {_refused(host, port)}')
        if scheme == "https" and not listener.application.tls:
            return _no(f'Get "{url}": http: server gave HTTP response to HTTPS client')
        if scheme == "http" and listener.application.tls:
            return _no("HTTP probe failed with statuscode: 400")
        if not isinstance(listener.application, HTTPApplication):
            return _no(f'Get "{url}": EOF')
        headers = [(h["name"], h.get("value") or "") for h in action.get("httpHeaders") or ()]
        named = {name.lower() for name, _ in headers}
        standard = [("Host", f"{where}:{port}"), ("User-Agent", "kube-probe/1.32"), ("Accept", "*/*")]
        headers = [*(h for h in standard if h[0].lower() not in named), *headers, ("Connection", "close")]
        request = HTTPRequest("GET", path if path.startswith("/") else f"/{path}", headers)
        response = listener.application.handle(request, self.peer(target, host, port))
        if response.seconds > seconds:
            why = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            return _no(f'Get "{url}": {why}')
        if 200 <= response.status < 400:
            return _YES
        return _no(f"HTTP probe failed with statuscode: {response.status}")

    def _grpc(self, target: Target, action: JSONObject, seconds: int) -> Answer:
        host, port = target.pod_ip, _port(target.container, action.get("port"))
        service = action.get("service") or ""
        listener = self.listener(target, host, port)
        state = listener.application.grpc_health(service) if listener is not None else None
        if state is None:  # it waits for a server that speaks HTTP/2, whatever else accepts the connection
            where, within = f"[{host}]" if ":" in host else host, format_duration(timedelta(seconds=seconds))
            text = f'failed to connect service "{where}:{port}" within {within}: context deadline exceeded'
            return _no(f"timeout: {text}")
        if state == "SERVING":
            return _YES
        if state == "NOT_FOUND":
            return _no("error: health rpc probe failed: rpc error: code = NotFound desc = unknown service")
        return _no(f'service unhealthy (responded with "{state}")')

    def listener(self, target: Target, host: str, port: int) -> Listener | None:
        """What accepts a TCP connection there: the containers of a Pod share its addresses."""
        for container_id in target.together:
            for listener in self._runtime.listeners(container_id):
                if listener.protocol == "TCP" and listener.port == port and listener.accepts(host):
                    return listener
        return None

    def peer(self, target: Target, host: str, port: int) -> Peer:
        self._port = self._port + 1 if self._port < 60_999 else _CLIENT_PORT
        return Peer(target.gateway, self._port, host, port)


def _port(container: JSONObject, port: object) -> int:
    """A probe's port: a number, or the name of one of the container's ports."""
    if isinstance(port, int):
        return port
    text = str(port or "")
    for declared in container.get("ports") or ():
        if declared.get("name") == text:
            return int(declared["containerPort"])
    return int(text) if text.isdigit() else 0


def container_port(container: JSONObject, port: object) -> int:
    """The same, as ResolveContainerPort has it. Raises ValueError, in Go's words, where there is no such port."""
    found = _port(container, port)
    if not found and not isinstance(port, int):
        raise ValueError(f"strconv.Atoi: parsing {quote(str(port or ''))}: invalid syntax")
    if not 0 < found < 65536:
        raise ValueError(f"invalid port number: {found}")
    return found


def _refused(host: str, port: int) -> str:
    where = f"[{host}]" if ":" in host else host
    return f"dial tcp {where}:{port}: connect: connection refused"


# Counting.


def begin(record: ContainerRecord, container: JSONObject) -> None:
    """A container has started: its probes start from the beginning."""
    record.probes = {
        kind: Probe(passing=True if kind == LIVENESS else None)
        for kind, field in _FIELDS.items()
        if container.get(field)
    }
    started = record.started_at
    startup = container.get(_FIELDS[STARTUP])
    if startup and started is not None:
        record.probes[STARTUP].due = started + _seconds(startup, "initialDelaySeconds", 0)
    else:
        open_gate(record, container)


def open_gate(record: ContainerRecord, container: JSONObject) -> None:
    """The container counts as started: liveness and readiness are probed from now on."""
    record.started = record.ever_started = True
    startup = record.probes.pop(STARTUP, None)
    base = startup.since if startup is not None and startup.since is not None else record.started_at
    for kind in (LIVENESS, READINESS):
        probe = record.probes.get(kind)
        if probe is not None and record.started_at is not None and base is not None:
            first = record.started_at + _seconds(container[_FIELDS[kind]], "initialDelaySeconds", 0)
            probe.due = max(first, base)


def ask_again(record: ContainerRecord, now: datetime) -> None:
    """Something has happened to the container that may change its answers."""
    for probe in record.probes.values():
        if probe.due is None or probe.due < now:
            probe.due = now


def count(probe: Probe, answer: Answer, settings: JSONObject, kind: str, now: datetime) -> bool:
    """Work in an answer; whether the probe's result is another one now. worker.doProbe."""
    if probe.last == answer.success:
        probe.count += 1
    else:
        probe.last, probe.count, probe.since = answer.success, 1, now
    threshold = settings.get("failureThreshold") or 3
    if answer.success:
        threshold = (settings.get("successThreshold") or 1) if kind == READINESS else 1
    changed = probe.count >= threshold and probe.passing != answer.success
    if changed:
        probe.passing = answer.success
    probe.due = _next(probe, answer, settings, now)
    return changed


def _next(probe: Probe, answer: Answer, settings: JSONObject, now: datetime) -> datetime | None:
    period = _seconds(settings, "periodSeconds", 10)
    if probe.passing != answer.success:
        return now + period
    if answer.settled:
        return None
    age = now - (probe.since or now)
    return now + max(period, age / _RARER)


def wake(records: Iterable[ContainerRecord], containers: dict[str, JSONObject], now: datetime) -> None:
    """Something may have happened in a Pod: probes that rest are asked again, at their next turn."""
    for record in records:
        for kind, probe in record.probes.items():
            if not record.running or probe.due is not None or (kind != STARTUP and not record.started):
                continue
            period = _seconds(containers[record.name][_FIELDS[kind]], "periodSeconds", 10)
            since = probe.since or record.started_at or now
            turns = (now - since) // period + 1
            probe.due = since + turns * period


def settings_of(container: JSONObject, kind: str) -> JSONObject:
    found = container.get(_FIELDS[kind])
    return found if isinstance(found, dict) else {}


def unhealthy_text(kind: str, answer: Answer) -> str:
    """The Event `Unhealthy`."""
    if answer.errored:
        return f"{_TITLES[kind]} probe errored and resulted in unknown state: {answer.output}"
    return f"{_TITLES[kind]} probe failed: {answer.output}"


def _seconds(settings: JSONObject, field: str, default: int) -> timedelta:
    value = settings.get(field)
    return timedelta(seconds=default if value is None else value)
