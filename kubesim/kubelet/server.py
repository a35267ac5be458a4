"""The kubelet's server: logs of containers and commands in them, for the API server's connected subresources.

Texts as in pkg/kubelet/kubelet_pods.go and pkg/registry/core/pod/strategy.go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from kubesim.apimachinery.errors import bad_request, internal_error, not_found
from kubesim.apimachinery.meta import key_of, name_of, namespace_of
from kubesim.apimachinery.rest import Request, Response
from kubesim.util.clock import Clock, parse_time
from kubesim.util.jsontypes import JSONObject, dig

if TYPE_CHECKING:
    from kubesim.kubelet.attachment import PodAttachment
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
    """Answers for the Pods of the simulated nodes. `changed(key)` is told of each Pod in which a command
    ran.
    """

    def __init__(self, runtime: ContainerRuntime, *, clock: Clock, changed: Callable[[str], None]) -> None:
        self._runtime = runtime
        self._clock = clock
        self._changed = changed

    def connect(self, obj: JSONObject, subresource: str, rest: str, request: Request) -> Response:
        """Logs as text. Raises StatusError."""
        if subresource != "log" or obj.get("kind") != "Pod":
            raise not_found("pods", f"{name_of(obj)}/{subresource}")
        text = self.logs(obj, self._options(request))
        return Response(200, text, {"content-type": "text/plain"})

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
        self._runtime.refresh(container_id)  # who follows a log looks again and again
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

    def exec(self, pod: JSONObject, container: str, argv: Sequence[str], streams: Streams) -> int:
        """Run a command in a container; its exit code. Raises StatusError, ExecError."""
        from kubesim.runtime.spec import NotRunning

        name, status = find_container(pod, container)
        container_id = bare_id((status or {}).get("containerID") or "")
        running = dig(status or {}, "state", "running") is not None
        if not container_id or not running:
            raise internal_error(f'unable to upgrade connection: container not found ("{name}")')
        try:
            return self._runtime.exec(container_id, list(argv), streams)
        except NotRunning:
            raise internal_error(f'unable to upgrade connection: container not found ("{name}")') from None
        finally:
            self._changed(key_of(pod))


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
