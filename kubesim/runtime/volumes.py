"""The volumes that are in memory: one tree of files for all containers that mount it, kept under `volumes/<source>`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kubesim.runtime.filesystem import Files
from kubesim.runtime.keeping import keep_tree, pack, unpack
from kubesim.runtime.launch import volume_files
from kubesim.runtime.spec import Mount
from kubesim.util.state import StateStore


@dataclass(slots=True)
class _Volume:
    """A volume that is loaded: its files, what the store had of it when they were last the same, and at which look
    that was.
    """

    files: Files
    kept: bytes | None
    seen: int


class Volumes:
    """The volumes of the cluster's containers. Whoever calls holds the runtime's lock.

    With more than `most` loaded, those that nobody uses are let go.
    """

    def __init__(self, state: StateStore, *, now: Callable[[], float], most: int) -> None:
        self._store = state
        self._now = now
        self._loaded: dict[str, _Volume] = {}
        self._least = most
        self._most = most
        self._looks = 0

    @property
    def are_too_many(self) -> bool:
        """Whether `let_go` is due."""
        return len(self._loaded) > self._most

    def look_anew(self) -> None:
        """Another process may have written to any: each is compared with what is stored when it is next asked for."""
        self._looks += 1

    def let_go(self, used: set[str]) -> None:
        """Forget those that nobody uses, unless they hold what is not stored."""
        self._loaded = {s: v for s, v in self._loaded.items() if s in used or v.files.changed}
        self._most = max(self._least, 2 * len(self._loaded))

    def start_over(self, used: set[str]) -> None:
        """Forget all but those that are used, with what they hold."""
        self._loaded = {s: v for s, v in self._loaded.items() if s in used}

    def files(self, mount: Mount) -> Files:
        """The files of a volume, as they are stored now."""
        volume = self._loaded.get(mount.source)
        if volume is not None and (volume.seen == self._looks or volume.files.changed):
            return volume.files
        kept = self._store.get(f"volumes/{mount.source}")
        if volume is not None and kept is not None:
            volume.seen = self._looks
            if kept != volume.kept:
                volume.files.become(Files.restore(unpack(kept)))
                volume.kept, volume.files.changed = kept, False
            return volume.files
        if kept is not None:
            tree = Files.restore(unpack(kept))
        else:
            tree = volume_files(dict(mount.files or {}), mount.mode, self._now())
            tree.nodes["/"].mode = 0o777 if mount.files is None else 0o755
            tree.changed = True
        self._loaded[mount.source] = _Volume(tree, kept, self._looks)
        return tree

    def keep(self, mounts: Iterable[Mount]) -> None:
        """Store those that have changed."""
        for mount in mounts:
            volume = self._loaded.get(mount.source)
            if volume is not None and volume.files.changed:
                volume.kept = keep_tree(
                    self._store, f"volumes/{mount.source}", volume.files.dump(), volume.kept
                )
                volume.seen = self._looks
                volume.files.changed = False

    def write(self, source: str, files: dict[str, bytes], mode: int) -> None:
        """Replace the content of a volume that the kubelet writes (an updated ConfigMap)."""
        tree = volume_files(files, mode, self._now())
        kept = pack(tree.dump())
        existing = self._loaded.get(source)
        if existing is not None:
            existing.files.become(tree)
            tree = existing.files
        self._loaded[source] = _Volume(tree, kept, self._looks)
        self._store.set(f"volumes/{source}", kept)

    def remove(self, source: str) -> None:
        """Forget a volume's files."""
        self._loaded.pop(source, None)
        self._store.set(f"volumes/{source}", None)
