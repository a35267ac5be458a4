"""What a kubelet remembers of a Pod between two looks: its addresses, and how each of its containers fares.

The real kubelet asks its container runtime and its own memory; here it is one value in the state store for
each Pod.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from kubesim.kubelet.backoff import Backoff
from kubesim.util.clock import format_time
from kubesim.util.jsontypes import JSONObject, decode, encode
from kubesim.util.state import StateStore

_PODS: Final = "kubelet/pod/"
State = Literal["waiting", "running", "terminated"]
Kind = Literal["init", "sidecar", "app", "ephemeral"]


@dataclass(slots=True)
class Probe:
    """How one probe of a container stands. `due` is None while its result cannot change by itself."""

    passing: bool | None = None
    last: bool | None = None
    count: int = 0
    due: datetime | None = None
    since: datetime | None = None


@dataclass(slots=True)
class ContainerRecord:
    """One container of a Pod. `last` is the terminated state before the present one, as status.lastState
    has it.
    """

    name: str
    kind: Kind
    id: str = ""
    previous: str = ""
    """The id of the run before, whose log can still be read."""
    spec_image: str = ""
    image: str = ""
    image_id: str = ""
    state: State = "waiting"
    reason: str = "ContainerCreating"
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    exit_code: int = 0
    restarts: int = 0
    last: JSONObject | None = None
    retry_at: datetime | None = None
    """When a container that waits is tried again."""
    ends_at: datetime | None = None
    """When a container that was told to end will have ended, or its preStop hook."""
    stop_grace: float | None = None
    """The seconds that it has to end once its preStop hook is over, as long as that runs."""
    look_at: datetime | None = None
    """When something happens in a running container by itself."""
    hook_until: datetime | None = None
    """When its postStart hook is over. Until then it counts as being created."""
    hook_error: str = ""
    """What that hook will have failed by, or has failed by."""
    backoff: Backoff = field(default_factory=Backoff)
    pull_backoff: Backoff = field(default_factory=Backoff)
    pull_error: str = ""
    started: bool = False
    ready: bool = False
    ever_started: bool = False
    probes: dict[str, Probe] = field(default_factory=dict)

    @property
    def running(self) -> bool:
        return self.state == "running"

    @property
    def succeeded(self) -> bool:
        return self.state == "terminated" and self.exit_code == 0

    def terminated_state(self) -> JSONObject:
        """`state.terminated`, fields in Go's order."""
        found: JSONObject = {"exitCode": self.exit_code, "reason": self.reason}
        if self.message:
            found["message"] = self.message
        found["startedAt"] = format_time(self.started_at) if self.started_at else None
        found["finishedAt"] = format_time(self.finished_at) if self.finished_at else None
        if self.id:
            found["containerID"] = f"containerd://{self.id}"
        return found

    def wait(self, reason: str, message: str = "") -> None:
        """The container waits; what it was before is its last state."""
        if self.state == "terminated":
            self.last = self.terminated_state()
        self.state, self.reason, self.message = "waiting", reason, message
        self.ready = self.started = False


@dataclass(slots=True)
class PodRecord:
    """One Pod on a node."""

    uid: str
    node: str
    started_at: datetime
    addresses: list[tuple[str, str]] = field(default_factory=list)
    """Ranges and the addresses taken from them; none where the Pod has its node's."""
    pod_ips: list[str] = field(default_factory=list)
    host_ips: list[str] = field(default_factory=list)
    has_sandbox: bool = False
    containers: dict[str, ContainerRecord] = field(default_factory=dict)
    volumes: list[str] = field(default_factory=list)
    volumes_digest: str = ""
    stopping: bool = False
    failed_reason: str = ""
    failed_message: str = ""
    retry_at: datetime | None = None
    """When a Pod that got no address is tried again."""
    ended: bool = False
    """All containers have ended for good."""
    uses: list[str] = field(default_factory=list)
    """Where it is noted that the Pod uses a ConfigMap or a Secret."""

    def of_kind(self, *kinds: Kind) -> Iterator[ContainerRecord]:
        return (c for c in self.containers.values() if c.kind in kinds)


class Records:
    """Where they are kept: `kubelet/pod/NAMESPACE/NAME`."""

    def __init__(self, state: StateStore) -> None:
        self._state = state

    def load(self, key: str) -> PodRecord | None:
        stored = self._state.get(_PODS + key)
        return _pod(decode(stored)) if stored else None

    def save(self, key: str, record: PodRecord | None) -> None:
        """Write a record; None removes it."""
        self._state.set(_PODS + key, encode(_plain_pod(record)) if record else None)


_TIMES: Final = ("started_at", "finished_at", "retry_at", "ends_at", "look_at", "hook_until")


def _plain_pod(record: PodRecord) -> dict[str, Any]:
    found = {name: getattr(record, name) for name in PodRecord.__slots__}
    found["started_at"] = record.started_at.isoformat()
    found["retry_at"] = _text(record.retry_at)
    found["containers"] = [_plain_container(c) for c in record.containers.values()]
    return found


def _pod(found: dict[str, Any]) -> PodRecord:
    found["started_at"] = datetime.fromisoformat(found["started_at"])
    found["retry_at"] = _time(found["retry_at"])
    found["addresses"] = [(cidr, address) for cidr, address in found["addresses"]]
    containers = [_container(c) for c in found["containers"]]
    found["containers"] = {c.name: c for c in containers}
    return PodRecord(**found)


def _plain_container(record: ContainerRecord) -> dict[str, Any]:
    found = {name: getattr(record, name) for name in ContainerRecord.__slots__}
    for name in _TIMES:
        found[name] = _text(found[name])
    for name in ("backoff", "pull_backoff"):
        found[name] = [found[name].delay.total_seconds(), _text(found[name].updated)]
    found["probes"] = {
        kind: [p.passing, p.last, p.count, _text(p.due), _text(p.since)] for kind, p in record.probes.items()
    }
    return found


def _container(found: dict[str, Any]) -> ContainerRecord:
    for name in _TIMES:
        found[name] = _time(found.get(name))
    for name in ("backoff", "pull_backoff"):
        seconds, updated = found[name]
        found[name] = Backoff(timedelta(seconds=seconds), _time(updated))
    found["probes"] = {
        kind: Probe(passing, last, count, _time(due), _time(since))
        for kind, (passing, last, count, due, since) in found["probes"].items()
    }
    return ContainerRecord(**found)


def _text(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
