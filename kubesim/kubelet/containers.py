"""Starting and ending single containers: image, configuration, process; with the Events and the back-off of
each step.

Rules as in pkg/kubelet/kuberuntime/kuberuntime_container.go and pkg/kubelet/images/image_manager.go of
Kubernetes 1.32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from kubesim.apimachinery.meta import namespace_of
from kubesim.client.recorder import NORMAL, WARNING, Occurrence
from kubesim.kubelet import probes
from kubesim.kubelet.catalogues import Catalogues
from kubesim.kubelet.config import KubeletConfig
from kubesim.kubelet.downward import PodFacts
from kubesim.kubelet.environment import build_environment, expand
from kubesim.kubelet.errors import ConfigError
from kubesim.kubelet.hooks import Hooks, NetworkOf, Outcome
from kubesim.kubelet.names import hostname_and_domain, hosts_file, resolv_conf
from kubesim.kubelet.record import ContainerRecord, PodRecord
from kubesim.kubelet.sources import Sources
from kubesim.kubelet.volumes import Volume, mounts_of
from kubesim.runtime.images import ImagePullError
from kubesim.runtime.spec import (
    ContainerPort,
    ContainerSpec,
    NotRunning,
    PulledImage,
    StartError,
)
from kubesim.util.durations import format_duration
from kubesim.util.gotext import quote
from kubesim.util.ids import Identities
from kubesim.util.jsontypes import JSONObject
from kubesim.util.quantity import Quantity
from kubesim.util.state import StateStore

if TYPE_CHECKING:
    from kubesim.runtime.container import ContainerRuntime

# After a failed start the Pod is looked at again after this time: podWorkers' backOffPeriod.
RETRY: Final = timedelta(seconds=10)
# A pull that failed shows as ErrImagePull until the next look at the Pod, which the sandbox's start soon causes; a hook
# that failed until the kubelet sees that the container has ended.
_ERROR_SHOWS: Final = timedelta(seconds=1)
_KILLED: Final = 137  # 128 + SIGKILL
_START_ERROR_TIME: Final = "1970-01-01T00:00:00Z"


@dataclass(slots=True)
class PodWork:
    """A Pod that is being worked on: what it is, what is remembered of it, and the Events that came of it."""

    key: str
    pod: JSONObject
    record: PodRecord
    now: datetime
    volumes: dict[str, Volume] = field(default_factory=dict)
    prepared: bool = False
    events: list[Occurrence] = field(default_factory=list)
    actions: list[str] = field(default_factory=list)

    @property
    def spec(self) -> JSONObject:
        return self.pod.get("spec") or {}

    @property
    def title(self) -> str:
        """How the kubelet names a Pod: format.Pod."""
        metadata = self.pod["metadata"]
        return f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"

    def event(self, kind: str, reason: str, message: str, record: ContainerRecord | None = None) -> None:
        """An Event of the Pod, or of one of its containers."""
        path = ""
        if record is not None:
            lists = {
                "init": "initContainers",
                "sidecar": "initContainers",
                "ephemeral": "ephemeralContainers",
            }
            path = f"spec.{lists.get(record.kind, 'containers')}{{{record.name}}}"
        self.events.append(Occurrence(kind, reason, message, path))


class Containers:
    """Starts and ends the containers of Pods."""

    def __init__(
        self,
        *,
        runtime: ContainerRuntime,
        sources: Sources,
        state: StateStore,
        identities: Identities,
        config: KubeletConfig,
        present: Callable[[], datetime],
        catalogues: Catalogues,
        network: NetworkOf | None = None,
    ) -> None:
        self._runtime = runtime
        self._catalogues = catalogues
        self._hooks = Hooks(runtime, config=config, network=network)
        self._present = present
        self._sources = sources
        self._state = state
        self._identities = identities
        self._config = config

    def start(self, work: PodWork, container: JSONObject, record: ContainerRecord) -> None:
        """Pull, create, start; what fails is written down in the record, with the time of the next try."""
        record.retry_at = None
        pulled = self._image(work, container, record)
        if pulled is None:
            return
        facts = self.facts(work)
        try:
            environment = build_environment(facts, container, self._sources)
        except ConfigError as error:
            self._refuse(work, record, "CreateContainerConfigError", str(error))
            return
        if (problem := _user_problem(work, container, pulled)) is not None:
            self._refuse(work, record, "CreateContainerConfigError", problem)
            return
        for text in environment.skipped:
            work.event(WARNING, "InvalidEnvironmentVariableNames", text)
        self._run(work, container, record, pulled, environment.variables)

    def facts(self, work: PodWork) -> PodFacts:
        """What of a Pod and its node can be seen in it: variables, volumes."""
        node = self._sources.node(work.record.node) or {}
        return PodFacts(
            work.pod,
            tuple(work.record.pod_ips),
            tuple(work.record.host_ips),
            (node.get("status") or {}).get("allocatable") or {},
        )

    def _refuse(self, work: PodWork, record: ContainerRecord, reason: str, message: str) -> None:
        record.wait(reason, message)
        work.event(WARNING, "Failed", f"Error: {message}", record)
        work.actions.append(f"could not create container {record.name} of Pod {work.key}: {message}")

    # Images.

    def _image(self, work: PodWork, container: JSONObject, record: ContainerRecord) -> PulledImage | None:
        """EnsureImageExists; None where the image cannot be had now."""
        image = container.get("image") or ""
        policy = container.get("imagePullPolicy") or "IfNotPresent"
        note = f"kubelet/image/{work.record.node}/{image}"
        present = self._state.get(note) is not None
        if policy == "Never" and not present:
            text = f"Container image {quote(image)} is not present with pull policy of Never"
            work.event(WARNING, "ErrImageNeverPull", text, record)
            self._image_failed(work, record, "ErrImageNeverPull", text)
            return None
        failed = record.pull_backoff.updated
        until = record.pull_backoff.waits_until(failed) if failed is not None else None
        if until is not None and until > work.now and record.pull_error:
            self._pull_backs_off(work, image, record, until)
            return None
        pulling = policy == "Always" or not present
        if pulling:
            work.event(NORMAL, "Pulling", f"Pulling image {quote(image)}", record)
        catalogue = self._catalogues.of(namespace_of(work.pod))
        try:
            pulled = self._runtime.pull(image, catalogue)
        except ImagePullError as error:
            self._pull_failed(work, image, record, error, present=present)
            return None
        if pulling:
            took = format_duration(timedelta(seconds=pulled.seconds))
            text = f"Successfully pulled image {quote(image)} in {took} ({took} including waiting)."
            work.event(NORMAL, "Pulled", f"{text} Image size: {pulled.size} bytes.", record)
            self._state.set(note, b"1")
        else:
            text = f"Container image {quote(image)} already present on machine"
            work.event(NORMAL, "Pulled", text, record)
        record.pull_error = ""
        for doubt in catalogue.doubts(image):
            told = f"Image {quote(image)} answers as an echo, for want of a description: {doubt}"
            work.event(WARNING, "InvalidImageCatalogue", told, record)
        return pulled

    def _pull_failed(
        self, work: PodWork, image: str, record: ContainerRecord, error: ImagePullError, *, present: bool
    ) -> None:
        text = str(error)
        if error.reason == "InvalidImageName":
            if work.events and work.events[-1].reason == "Pulling" and not present:
                work.events.pop()  # such a name is refused before anything is pulled
            work.event(WARNING, "InspectFailed", text, record)
            self._image_failed(work, record, "InvalidImageName", text)
            record.retry_at = None
            return
        work.event(WARNING, "Failed", f"Failed to pull image {quote(image)}: {text}", record)
        record.pull_backoff.next(work.now)
        record.pull_error = f"ErrImagePull: {text}"
        self._image_failed(work, record, "ErrImagePull", text)
        record.retry_at = work.now + _ERROR_SHOWS

    def _pull_backs_off(self, work: PodWork, image: str, record: ContainerRecord, until: datetime) -> None:
        text = f"Back-off pulling image {quote(image)}"
        work.event(NORMAL, "BackOff", text, record)
        self._image_failed(work, record, "ImagePullBackOff", f"{text}: {record.pull_error}")
        failed = record.pull_backoff.updated or until
        _, record.retry_at = record.pull_backoff.skipped(failed, until, self._present())

    def _image_failed(self, work: PodWork, record: ContainerRecord, reason: str, message: str) -> None:
        work.event(WARNING, "Failed", f"Error: {reason}", record)
        record.wait(reason, message)
        work.actions.append(
            f"could not pull the image of container {record.name} of Pod {work.key}: {message}"
        )

    # Processes.

    def _run(
        self,
        work: PodWork,
        container: JSONObject,
        record: ContainerRecord,
        pulled: PulledImage,
        environment: Mapping[str, str],
    ) -> None:
        if record.state == "terminated":
            record.last = record.terminated_state()
        if record.id:
            self._forget_previous(record)
            record.restarts += 1
        record.id = self._identities.hex(64)
        record.image, record.image_id = pulled.reference, pulled.image_id
        record.spec_image = container.get("image") or ""
        record.started_at, record.finished_at, record.ends_at = work.now, None, None
        record.stop_grace = None
        record.started = record.ready = False
        record.hook_until, record.hook_error = None, ""
        work.event(NORMAL, "Created", f"Created container: {record.name}", record)
        try:
            spec = self._spec(work, container, record, environment)
            state = self._runtime.start(spec, self._catalogues.of(spec.pod_namespace))
        except StartError as error:
            self._start_failed(work, record, error)
            return
        work.event(NORMAL, "Started", f"Started container {record.name}", record)
        work.actions.append(f"started container {record.name} of Pod {work.key}")
        record.state, record.reason, record.message = "running", "", ""
        record.look_at = state.look_again
        if state.running:
            self._post_start(work, container, record)
        else:
            probes.begin(record, container)
            finish(record, state.exit_code or 0, state.reason, state.message, state.finished_at or work.now)

    def _forget_previous(self, record: ContainerRecord) -> None:
        """The log of one previous run can be read; what came before that one is removed."""
        if record.previous:
            self._runtime.remove(record.previous)
        record.previous = record.id

    def _start_failed(self, work: PodWork, record: ContainerRecord, error: StartError) -> None:
        """A container that could not start has ended, with reason StartError; the Pod waits for the next
        try.
        """
        text = str(error)
        work.event(WARNING, "Failed", f"Error: {text}", record)
        work.actions.append(f"could not start container {record.name} of Pod {work.key}: {text}")
        if error.reason == "RunContainerError":
            record.last = {
                "exitCode": error.exit_code,
                "reason": "StartError",
                "message": text,
                "startedAt": _START_ERROR_TIME,
                "finishedAt": work.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "containerID": f"containerd://{record.id}",
            }
            record.finished_at, record.exit_code = work.now, error.exit_code
        record.state = "waiting"
        record.wait(error.reason, text)
        record.retry_at = work.now + RETRY

    def _post_start(self, work: PodWork, container: JSONObject, record: ContainerRecord) -> None:
        """The hook has done at once what it does; what comes of it is known when the time is over that it takes."""
        handler = (container.get("lifecycle") or {}).get("postStart")
        if handler:
            outcome = self._hook(work, container, record, handler)
            record.hook_error = outcome.error
            record.hook_until = work.now + timedelta(seconds=outcome.seconds)
            self.hook_if_due(work, container, record)
        else:
            probes.begin(record, container)

    def _hook(
        self, work: PodWork, container: JSONObject, record: ContainerRecord, handler: JSONObject
    ) -> Outcome:
        target = probes.target_of(work.record, record, container)
        outcome = self._hooks.run(handler, target, work.record.node, work.title)
        if outcome.fell_back:
            said = f"request to HTTPS lifecycle hook {outcome.fell_back} got HTTP response, retry with HTTP succeeded"
            work.event(WARNING, "LifecycleHTTPFallback", said)
        return outcome

    def hook_if_due(self, work: PodWork, container: JSONObject, record: ContainerRecord) -> None:
        """A postStart hook is over by now: the container has started, or is ended again."""
        if record.hook_until is None or record.hook_until > work.now:
            return
        record.hook_until = None
        if not record.hook_error:
            probes.begin(record, container)
            return
        work.event(WARNING, "FailedPostStartHook", "PostStartHook failed", record)
        self.end(work, container, record, "FailedPostStartHook")

    def wait_for_hook(self, record: ContainerRecord) -> None:
        """A container that was ended for its hook shows why, until the kubelet has seen that it has ended."""
        since = record.finished_at
        record.wait("PostStartHookError", record.hook_error)
        record.hook_error = ""
        record.retry_at = since + _ERROR_SHOWS if since is not None else None

    def _spec(
        self, work: PodWork, container: JSONObject, record: ContainerRecord, environment: Mapping[str, str]
    ) -> ContainerSpec:
        pod, spec, metadata = work.pod, work.spec, work.pod["metadata"]
        hostname, domain = hostname_and_domain(pod, self._config)
        security = {**(spec.get("securityContext") or {}), **(container.get("securityContext") or {})}
        variables = environment
        limit = ((container.get("resources") or {}).get("limits") or {}).get("memory")
        return ContainerSpec(
            id=record.id,
            name=record.name,
            image=container.get("image") or "",
            command=tuple(expand(word, variables) for word in container.get("command") or ()),
            args=tuple(expand(word, variables) for word in container.get("args") or ()),
            env=variables,
            working_dir=container.get("workingDir") or "",
            run_as_user=security.get("runAsUser"),
            run_as_group=security.get("runAsGroup"),
            read_only_root=bool(security.get("readOnlyRootFilesystem")),
            ports=tuple(
                ContainerPort(p["containerPort"], p.get("protocol") or "TCP", p.get("name") or "")
                for p in container.get("ports") or ()
            ),
            mounts=tuple(mounts_of(container, work.volumes, variables)),
            pod_name=metadata["name"],
            pod_namespace=metadata["namespace"],
            pod_uid=metadata["uid"],
            node_name=work.record.node,
            hostname=work.record.node if spec.get("hostNetwork") else hostname,
            domain="" if spec.get("hostNetwork") else domain,
            pod_ips=tuple(work.record.pod_ips),
            host_ips=tuple(work.record.host_ips),
            host_network=bool(spec.get("hostNetwork")),
            resolv_conf=resolv_conf(pod, self._config),
            hosts=hosts_file(pod, work.record.pod_ips, hostname, domain),
            memory_limit=Quantity.from_json(limit).value() if limit else 0,
            tty=bool(container.get("tty")),
            stdin=bool(container.get("stdin")),
            stdin_once=bool(container.get("stdinOnce")),
            termination_message_path=container.get("terminationMessagePath") or "/dev/termination-log",
        )

    # The end.

    def end(self, work: PodWork, container: JSONObject, record: ContainerRecord, message: str) -> None:
        """Tell a container to end, with an Event. It may take until `ends_at`."""
        if not record.running or record.ends_at is not None:
            return
        work.event(NORMAL, "Killing", message, record)
        work.actions.append(f"told container {record.name} of Pod {work.key} to end: {message}")
        record.stop_grace, pause = self._grace(work, container, record)
        record.ends_at = work.now + pause  # until then it serves on
        record.look_at = record.hook_until = None
        # A Pod that is being deleted is asked on whether it is ready, and nothing else: prober/worker.go.
        deleted = work.pod["metadata"].get("deletionTimestamp")
        readiness = record.probes.get(probes.READINESS) if deleted else None
        record.probes = {probes.READINESS: readiness} if readiness is not None else {}
        probes.ask_again(record, work.now)
        self.finish_if_due(record, work.now)

    def _grace(
        self, work: PodWork, container: JSONObject, record: ContainerRecord
    ) -> tuple[float, timedelta]:
        """The seconds that a container has to end, and how long its preStop hook takes before."""
        seconds = work.pod["metadata"].get("deletionGracePeriodSeconds")
        if seconds is None:
            seconds = work.spec.get("terminationGracePeriodSeconds")
        grace = timedelta(seconds=30 if seconds is None else seconds)
        hook = (container.get("lifecycle") or {}).get("preStop") or {}
        outcome = self._hook(work, container, record, hook) if hook else Outcome()
        if outcome.error:
            work.event(WARNING, "FailedPreStopHook", "PreStopHook failed", record)
        pause = timedelta(seconds=outcome.seconds)
        pause = min(pause, grace)
        return (grace - pause).total_seconds(), pause

    def finish_if_due(self, record: ContainerRecord, now: datetime) -> bool:
        """A container that was told to end has ended by now."""
        if record.ends_at is None or record.ends_at > now:
            return False
        if record.stop_grace is not None:
            try:
                state = self._runtime.stop(record.id, record.stop_grace)
            except NotRunning:
                _lose(record, now)
                return True
            record.exit_code, record.reason, record.message = (
                state.exit_code or 0,
                state.reason,
                state.message,
            )
            record.ends_at, record.stop_grace = max(state.finished_at or now, record.ends_at), None
            if record.ends_at > now:
                probes.ask_again(record, now)
                return False
        finish(record, record.exit_code, record.reason, record.message, record.ends_at)
        return True

    def look(self, work: PodWork, record: ContainerRecord) -> bool:
        """See whether a running container has ended by itself."""
        try:
            state = self._runtime.advance(record.id)
        except NotRunning:
            _lose(record, work.now)
            work.actions.append(f"container {record.name} of Pod {work.key} is not there any more")
            return True
        record.look_at = state.look_again
        if state.running:
            return False
        finish(record, state.exit_code or 0, state.reason, state.message, state.finished_at or work.now)
        work.actions.append(
            f"container {record.name} of Pod {work.key} ended with exit code {record.exit_code}"
        )
        return True

    def remove(self, record: ContainerRecord) -> None:
        """Forget a container that has ended, and its files."""
        for container_id in (record.id, record.previous):
            if container_id:
                self._runtime.remove(container_id)


def _lose(record: ContainerRecord, at: datetime) -> None:
    """A container of which the runtime knows nothing has ended; texts as in convertToAPIContainerStatuses."""
    text = "The container could not be located when the pod was deleted.  The container used to be Running"
    finish(record, _KILLED, "ContainerStatusUnknown", text, at)


def finish(record: ContainerRecord, code: int, reason: str, message: str, at: datetime) -> None:
    """A container has ended."""
    record.state, record.exit_code, record.finished_at = "terminated", code, at
    record.reason, record.message = reason or ("Completed" if code == 0 else "Error"), message
    record.ready = record.started = False
    record.ends_at = record.look_at = record.retry_at = record.stop_grace = record.hook_until = None
    record.probes = {}


def _user_problem(work: PodWork, container: JSONObject, pulled: PulledImage) -> str | None:
    """VerifyRunAsNonRoot"""
    security = {**(work.spec.get("securityContext") or {}), **(container.get("securityContext") or {})}
    if not security.get("runAsNonRoot"):
        return None
    title = f'pod: "{work.title}", container: {container["name"]}'
    user = security.get("runAsUser")
    if user is not None:
        return f"container's runAsUser breaks non-root policy ({title})" if user == 0 else None
    name = pulled.user.partition(":")[0]
    if not name or name == "0":
        return f"container has runAsNonRoot and image will run as root ({title})"
    if not name.isdigit():
        text = f"container has runAsNonRoot and image has non-numeric user ({name})"
        return f"{text}, cannot verify user is non-root ({title})"
    return None
