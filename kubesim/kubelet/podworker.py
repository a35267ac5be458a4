"""One Pod's life on its node: what to do now, given what it should be, what it is, and the time.

Rules as in pkg/kubelet/kubelet.go (SyncPod, SyncTerminatingPod),
pkg/kubelet/kuberuntime/kuberuntime_manager.go (computePodActions, doBackOff) of Kubernetes 1.32. Everything
that happens at one moment happens in one call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from kubesim.apis.podfacts import spec_of, status_of
from kubesim.client.recorder import NORMAL, WARNING
from kubesim.kubelet import probes
from kubesim.kubelet.addresses import AddressesExhaustedError, PodAddresses
from kubesim.kubelet.backoff import Backoff
from kubesim.kubelet.containers import RETRY, Containers, PodWork
from kubesim.kubelet.errors import MountError
from kubesim.kubelet.probes import LIVENESS, READINESS, STARTUP, Prober, target_of
from kubesim.kubelet.record import ContainerRecord, Kind, PodRecord
from kubesim.kubelet.sources import Sources
from kubesim.kubelet.status import pending_initialisation
from kubesim.kubelet.volumes import build_volumes
from kubesim.runtime.spec import NotRunning
from kubesim.util.clock import parse_time
from kubesim.util.jsontypes import JSONObject

if TYPE_CHECKING:
    from kubesim.runtime.container import ContainerRuntime

# Containers that end as soon as they start are tried again at once the first time; this bounds the turns at
# one moment.
_TURNS = 100
# What a container waits for whose process has ended, or has been ended.
_OF_THE_PROCESS = ("CrashLoopBackOff", "RunContainerError", "PostStartHookError")


class PodWorker:
    """Does what is to be done for a Pod."""

    def __init__(
        self,
        *,
        runtime: ContainerRuntime,
        containers: Containers,
        sources: Sources,
        addresses: PodAddresses,
        present: Callable[[], datetime],
    ) -> None:
        self._runtime = runtime
        self._containers = containers
        self._sources = sources
        self._addresses = addresses
        self._present = present
        self._prober = Prober(runtime)

    # A Pod that is to run.

    def sync(self, work: PodWork) -> None:
        """Bring a Pod as far as it gets now."""
        record = work.record
        _adopt(work.spec, record)
        self._observe(work)
        if record.ended or self._past_deadline(work):
            return
        if self._needs_preparation(work) and not self._prepare(work):
            return
        probes.wake(record.containers.values(), _by_name(work.spec), work.now)
        for _ in range(_TURNS):
            self._go_on(work)
            if not self._probe(work):
                break
        if self._is_over(work):
            self._wind_up(work)

    def _observe(self, work: PodWork) -> None:
        """What has happened in the containers since the last look."""
        containers = _by_name(work.spec)
        for record in work.record.containers.values():
            if record.ends_at is not None:
                self._containers.finish_if_due(record, work.now)
            elif record.running and not self._containers.look(work, record):
                self._containers.hook_if_due(work, containers.get(record.name) or {}, record)

    def _past_deadline(self, work: PodWork) -> bool:
        """ActiveDeadlineHandler"""
        seconds = work.spec.get("activeDeadlineSeconds")
        record = work.record
        if seconds is None or work.now < record.started_at + timedelta(seconds=seconds):
            return False
        text = "Pod was active on the node longer than the specified deadline"
        work.event(NORMAL, "DeadlineExceeded", text)
        record.failed_reason, record.failed_message = "DeadlineExceeded", text
        self._wind_up(work)
        return True

    def _needs_preparation(self, work: PodWork) -> bool:
        """A Pod that simply runs needs nothing read; what uses ConfigMaps or Secrets may have to be
        renewed.
        """
        record = work.record
        at_rest = record.has_sandbox and all(c.running for c in record.containers.values())
        return not at_rest or bool(record.uses)

    def _prepare(self, work: PodWork) -> bool:
        """Volumes and addresses, before any container; False where they cannot be had now."""
        work.prepared = True
        work.record.retry_at = None
        facts = self._containers.facts(work)
        try:
            work.volumes = build_volumes(facts, self._sources)
        except MountError as error:
            if not work.record.has_sandbox:
                text = f'MountVolume.SetUp failed for volume "{error.volume}" : {error}'
                work.event(WARNING, "FailedMount", text)
                work.actions.append(f"could not mount a volume of Pod {work.key}: {error}")
                return False
            return True  # what is mounted stays as it was
        self._renew_volumes(work)
        return work.record.has_sandbox or self._make_sandbox(work)

    def _renew_volumes(self, work: PodWork) -> None:
        """Rewrite the volumes whose ConfigMap or Secret has changed since they were mounted."""
        digest = sha256()
        for name, volume in sorted(work.volumes.items()):
            # A token is new each time it is asked for; the one that is mounted is good.
            if volume.files is not None and "token" not in volume.files:
                digest.update(repr((name, sorted(volume.files.items()))).encode())
        record = work.record
        before, record.volumes_digest = record.volumes_digest, digest.hexdigest()
        record.volumes = [v.source for v in work.volumes.values() if v.source.startswith(record.uid)]
        if not before or before == record.volumes_digest:
            return
        for volume in work.volumes.values():
            if volume.files is not None and "token" not in volume.files:
                self._runtime.write_volume(volume.source, volume.files, mode=volume.mode)
        work.actions.append(f"renewed the volumes of Pod {work.key}")

    def _make_sandbox(self, work: PodWork) -> bool:
        """The Pod's network: its node's addresses, or new ones."""
        record, node = work.record, self._sources.node(work.record.node) or {}
        record.host_ips = [
            a["address"] for a in status_of(node).get("addresses") or () if a.get("type") == "InternalIP"
        ]
        if work.spec.get("hostNetwork"):
            record.pod_ips = list(record.host_ips)
        else:
            spec = spec_of(node)
            cidrs = spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else [])
            try:
                for cidr in cidrs:
                    address = self._addresses.allocate(cidr, record.uid)
                    record.addresses.append((cidr, address))
            except AddressesExhaustedError as error:
                which = len(record.addresses)
                self.release(record)
                self._no_network(work, f"failed to allocate for range {which}: {error}")
                return False
            record.pod_ips = [address for _, address in record.addresses]
            if not record.pod_ips:
                self._no_network(work, f"node {record.node} has no pod CIDR")
                return False
        record.has_sandbox = True
        waiting = "PodInitializing" if any(record.of_kind("init", "sidecar")) else "ContainerCreating"
        for container in record.of_kind("app"):
            container.reason = waiting if container.reason == "ContainerCreating" else container.reason
        return True

    def _no_network(self, work: PodWork, text: str) -> None:
        metadata = work.pod["metadata"]
        sandbox = f"{metadata['name']}_{metadata['namespace']}_{metadata['uid']}_0"
        failed = f'failed to setup network for sandbox "{sandbox}": plugin type="ptp" failed (add): {text}'
        message = f"Failed to create pod sandbox: rpc error: code = Unknown desc = {failed}"
        work.event(WARNING, "FailedCreatePodSandBox", message)
        work.actions.append(f"could not give Pod {work.key} an address: {text}")
        work.record.retry_at = work.now + RETRY

    def release(self, record: PodRecord) -> None:
        """Give the Pod's addresses back."""
        for cidr, address in record.addresses:
            self._addresses.release(cidr, address, record.uid)
        record.addresses = []

    # Containers.

    def _go_on(self, work: PodWork) -> None:
        for _ in range(_TURNS):
            if not self._step(work):
                break

    def _step(self, work: PodWork) -> bool:
        """Start or end what is due; whether something that may lead to more was done."""
        record = work.record
        changed = False
        for container in work.spec.get("initContainers") or ():
            one = record.containers[container["name"]]
            was_first = one.kind == "init" and not one.succeeded
            if not (one.kind == "init" and one.succeeded):
                changed = self._drive(work, container, one) or changed
            if (was_first and not one.succeeded) or (one.kind == "sidecar" and not one.ever_started):
                return changed
        for container in work.spec.get("containers") or ():
            one = record.containers[container["name"]]
            changed = self._drive(work, container, one) or changed
            if one.hook_until is not None:  # the kubelet starts one after the other
                return changed
        for container in work.spec.get("ephemeralContainers") or ():
            one = record.containers[container["name"]]
            if not one.id:
                changed = self._drive(work, container, one) or changed
        return changed

    def _drive(self, work: PodWork, container: JSONObject, record: ContainerRecord) -> bool:
        """One container: start it, start it again, or leave it."""
        if record.running:
            if record.ends_at is None and record.spec_image != (container.get("image") or ""):
                text = f"Container {record.name} definition changed, will be restarted"
                self._containers.end(work, container, record, text)
                # The back-off is that of a container of this very definition: getStableKey.
                record.backoff = Backoff()
                return record.state == "terminated"
            return False
        if record.state == "terminated" and not _should_restart(work, record):
            return False
        if record.hook_error and record.state == "terminated":
            self._containers.wait_for_hook(record)
        if record.retry_at is not None and record.retry_at > work.now:
            return False
        if self._backs_off(work, record):
            return False
        if not work.prepared and not self._prepare(work):
            return False
        self._containers.start(work, container, record)
        return record.state == "terminated"

    def _backs_off(self, work: PodWork, record: ContainerRecord) -> bool:
        """doBackOff: a container that has ended is started again after a while, at once the first time."""
        if record.finished_at is None or not record.id:
            return False
        if record.state == "waiting" and record.reason not in _OF_THE_PROCESS:
            return False  # it waits for its image or its configuration, which has a back-off of its own
        until = record.backoff.waits_until(record.finished_at)
        if until is not None and until > work.now:
            delay = int(record.backoff.delay.total_seconds())
            text = f"{_short(delay)} restarting failed container={record.name} pod={work.title}"
            work.event(
                WARNING,
                "BackOff",
                f"Back-off restarting failed container {record.name} in pod {work.title}",
                record,
            )
            record.wait("CrashLoopBackOff", f"back-off {text}")
            turns, record.retry_at = record.backoff.skipped(
                record.started_at or until, until, self._present()
            )
            record.restarts += turns
            return True
        record.backoff.next(work.now)
        return False

    # Probes.

    def _probe(self, work: PodWork) -> bool:
        """Carry out what probes are due; whether a sidecar has started by it, for which others wait."""
        containers = _by_name(work.spec)
        waited_for = [c for c in work.record.of_kind("sidecar") if not c.ever_started]
        for record in work.record.containers.values():
            container = containers.get(record.name)
            if container is None or not record.running:
                continue
            for kind in (STARTUP, LIVENESS, READINESS):
                if record.running and (record.ends_at is None or kind in record.probes):
                    self._probe_kind(work, container, record, kind)
            self._set_ready(work, record)
        return any(c.ever_started for c in waited_for)

    def _probe_kind(self, work: PodWork, container: JSONObject, record: ContainerRecord, kind: str) -> None:
        probe = record.probes.get(kind)
        if probe is None or probe.due is None or probe.due > work.now:
            return
        settings = probes.settings_of(container, kind)
        answer = self._prober.ask(target_of(work.record, record, container), settings)
        if not answer.success:
            work.event(WARNING, "Unhealthy", probes.unhealthy_text(kind, answer), record)
        changed = probes.count(probe, answer, settings, kind, work.now)
        if not changed:
            return
        if kind == STARTUP and answer.success:
            probe.since = work.now
            probes.open_gate(record, container)
        elif kind != READINESS and not answer.success:
            text = f"Container {record.name} failed {kind} probe, will be restarted"
            self._containers.end(work, container, record, text)
            if record.state == "terminated":
                self._drive(work, container, record)

    def _set_ready(self, work: PodWork, record: ContainerRecord) -> None:
        readiness = record.probes.get(READINESS)
        ready = record.running and record.started and (readiness is None or readiness.passing is True)
        if ready != record.ready:
            record.ready = ready
            work.actions.append(
                f"container {record.name} of Pod {work.key} is {'ready' if ready else 'not ready'}"
            )

    # The end.

    def _is_over(self, work: PodWork) -> bool:
        """Whether all containers have ended, and none is to be started again."""
        record = work.record
        failed = any(
            c.state == "terminated" and c.exit_code and not _should_restart(work, c)
            for c in record.of_kind("init")
        )
        if failed:
            return True
        if pending_initialisation(record):
            return False
        return all(c.state == "terminated" and not _should_restart(work, c) for c in record.of_kind("app"))

    def _wind_up(self, work: PodWork) -> None:
        """A Pod has ended, or must: whatever still runs in it is told to end."""
        record = work.record
        self._stop_all(work)
        if not any(c.running for c in record.containers.values()):
            record.ended = True
            self.release(record)

    def _stop_all(self, work: PodWork) -> None:
        """Containers first, then sidecars in the reverse of their order."""
        containers = _by_name(work.spec)
        record = work.record
        order = [*record.of_kind("app", "ephemeral", "init"), *reversed(list(record.of_kind("sidecar")))]
        for one in order:
            if one.running and one.ends_at is None:
                container = containers.get(one.name) or {}
                self._containers.end(work, container, one, f"Stopping container {one.name}")

    def terminate(self, work: PodWork) -> bool:
        """A Pod that is being deleted; whether all its containers have ended."""
        record = work.record
        record.stopping = True
        _adopt(work.spec, record)
        self._observe(work)
        self._stop_all(work)
        self._hurry(work)
        self._probe(work)
        if any(c.running for c in record.containers.values()):
            return False
        record.ended = True
        return True

    def _hurry(self, work: PodWork) -> None:
        """The grace period may have become shorter since the containers were told to end."""
        text = work.pod["metadata"].get("deletionTimestamp")
        if not text:
            return
        # The time stamp has whole seconds: a Pod is never hurried for what was cut off.
        last = parse_time(text) + timedelta(seconds=1)
        for record in work.record.containers.values():
            if record.ends_at is not None and record.ends_at > last:
                record.ends_at = last
                if record.stop_grace is None:
                    with suppress(NotRunning):  # it had longer to end than it has now
                        self._runtime.stop(record.id, max((last - work.now).total_seconds(), 0))
                else:
                    record.stop_grace = 0.0
                self._containers.finish_if_due(record, work.now)

    def forget(self, record: PodRecord) -> None:
        """The Pod is gone: its containers, volumes and addresses go too."""
        for container in record.containers.values():
            if container.running and container.id:
                with suppress(NotRunning):
                    self._runtime.stop(container.id, 0)
            self._containers.remove(container)
        for source in record.volumes:
            self._runtime.remove_volume(source)
        self.release(record)


def next_look(work: PodWork) -> datetime | None:
    """When a Pod has to be looked at again."""
    record = work.record
    if record.ended:
        return None
    times: list[datetime | None] = [record.retry_at]
    for container in record.containers.values():
        times += [container.retry_at, container.ends_at, container.look_at, container.hook_until]
        times += [probe.due for probe in container.probes.values()]
    seconds = work.spec.get("activeDeadlineSeconds")
    if seconds is not None and not record.stopping:
        times.append(record.started_at + timedelta(seconds=seconds))
    return min((t for t in times if t is not None), default=None)


def _adopt(spec: JSONObject, record: PodRecord) -> None:
    """Containers that the record does not know yet; ephemeral ones may come later."""
    initial: Iterable[tuple[str, JSONObject]] = (
        *(("init", c) for c in spec.get("initContainers") or ()),
        *(("app", c) for c in spec.get("containers") or ()),
        *(("ephemeral", c) for c in spec.get("ephemeralContainers") or ()),
    )
    has_init = bool(spec.get("initContainers"))
    for kind, container in initial:
        name = container["name"]
        if name in record.containers:
            continue
        kind_of: Kind = "app"
        if kind == "init":
            kind_of = "sidecar" if container.get("restartPolicy") == "Always" else "init"
        elif kind == "ephemeral":
            kind_of = "ephemeral"
        reason = "PodInitializing" if has_init else "ContainerCreating"
        record.containers[name] = ContainerRecord(name, kind_of, reason=reason)


def _by_name(spec: JSONObject) -> dict[str, JSONObject]:
    lists = ("initContainers", "containers", "ephemeralContainers")
    return {c["name"]: c for name in lists for c in spec.get(name) or ()}


def _should_restart(work: PodWork, record: ContainerRecord) -> bool:
    """ShouldContainerBeRestarted, and for init containers what computePodActions makes of it."""
    if record.kind == "ephemeral" or work.record.stopping or work.record.failed_reason:
        return False
    if record.kind == "sidecar":
        return not _apps_are_over(work)
    policy = work.spec.get("restartPolicy") or "Always"
    if record.kind == "init":
        return record.exit_code != 0 and policy != "Never"
    return policy == "Always" or (policy == "OnFailure" and record.exit_code != 0)


def _apps_are_over(work: PodWork) -> bool:
    return all(c.state == "terminated" and not _should_restart(work, c) for c in work.record.of_kind("app"))


def _short(seconds: int) -> str:
    """Go's Duration.String of whole seconds."""
    minutes, rest = divmod(seconds, 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
