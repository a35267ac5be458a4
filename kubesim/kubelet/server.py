"""The kubelet's server: logs, commands, attachments, forwarded ports and proxied requests, for the API server's connected
subresources.

Texts as in pkg/kubelet/kubelet_pods.go and pkg/registry/core/pod/strategy.go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from kubesim.apimachinery.errors import bad_request, internal_error, not_found, status_error
from kubesim.apimachinery.meta import key_of, name_of, namespace_of
from kubesim.apimachinery.rest import Request, Response
from kubesim.util.clock import Clock, parse_time
from kubesim.util.jsontypes import JSONObject, dig

if TYPE_CHECKING:
    from kubesim.client.client import Client
    from kubesim.kubelet.attachment import PodAttachment
    from kubesim.kubelet.remotecommand import AttachCommand, CommandOptions, ExecCommand
    from kubesim.runtime.container import ContainerRuntime
    from kubesim.runtime.spec import Streams

KINDS = (
    ("containers", "containerStatuses"),
    ("initContainers", "initContainerStatuses"),
    ("ephemeralContainers", "ephemeralContainerStatuses"),
)


@dataclass(frozen=True, slots=True)
class LogOptions:
    """PodLogOptions."""

    container: str = ""
    previous: bool = False
    timestamps: bool = False
    tail: int | None = None
    limit_bytes: int | None = None
    since: datetime | None = None


class PodServer:
    """Answers for the Pods of the simulated nodes. `changed(key)` is told of each Pod in which a command ran. `client` reads
    the API. Without `real_time`, where the clock stands still, a command's sleep is over at once.
    """

    def __init__(
        self,
        runtime: ContainerRuntime,
        *,
        clock: Clock,
        changed: Callable[[str], None],
        client: Callable[[], Client] | None = None,
        real_time: bool = True,
    ) -> None:
        self._runtime = runtime
        self._clock = clock
        self._changed = changed
        self._client = client
        self._real_time = real_time

    def connect(self, obj: JSONObject, subresource: str, rest: str, request: Request) -> Response:
        """Logs as text, answers of proxied servers; for all else, and for a log that is followed, a connection. Raises
        StatusError.
        """
        del rest  # a proxied path is passed on as it was written: see Proxy
        if subresource == "proxy" and self._client is not None:
            from kubesim.kubelet.proxying import Proxy

            return Proxy(self._runtime, self._client).connect(obj, request)
        if obj.get("kind") != "Pod" or subresource not in ("log", "exec", "attach", "portforward"):
            raise not_found("pods", f"{name_of(obj)}/{subresource}")
        if subresource == "log":
            return self._log(obj, request)
        if request.method not in ("GET", "POST"):
            raise status_error(
                405, "MethodNotAllowed", "the server does not allow this method on the requested resource"
            )
        _require_host(obj)
        if subresource == "portforward":
            return self._forward(obj)
        from kubesim.kubelet.remotecommand import read_options

        options = read_options(request.query)
        command = self._exec_command if subresource == "exec" else self._attach_command
        return Response(101, connection=command(obj, options))

    def _log(self, pod: JSONObject, request: Request) -> Response:
        if request.method != "GET":
            raise status_error(
                405, "MethodNotAllowed", "the server does not allow this method on the requested resource"
            )
        options = self._options(request)
        headers = {"content-type": "text/plain"}
        if (request.query.get("follow") or [""])[-1].lower() not in ("true", "1"):
            return Response(200, self.logs(pod, options), headers)
        from kubesim.kubelet.following import FollowedLog

        key = key_of(pod)
        source = self._log_source(pod, options)
        log = FollowedLog(self._runtime, source, options, changed=lambda: self._changed(key))
        return Response(200, headers=headers, connection=log)

    def _forward(self, pod: JSONObject) -> Response:
        from kubesim.kubelet.portforward import Forwarding

        if dig(pod, "status", "phase") != "Running":
            phase = dig(pod, "status", "phase", default="")
            raise internal_error(f"pod is not running. Current status={phase}")
        return Response(101, connection=Forwarding(self._runtime, pod))

    def _exec_command(self, pod: JSONObject, options: CommandOptions) -> ExecCommand:
        from kubesim.kubelet.remotecommand import ExecCommand

        name, status = find_container(pod, options.container)
        container_id = bare_id((status or {}).get("containerID") or "")

        def start(streams: Streams, wait: Callable[[float], None] | None) -> int:
            return self.exec(pod, name, options.command, streams, wait=wait)

        return ExecCommand(
            options, start, lambda: self._runtime.has_ended(container_id), real_time=self._real_time
        )

    def _attach_command(self, pod: JSONObject, options: CommandOptions) -> AttachCommand:
        from kubesim.kubelet.remotecommand import AttachCommand

        name, _ = find_container(pod, options.container)
        # Whether its process runs at a terminal was settled when it was started: Kubelet.GetAttach.
        kinds = [c for key, _ in KINDS for c in dig(pod, "spec", key, default=[]) if c.get("name") == name]
        tty = bool(kinds and kinds[0].get("tty"))
        options = replace(
            options, container=name, tty=tty, stdin=options.stdin and bool(kinds[0].get("stdin"))
        )
        return AttachCommand(options, lambda: self.attach(pod, name), real_time=self._real_time)

    def _options(self, request: Request) -> LogOptions:
        query = {name: values[-1] for name, values in request.query.items() if values}
        since = None
        if query.get("sinceSeconds"):
            since = self._clock.now() - timedelta(seconds=_number(query["sinceSeconds"], "sinceSeconds"))
        elif query.get("sinceTime"):
            try:
                since = parse_time(query["sinceTime"])
            except ValueError as error:
                raise bad_request(str(error)) from None
        return LogOptions(
            container=query.get("container", ""),
            previous=query.get("previous") == "true",
            timestamps=query.get("timestamps") == "true",
            tail=_number(query["tailLines"], "tailLines") if query.get("tailLines") else None,
            limit_bytes=_number(query["limitBytes"], "limitBytes") if query.get("limitBytes") else None,
            since=since,
        )

    def logs(self, pod: JSONObject, options: LogOptions) -> str:
        """The log of one container. Raises StatusError."""
        container_id = self._log_source(pod, options)
        self._runtime.look_anew()  # who follows a log looks again and again
        return self._runtime.logs(
            container_id,
            tail=options.tail,
            since=options.since,
            timestamps=options.timestamps,
            limit_bytes=options.limit_bytes,
        )

    def _log_source(self, pod: JSONObject, options: LogOptions) -> str:
        name, status = find_container(pod, options.container)
        pod_name = name_of(pod)
        if status is None:
            raise bad_request(
                f'container "{name}" in pod "{pod_name}" is waiting to start: {_waiting(pod, None)}'
            )
        last = dig(status, "lastState", "terminated", "containerID", default="")
        if options.previous:
            if not last:
                raise bad_request(f'previous terminated container "{name}" in pod "{pod_name}" not found')
            return bare_id(last)
        current = status.get("containerID") or ""
        if dig(status, "state", "waiting") is not None:
            if last:
                return bare_id(last)
            raise bad_request(
                f'container "{name}" in pod "{pod_name}" is waiting to start: {_waiting(pod, status)}'
            )
        if not current:
            raise bad_request(
                f'container "{name}" in pod "{pod_name}" is waiting to start: {_waiting(pod, status)}'
            )
        return bare_id(current)

    def attach(self, pod: JSONObject, container: str) -> PodAttachment:
        """The main process of a container, to be attached to. Raises StatusError."""
        from kubesim.kubelet.attachment import PodAttachment

        _require_host(pod)
        name, status = find_container(pod, container)
        container_id = bare_id((status or {}).get("containerID") or "")
        if not container_id:
            title = f"{name_of(pod)}_{namespace_of(pod)}"
            raise internal_error(f"unable to upgrade connection: container {name} not found in pod {title}")
        if dig(status or {}, "state", "running") is None:
            text = "error attaching to container: container is in CONTAINER_EXITED state"
            raise internal_error(text)
        key = key_of(pod)
        return PodAttachment(self._runtime, container_id, changed=lambda: self._changed(key))

    def exec(
        self,
        pod: JSONObject,
        container: str,
        argv: Sequence[str],
        streams: Streams,
        *,
        wait: Callable[[float], None] | None = None,
    ) -> int:
        """Run a command in a container; its exit code. `wait` lets time pass where the command sleeps. Raises StatusError,
        ExecError.
        """
        from kubesim.runtime.spec import NotRunning

        _require_host(pod)
        name, status = find_container(pod, container)
        container_id = bare_id((status or {}).get("containerID") or "")
        running = dig(status or {}, "state", "running") is not None
        if not container_id or not running:
            raise internal_error(f'unable to upgrade connection: container not found ("{name}")')
        self._runtime.look_anew()
        try:
            return self._runtime.exec(container_id, list(argv) or [""], streams, wait=wait)
        except NotRunning:
            raise internal_error(f'unable to upgrade connection: container not found ("{name}")') from None
        finally:
            self._changed(key_of(pod))


def _require_host(pod: JSONObject) -> None:
    if not dig(pod, "spec", "nodeName"):
        raise bad_request(f"pod {name_of(pod)} does not have a host assigned")


def find_container(pod: JSONObject, name: str) -> tuple[str, JSONObject | None]:
    """A container's name and status; the only one where no name is given. Raises StatusError."""
    pod_name = name_of(pod)
    spec = pod.get("spec") or {}
    if not name:
        names = [c["name"] for c in spec.get("containers") or []]
        if len(names) != 1:
            shown = f"[{' '.join(names)}]"
            raise bad_request(
                f"a container name must be specified for pod {pod_name}, choose one of: {shown}"
            )
        name = names[0]
    for key, statuses in KINDS:
        if any(c.get("name") == name for c in spec.get(key) or []):
            found = dig(pod, "status", statuses, default=[])
            return name, next((s for s in found if s.get("name") == name), None)
    raise bad_request(f"container {name} is not valid for pod {pod_name}")


def bare_id(container_id: str) -> str:
    """`containerd://ID` without what says which runtime it is."""
    return container_id.rpartition("//")[2]


def _waiting(pod: JSONObject, status: JSONObject | None) -> str:
    reason = dig(status or {}, "state", "waiting", "reason", default="")
    if reason in ("ErrImagePull", "ImagePullBackOff", "InvalidImageName"):
        texts = {
            "ErrImagePull": "image can't be pulled",
            "ImagePullBackOff": "trying and failing to pull image",
        }
        return texts.get(reason) or str(reason)
    if not dig(pod, "spec", "nodeName"):
        return "PodScheduled"
    return str(reason or "ContainerCreating")


def _number(text: str, name: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax ({name})') from None
