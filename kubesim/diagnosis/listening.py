"""What the containers of a Pod listen on: asked of the runtime where they run, and tried out where they do not run yet.

A prediction starts the container in a runtime of its own, in memory, and looks. It is made only where nothing outside the
Pod's own text has a part in it: who cannot know says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol

from kubesim.apis.podfacts import status_of
from kubesim.kubelet.catalogues import Catalogues, nothing
from kubesim.runtime.images import PROGRAM, ImagePullError
from kubesim.runtime.spec import ContainerPort, ContainerSpec, StartError
from kubesim.util.clock import FrozenClock
from kubesim.util.jsontypes import JSONObject, dig, encode
from kubesim.util.state import MemoryState

if TYPE_CHECKING:
    from kubesim.diagnosis.view import PodView, View
    from kubesim.runtime.application import Listener
    from kubesim.runtime.container import ContainerRuntime
    from kubesim.runtime.images import Catalogue, Document

_LOOPBACK: Final = ("127.", "::1", "localhost")
_SOMETIME: Final = datetime(2026, 1, 1, tzinfo=UTC)
_STATUSES: Final = ("containerStatuses", "initContainerStatuses")
# Volumes that begin empty, or say nothing of how an application is set up.
_EMPTY: Final = ("emptyDir", "persistentVolumeClaim", "ephemeral")


@dataclass(frozen=True, slots=True)
class Bound:
    """A port that a process of a container has."""

    port: int
    protocol: str
    address: str
    process: str
    container: str

    @property
    def on_loopback(self) -> bool:
        """Whether only the Pod itself reaches it."""
        return self.address.startswith(_LOOPBACK)

    @property
    def for_ipv4_alone(self) -> bool:
        """Whether connections to an IPv6 address are refused."""
        return ":" not in self.address and self.address not in ("*", "")

    def __str__(self) -> str:
        """`nginx on 80/TCP`"""
        where = f" of {self.address} only" if self.on_loopback else ""
        return f"{self.process or self.container} on {self.port}/{self.protocol}{where}"


class Listening(Protocol):
    """Knows what listens in a Pod."""

    def of(self, pod: PodView, view: View) -> tuple[Bound, ...] | None:
        """What listens; None where nobody can know."""
        ...


class Predicted:
    """Tries out what the containers of Pods would listen on that do not run."""

    def __init__(self, given: Callable[[], Sequence[Document]] = nothing) -> None:
        """`given` are descriptions of images other than those in ConfigMaps."""
        self._given = given
        self._known: dict[bytes, tuple[Bound, ...] | None] = {}
        self._catalogues: tuple[View, Catalogues] | None = None

    def of(self, pod: PodView, view: View) -> tuple[Bound, ...] | None:
        found: list[Bound] = []
        for container in pod.containers:
            bound = self._container(pod, container, view)
            if bound is None:
                return None
            found += bound
        return tuple(found)

    def _container(self, pod: PodView, container: JSONObject, view: View) -> tuple[Bound, ...] | None:
        if not _stands_alone(pod, container):
            return None
        catalogue = self._catalogue(pod.namespace, view)
        try:
            image = catalogue.image(str(container.get("image") or ""))
        except ImagePullError:
            return None
        if not image.known:
            return None
        said = {f: container.get(f) for f in ("name", "image", "command", "args", "env", "ports")}
        key = encode(said | {"own": image.own})
        if key not in self._known:
            self._known[key] = self._try_out(container, catalogue)
        return self._known[key]

    def _catalogue(self, namespace: str, view: View) -> Catalogue:
        """The images there are: a view is of a cluster that stands still."""
        if self._catalogues is None or self._catalogues[0] is not view:
            documents = self._given()
            made = Catalogues(view.client, lambda: self._runtime.catalogue, lambda: documents, once=True)
            self._catalogues = view, made
        return self._catalogues[1].of(namespace)

    def _try_out(self, container: JSONObject, catalogue: Catalogue) -> tuple[Bound, ...] | None:
        from kubesim.kubelet.environment import expand

        variables = {e["name"]: str(e.get("value") or "") for e in container.get("env") or ()}
        name = str(container.get("name") or "")
        spec = ContainerSpec(
            id=f"try-{len(self._known)}",
            name=name,
            image=str(container.get("image") or ""),
            command=tuple(expand(word, variables) for word in container.get("command") or ()),
            args=tuple(expand(word, variables) for word in container.get("args") or ()),
            env=variables,
            working_dir=str(container.get("workingDir") or ""),
            ports=tuple(
                ContainerPort(p["containerPort"], p.get("protocol") or "TCP")
                for p in container.get("ports") or ()
            ),
            pod_name="try",
            pod_namespace="default",
            pod_uid="try",
            pod_ips=("10.244.1.2",),
        )
        try:
            state = self._runtime.start(spec, catalogue)
        except (ImagePullError, StartError):
            return None
        if not state.running:
            return None
        if (described := self._described(spec)) is not None:
            return _bound(described, name)
        if state.look_again is not None:
            return None  # it ends, or something more is to come
        return _bound(self._runtime.listeners(spec.id), name)

    def _described(self, spec: ContainerSpec) -> list[Listener] | None:
        """What a program will listen on that is described by that, whether or not it does so yet."""
        machine = self._runtime.machine(spec.id)
        entry = machine.processes[1]
        if machine.image.runs is None or (entry.service or {}).get("application") != PROGRAM:
            return None
        from kubesim.runtime.applications.described import comes_to_listen, listeners

        return listeners(machine, entry, {"listens": comes_to_listen(machine.image.runs)})

    @cached_property
    def _runtime(self) -> ContainerRuntime:
        from kubesim.runtime.container import ContainerRuntime

        return ContainerRuntime(state=MemoryState(), clock=FrozenClock(_SOMETIME))


class Running:
    """Asks the runtime that runs the cluster's Pods; for Pods that do not run, what another one knows."""

    def __init__(self, runtime: ContainerRuntime, otherwise: Listening) -> None:
        self._runtime = runtime
        self._otherwise = otherwise

    def of(self, pod: PodView, view: View) -> tuple[Bound, ...] | None:
        if pod.planned:
            return self._otherwise.of(pod, view)
        found: list[Bound] = []
        for key in _STATUSES:
            for status in status_of(pod.obj).get(key) or ():
                if dig(status, "state", "running") is not None:
                    container_id = str(status.get("containerID") or "").rpartition("//")[2]
                    found += _bound(self._runtime.listeners(container_id), str(status.get("name") or ""))
        return tuple(found)


def _bound(listeners: Iterable[Listener], container: str) -> tuple[Bound, ...]:
    return tuple(Bound(x.port, x.protocol, x.address, x.process, container) for x in listeners)


def _stands_alone(pod: PodView, container: JSONObject) -> bool:
    """Whether a container's own text says all about what it does."""
    if container.get("envFrom") or any("value" not in e and "valueFrom" in e for e in _env(container)):
        return False
    volumes = {v.get("name"): v for v in pod.spec.get("volumes") or ()}
    mounted = [volumes.get(m.get("name")) or {} for m in container.get("volumeMounts") or ()]
    if not all(any(kind in v for kind in _EMPTY) or _is_token(v) for v in mounted):
        return False
    return not (mounted and pod.spec.get("initContainers"))


def _env(container: JSONObject) -> list[dict[str, Any]]:
    return container.get("env") or []


def _is_token(volume: JSONObject) -> bool:
    """Whether a volume is the one with the ServiceAccount's token."""
    sources = dig(volume, "projected", "sources", default=None) or []
    return any("serviceAccountToken" in s for s in sources)
