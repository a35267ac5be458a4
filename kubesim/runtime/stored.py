"""The containers of the state store, and those of them that are loaded.

All that a container is lies under `runtime/<id>/` (`container`, `files`, `spec`, `log/…`). One that is loaded is compared
with that when it is asked for after a `look_anew`, and loaded again where another process has run it on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar
from weakref import WeakValueDictionary

from kubesim.runtime.construction import Construction, NetworkFactory
from kubesim.runtime.environments import Environments
from kubesim.runtime.images import Catalogue, Image
from kubesim.runtime.journal import Journal
from kubesim.runtime.keeping import dump_spec, keep_tree, load_spec, pack, unpack
from kubesim.runtime.keptimages import KeptImages
from kubesim.runtime.loaded import LoadedContainer
from kubesim.runtime.machine import Builder
from kubesim.runtime.spec import ContainerSpec, NotRunning
from kubesim.runtime.volumes import Volumes
from kubesim.util.clock import Clock
from kubesim.util.fairlock import FairLock
from kubesim.util.jsontypes import decode
from kubesim.util.state import StateStore

C = TypeVar("C", bound="StoredContainers")
P = ParamSpec("P")
R = TypeVar("R")

# A loaded container takes some 40 KiB: in a cluster of ten thousand, most are read again when they are looked at.
LOADED = 256


def locked(method: Callable[Concatenate[C, P], R]) -> Callable[Concatenate[C, P], R]:
    """An entrance of the runtime: one thread at a time."""

    @wraps(method)
    def enter(runtime: C, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with runtime.lock:
            return method(runtime, *args, **kwargs)

    return enter


class StoredContainers:
    """What is loaded of the cluster's containers, and the lock that threads share them under."""

    def __init__(
        self,
        *,
        state: StateStore,
        clock: Clock,
        catalogue: Catalogue | None = None,
        network: NetworkFactory | None = None,
        wait: Callable[[float], None] | None = None,
    ) -> None:
        self.lock = FairLock()
        """Held by whoever touches a container or what it listens on."""
        self.applications: dict[str, Builder] = {}
        """Applications that know the cluster, by name; for containers that are loaded from now on."""
        self.on_exit: Callable[[str], None] = lambda container_id: None
        """Called with the container's id when it ended through something other than `advance` and `stop`."""
        self._store = state
        self._environments = Environments(state)
        self._images = KeptImages(state)
        self._clock = clock
        self._catalogue = catalogue
        self._wait = wait
        self._volumes = Volumes(state, now=self._now, most=2 * LOADED)
        self._construction = Construction(
            state=state, now=self._now, volumes=self._volumes, applications=self.applications, network=network
        )
        # Those in memory, the one that was asked for last as the last; and those that somebody still talks to, who
        # must find the others at the same one.
        self._loaded: dict[str, LoadedContainer] = {}
        self._alive: WeakValueDictionary[str, LoadedContainer] = WeakValueDictionary()
        self._of_pods: dict[str, WeakValueDictionary[str, LoadedContainer]] = {}
        self._looks = 0
        self._talked: dict[str, None] = {}
        """The containers to whose applications somebody may have talked."""

    @property
    def catalogue(self) -> Catalogue:
        """The built-in one."""
        if self._catalogue is None:
            self._catalogue = Catalogue.load()
        return self._catalogue

    @locked
    def look_anew(self) -> None:
        """Containers and volumes may have been changed by another process since the last time: each is compared with
        what is stored when it is next asked for. Of those that were not asked for lately some are let go.

        Whoever holds this lock and is inside a transaction of the store needs no more than one look at its beginning.
        """
        self._looks += 1
        self._volumes.look_anew()
        surplus = len(self._loaded) - LOADED
        if surplus > 0:
            for container in list(self._loaded.values())[:surplus]:
                if not container.in_use and not container.unsaved:
                    del self._loaded[container.spec.id]
        if self._volumes.are_too_many:
            self._volumes.let_go({m.source for c in self._alive.values() for m in c.spec.mounts})

    @locked
    def start_over(self) -> None:
        """What was done last has not been stored after all: what is in memory is not to be trusted, except where
        somebody is at it.
        """
        for container in list(self._alive.values()):
            if container.in_use:
                container.dirty = True
            else:
                self._drop(container)
        self._loaded = {i: c for i, c in self._loaded.items() if c.in_use}
        self._volumes.start_over({m.source for c in self._loaded.values() for m in c.spec.mounts})

    @locked
    def remove(self, container_id: str) -> None:
        """Forget a container, its files and its log."""
        container = self._alive.pop(container_id, None)
        self._loaded.pop(container_id, None)
        journal = container.journal if container else Journal(self._store, f"runtime/{container_id}/log/")
        journal.remove()
        spec = self._store.get(f"runtime/{container_id}/spec")
        if spec is not None:
            kept = unpack(spec)
            if shared := kept.get("shared_env"):
                self._environments.release(shared)
            if own := kept.get("own_image"):
                self._images.release(own)
        for part in ("container", "files", "spec"):
            self._store.set(f"runtime/{container_id}/{part}", None)

    @locked
    def has_ended(self, container_id: str) -> bool:
        """Whether a container has ended or is gone, whichever process saw to it."""
        text = self._store.get(f"runtime/{container_id}/container")
        loaded = self._alive.get(container_id)
        if text is None or (loaded is not None and not loaded.state.running):
            return True
        return not decode(text)["state"]["running"]

    # Loading

    def _get(self, container_id: str) -> LoadedContainer:
        self._loaded.pop(container_id, None)
        container, record = self._alive.get(container_id), None
        if container is not None and container.seen != self._looks:
            container.seen = self._looks
            if not container.in_use and not container.unsaved:
                record = self._store.get(f"runtime/{container_id}/container")
                if record != container.kept:
                    container = None
                else:
                    self._look_at_volumes(container)
        if container is None:
            spec = self._store.get(f"runtime/{container_id}/spec")
            record = record or self._store.get(f"runtime/{container_id}/container")
            if spec is None or record is None:
                raise NotRunning(f'container "{container_id}" in namespace "k8s.io": not found')
            container = self._restore(unpack(spec), unpack(record))
            container.kept, container.seen = record, self._looks
            self._bring_to_life(container)
        self._loaded[container_id] = container
        return container

    def _bring_to_life(self, container: LoadedContainer) -> None:
        spec = container.spec
        self._alive[spec.id] = container
        if len(self._of_pods) > 4 * LOADED:
            self._of_pods = {uid: those for uid, those in self._of_pods.items() if those}
        self._of_pods.setdefault(spec.pod_uid, WeakValueDictionary())[spec.id] = container

    def _drop(self, container: LoadedContainer) -> None:
        """Forget what is in memory of a container; what is stored is read the next time."""
        self._loaded.pop(container.spec.id, None)
        self._alive.pop(container.spec.id, None)

    def _look_at_volumes(self, container: LoadedContainer) -> None:
        for mount in container.spec.mounts:
            self._volumes.files(mount)

    def _restore(self, kept: dict[str, Any], record: dict[str, Any]) -> LoadedContainer:
        shared, own = kept.pop("shared_env", ""), kept.pop("own_image", "")
        spec = load_spec(kept | {"env": self._environments.load(shared)} if shared else kept)
        image = self._images.load(own) if own else None
        if image is None:
            image = self.catalogue.image(spec.image)
        files = self._store.get(f"runtime/{spec.id}/files")
        container = self._build(spec, image, unpack(files) if files else {}, record["booted"])
        container.restore(record)
        container.files = files
        return container

    def _build(
        self, spec: ContainerSpec, image: Image, files: dict[str, Any], booted: float
    ) -> LoadedContainer:
        container = self._construction.build(spec, image, files, booted)
        container.machine.changed = lambda: self._application_changed(container)
        return container

    def _application_changed(self, container: LoadedContainer) -> None:
        """An application has changed something, or has ended."""
        raise NotImplementedError

    # Keeping

    def _keep(self, container: LoadedContainer) -> None:
        record = container.record()
        if not container.is_kept:
            self._keep_spec(container.spec, container.machine.image)
            container.is_kept = True
        container.times_kept += 1
        container.kept, container.seen = pack(record | {"kept": container.times_kept}), self._looks
        self._store.set(f"runtime/{container.spec.id}/container", container.kept)
        self._keep_files(container)
        container.journal.flush()
        container.dirty = False

    def _keep_spec(self, spec: ContainerSpec, image: Image) -> None:
        shared = self._environments.keep(spec.env)
        kept = dump_spec(replace(spec, env={}) if shared else spec)
        if shared:
            kept["shared_env"] = shared
        if own := self._images.keep(image):
            kept["own_image"] = own
        self._store.set(f"runtime/{spec.id}/spec", pack(kept))

    def _keep_files(self, container: LoadedContainer) -> None:
        if container.root.changed:
            name = f"runtime/{container.spec.id}/files"
            container.files = keep_tree(self._store, name, container.root.dump(), container.files)
            container.root.changed = False
        self._volumes.keep(container.spec.mounts)

    def _now(self) -> float:
        return self._clock.now().timestamp()
