"""A container's file system: the image's files, what the container changed, and the volumes mounted into it.

Nothing here touches the host. The image's tree is built once and shared; each container keeps only its changes (an
upper layer with whiteouts, as overlayfs has). Failures are OSError with the errno that Linux gives, so that commands can
print `strerror` as the real ones do. Paths that reach this room are absolute; `Process.path` makes them so.
"""

from __future__ import annotations

import errno
import os
import posixpath
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Protocol

from kubesim.runtime.images import Image

FILE, DIRECTORY, LINK, DEVICE = "f", "d", "l", "c"

IMAGE_BUILT = 1733184000.0  # 2024-12-03, the date of the image's own files
MAX_LINKS = 40  # Linux: MAXSYMLINKS
CAPACITY = 16 * 1024 * 1024  # what a container may write in all; then ENOSPC


@dataclass(slots=True)
class Node:
    """A file, directory, symbolic link or device. A `program` makes a file a simulated executable."""

    kind: str
    mode: int = 0o644
    data: bytes = b""
    link: str = ""
    uid: int = 0
    gid: int = 0
    mtime: float = IMAGE_BUILT
    program: str = ""
    source: Callable[[], bytes] | None = None
    """Where the text of a file of /proc comes from."""

    @property
    def size(self) -> int:
        if self.kind == DIRECTORY:
            return 4096
        return len(self.link) if self.kind == LINK else len(self.content())

    def content(self) -> bytes:
        return self.source() if self.source is not None else self.data

    def dump(self) -> list[Any]:
        """As compact JSON; text where it is text."""
        try:
            text, coded = self.data.decode(), 0
        except UnicodeDecodeError:
            text, coded = b64encode(self.data).decode(), 1
        return [
            self.kind,
            self.mode,
            text,
            coded,
            self.link,
            self.uid,
            self.gid,
            round(self.mtime),
            self.program,
        ]

    @classmethod
    def restore(cls, value: list[Any]) -> Node:
        kind, mode, text, coded, link, uid, gid, mtime, program = value
        data = b64decode(text) if coded else text.encode()
        return cls(kind, mode, data, link, uid, gid, float(mtime), program)


def failure(number: int, path: str = "") -> OSError:
    """An OSError with the kernel's text."""
    return OSError(number, os.strerror(number), path)


class Tree(Protocol):
    """A set of nodes by absolute path within it; the root is `/`."""

    read_only: bool

    def get(self, path: str) -> Node | None: ...

    def names(self, path: str) -> set[str]: ...

    def put(self, path: str, node: Node) -> None: ...

    def drop(self, path: str) -> None: ...


class Files:
    """A tree in memory: an image's files, or a volume."""

    def __init__(self, *, read_only: bool = False) -> None:
        self.read_only = read_only
        self.nodes: dict[str, Node] = {"/": Node(DIRECTORY, 0o755)}
        self._children: dict[str, set[str]] = {"/": set()}
        self.changed = False
        self.written = 0

    def get(self, path: str) -> Node | None:
        return self.nodes.get(path)

    def names(self, path: str) -> set[str]:
        return self._children.get(path, set())

    def put(self, path: str, node: Node) -> None:
        if node.kind == DIRECTORY:
            self._children.setdefault(path, set())
        self.nodes[path] = node
        self.changed = True
        if path != "/":
            parent, name = posixpath.split(path)
            self._children.setdefault(parent, set()).add(name)

    def drop(self, path: str) -> None:
        self.nodes.pop(path, None)
        self._children.pop(path, None)
        self.changed = True
        parent, name = posixpath.split(path)
        self._children.get(parent, set()).discard(name)

    def add(self, path: str, node: Node) -> None:
        """Put a node and the directories above it."""
        parent = posixpath.dirname(path)
        if parent not in self.nodes:
            self.add(parent, Node(DIRECTORY, 0o755))
        self.put(path, node)

    def become(self, other: Files) -> None:
        """Hold what another tree holds; whoever has mounted this one sees it."""
        for path in sorted(self.nodes, reverse=True):
            if path != "/" and path not in other.nodes:
                self.drop(path)
        for path, node in other.nodes.items():
            self.put(path, node)

    def dump(self) -> dict[str, Any]:
        return {path: node.dump() for path, node in self.nodes.items()}

    @classmethod
    def restore(cls, value: dict[str, Any], *, read_only: bool = False) -> Files:
        tree = cls(read_only=read_only)
        for path, node in value.items():
            tree.put(path, Node.restore(node))
        tree.changed = False
        return tree


class Overlay:
    """The image's tree below, the container's changes above. A None above hides what is below."""

    def __init__(
        self, lower: Files, upper: dict[str, Node | None] | None = None, *, read_only: bool = False
    ) -> None:
        self.read_only = read_only
        self._lower = lower
        self.upper: dict[str, Node | None] = {}
        self._added: dict[str, set[str]] = {}
        self._removed: dict[str, set[str]] = {}
        for path, node in (upper or {}).items():
            if node is None:
                self.drop(path)
            else:
                self.put(path, node)
        self.changed = False

    def get(self, path: str) -> Node | None:
        if path in self.upper:
            return self.upper[path]
        return self._lower.nodes.get(path)

    def names(self, path: str) -> set[str]:
        found = self._lower.names(path)
        added, removed = self._added.get(path), self._removed.get(path)
        if removed:
            found = found - removed
        return found | added if added else found

    def put(self, path: str, node: Node) -> None:
        self.upper[path] = node
        self.changed = True
        if path != "/":
            parent, name = posixpath.split(path)
            self._added.setdefault(parent, set()).add(name)

    def drop(self, path: str) -> None:
        parent, name = posixpath.split(path)
        self._added.get(parent, set()).discard(name)
        self.changed = True
        if path in self._lower.nodes:
            self.upper[path] = None
            self._removed.setdefault(parent, set()).add(name)
        else:
            self.upper.pop(path, None)

    def dump(self) -> dict[str, Any]:
        return {path: None if node is None else node.dump() for path, node in self.upper.items()}

    @staticmethod
    def load(value: dict[str, Any]) -> dict[str, Node | None]:
        return {path: None if node is None else Node.restore(node) for path, node in value.items()}


def image_tree(image: Image) -> Files:
    """The files of an image: its directories, its programs, its texts."""
    tree = Files()
    links = {path: file.link for path, file in image.files.items() if file.link and not file.text}

    def physical(path: str) -> str:
        for link, target in links.items():
            if path.startswith(link + "/"):
                base = target if target.startswith("/") else posixpath.join(posixpath.dirname(link), target)
                return posixpath.normpath(base + path[len(link) :])
        return path

    for directory in sorted(image.directories):
        tree.add(directory, Node(DIRECTORY, _DIRECTORY_MODES.get(directory, 0o755)))
    for name, path in image.commands.items():
        tree.add(physical(path), Node(FILE, 0o755, b"\x7fELF", program=name))
    for path, file in image.files.items():
        place = path if file.link else physical(path)
        if file.link:
            tree.add(place, Node(LINK, 0o777, link=file.link))
        else:
            tree.add(place, Node(FILE, file.mode, file.text.encode(), uid=file.uid, gid=file.gid))
    for directory, (uid, gid) in _home_owners(image).items():
        node = tree.get(directory)
        if node is not None:
            node.uid, node.gid = uid, gid
    return tree


_DIRECTORY_MODES = {"/tmp": 0o1777, "/var/tmp": 0o1777, "/root": 0o700, "/proc": 0o555, "/sys": 0o555}  # noqa: S108


def _home_owners(image: Image) -> dict[str, tuple[int, int]]:
    """Home directories of people belong to them."""
    found = {}
    passwd = image.files.get("/etc/passwd")
    for line in passwd.text.splitlines() if passwd else ():
        fields = line.split(":")
        if len(fields) > 5 and fields[5].startswith("/home/") and fields[2].isdigit() and fields[3].isdigit():
            found[fields[5]] = (int(fields[2]), int(fields[3]))
    return found


@dataclass(slots=True)
class MountPoint:
    """Where a tree hangs in the file system. `base` is the directory (or file) of the tree that is seen there."""

    path: str
    tree: Tree
    type: str
    source: str
    read_only: bool = False
    base: str = "/"


class FileSystem:
    """All that one container sees under `/`, with the rights of one user."""

    def __init__(self, root: Tree, *, uid: int = 0, gid: int = 0, now: Callable[[], float]) -> None:
        self.root = root
        self.uid = uid
        self.gid = gid
        self.groups: set[int] = {gid}
        self._now = now
        self.mounts: dict[str, MountPoint] = {
            "/": MountPoint("/", root, "overlay", "overlay", root.read_only)
        }
        self._written = 0
        self._below: list[tuple[str, str, MountPoint]] = []
        """The mounts other than the root's, the longest path first: path, path with a slash, mount."""

    def mount(self, point: MountPoint) -> None:
        """Hang a tree in; the mount point is made where it is missing, and links on the way to it are followed, as
        container runtimes do: `/var/run` is `/run` in most images.
        """
        parts = [p for p in point.path.split("/") if p]
        path = ""
        target = point.tree.get(point.base)
        for i, part in enumerate(parts):
            path = f"{path}/{part}"
            tree, inside, _ = self._place(path)
            node = tree.get(inside)
            if node is not None and node.kind == LINK:
                with suppress(OSError):
                    path = self.resolve(path).rstrip("/")
            elif node is None:
                last_is_file = i == len(parts) - 1 and target is not None and target.kind == FILE
                tree.put(inside, Node(FILE) if last_is_file else Node(DIRECTORY, 0o755, mtime=self._now()))
        path = path or "/"
        self.mounts[path] = replace(point, path=path)
        paths = sorted((p for p in self.mounts if p != "/"), key=len, reverse=True)
        self._below = [(p, p + "/", self.mounts[p]) for p in paths]

    def _place(self, path: str) -> tuple[Tree, str, MountPoint]:
        """The tree that holds a path, the path within it, and the mount."""
        for at, lead, point in self._below:
            if path.startswith(lead) or path == at:
                inside = path[len(at) :] if point.base == "/" else point.base + path[len(at) :]
                return point.tree, inside or "/", point
        return self.root, path, self.mounts["/"]

    def _node(self, path: str) -> Node | None:
        for at, lead, point in self._below:
            if path.startswith(lead) or path == at:
                inside = path[len(at) :] if point.base == "/" else point.base + path[len(at) :]
                return point.tree.get(inside or "/")
        return self.root.get(path)

    def resolve(self, path: str, *, follow: bool = True) -> str:
        """The path without links and dots. Only its last component may be missing. Raises OSError."""
        todo = [p for p in path.split("/") if p and p != "."]
        todo.reverse()
        done = ""
        links = 0
        while todo:
            part = todo.pop()
            if part == "..":
                done = posixpath.dirname(done) if done else ""
                done = "" if done == "/" else done
                continue
            if len(part) > 255:
                raise failure(errno.ENAMETOOLONG, path)
            here = f"{done}/{part}"
            node = self._node(here)
            if node is None:
                if todo and any(p != ".." for p in todo):
                    raise failure(errno.ENOENT, path)
                done = here
                continue
            if node.kind == LINK and (todo or follow):
                links += 1
                if links > MAX_LINKS:
                    raise failure(errno.ELOOP, path)
                if node.link.startswith("/"):
                    done = ""
                todo.extend(p for p in reversed(node.link.split("/")) if p and p != ".")
                continue
            if todo and node.kind != DIRECTORY:
                raise failure(errno.ENOTDIR, path)
            if todo and not self._may(node, 1):
                raise failure(errno.EACCES, path)
            done = here
        return done or "/"

    def stat(self, path: str, *, follow: bool = True) -> Node:
        """The node at a path. Raises OSError."""
        place = self.resolve(path, follow=follow)
        node = self._node(place)
        if node is None:
            raise failure(errno.ENOENT, path)
        if path.endswith("/") and node.kind not in (DIRECTORY, LINK):
            raise failure(errno.ENOTDIR, path)
        return node

    def find(self, path: str, *, follow: bool = True) -> Node | None:
        """The node at a path, or None where there is none that can be reached."""
        try:
            return self.stat(path, follow=follow)
        except OSError:
            return None

    def is_directory(self, path: str) -> bool:
        node = self.find(path)
        return node is not None and node.kind == DIRECTORY

    def _may(self, node: Node, want: int) -> bool:
        """Whether the user may read (4), write (2) or execute (1)."""
        if self.uid == 0:
            return want != 1 or node.kind == DIRECTORY or bool(node.mode & 0o111)
        if node.uid == self.uid:
            bits = node.mode >> 6
        elif node.gid in self.groups:
            bits = node.mode >> 3
        else:
            bits = node.mode
        return bool(bits & want)

    def may(self, path: str, want: int) -> bool:
        """access(2): 4 read, 2 write, 1 execute."""
        node = self.find(path)
        if node is None or not self._may(node, want):
            return False
        return want != 2 or not self._read_only(self.resolve(path))

    def _read_only(self, place: str) -> bool:
        tree, _, point = self._place(place)
        return point.read_only or tree.read_only

    def list(self, path: str) -> list[str]:
        """The names in a directory, sorted. Raises OSError."""
        place = self.resolve(path)
        node = self._node(place)
        if node is None:
            raise failure(errno.ENOENT, path)
        if node.kind != DIRECTORY:
            raise failure(errno.ENOTDIR, path)
        if not self._may(node, 4):
            raise failure(errno.EACCES, path)
        tree, inside, _ = self._place(place)
        return sorted(tree.names(inside))

    def read(self, path: str) -> bytes:
        """A file's content. Raises OSError."""
        node = self.stat(path)
        if node.kind == DIRECTORY:
            raise failure(errno.EISDIR, path)
        if not self._may(node, 4):
            raise failure(errno.EACCES, path)
        return node.content()

    def _parent(self, place: str, path: str) -> None:
        """Check that an entry may be made or removed at `place`."""
        parent = self._node(posixpath.dirname(place))
        if parent is None:
            raise failure(errno.ENOENT, path)
        if parent.kind != DIRECTORY:
            raise failure(errno.ENOTDIR, path)
        if self._read_only(place):
            raise failure(errno.EROFS, path)
        if not self._may(parent, 2):
            raise failure(errno.EACCES, path)

    def _account(self, more: int) -> None:
        self._written += more
        if self._written > CAPACITY:
            self._written = self.usage()
            if self._written + more > CAPACITY:
                raise failure(errno.ENOSPC)
            self._written += more

    def usage(self) -> int:
        """The bytes that the container has written and kept."""
        upper = getattr(self.root, "upper", None) or {}
        return sum(len(node.data) for node in upper.values() if node is not None)

    def write(self, path: str, data: bytes, *, append: bool = False, mode: int = 0o644) -> None:
        """Make or replace a file, or add to it. Raises OSError."""
        place = self.resolve(path)
        node = self._node(place)
        self._account(len(data))
        if node is None:
            if path.endswith("/"):
                raise failure(errno.EISDIR, path)
            self._parent(place, path)
            self._put(place, Node(FILE, mode, data, uid=self.uid, gid=self.gid, mtime=self._now()))
            return
        if node.kind == DIRECTORY:
            raise failure(errno.EISDIR, path)
        if node.kind == DEVICE:
            return
        if self._read_only(place):
            raise failure(errno.EROFS, path)
        if not self._may(node, 2) or node.source is not None:
            raise failure(errno.EACCES, path)
        if append:
            data = node.data + data
        self._put(
            place, replace(node, data=data, mtime=self._now(), program="" if not append else node.program)
        )

    def _put(self, place: str, node: Node) -> None:
        tree, inside, _ = self._place(place)
        tree.put(inside, node)

    def make_directory(self, path: str, *, mode: int = 0o755) -> None:
        place = self.resolve(path)
        if self._node(place) is not None:
            raise failure(errno.EEXIST, path)
        self._parent(place, path)
        self._put(place, Node(DIRECTORY, mode, uid=self.uid, gid=self.gid, mtime=self._now()))

    def make_link(self, target: str, path: str) -> None:
        """A symbolic link at `path` that points to `target`."""
        place = self.resolve(path, follow=False)
        if self._node(place) is not None:
            raise failure(errno.EEXIST, path)
        self._parent(place, path)
        self._put(place, Node(LINK, 0o777, link=target, uid=self.uid, gid=self.gid, mtime=self._now()))

    def put_node(self, path: str, node: Node) -> None:
        """A copy of a node at a path (cp, tar). Raises OSError."""
        place = self.resolve(path, follow=False)
        there = self._node(place)
        if there is None:
            self._parent(place, path)
        elif there.kind == DIRECTORY and node.kind != DIRECTORY:
            raise failure(errno.EISDIR, path)
        elif self._read_only(place):
            raise failure(errno.EROFS, path)
        self._account(len(node.data))
        self._put(place, node)

    def change(self, path: str, *, follow: bool = True, **fields: Any) -> None:
        """Change a node's mode, owner or time. Raises OSError."""
        place = self.resolve(path, follow=follow)
        node = self._node(place)
        if node is None:
            raise failure(errno.ENOENT, path)
        if self._read_only(place):
            raise failure(errno.EROFS, path)
        if self.uid not in (0, node.uid):
            raise failure(errno.EPERM, path)
        self._put(place, replace(node, **fields))

    def remove(self, path: str) -> None:
        """Remove a file or link (unlink). Raises OSError."""
        place = self.resolve(path, follow=False)
        node = self._node(place)
        if node is None:
            raise failure(errno.ENOENT, path)
        if node.kind == DIRECTORY:
            raise failure(errno.EISDIR, path)
        self._gone(place, path)

    def remove_directory(self, path: str) -> None:
        """Remove an empty directory. Raises OSError."""
        place = self.resolve(path, follow=False)
        node = self._node(place)
        if node is None:
            raise failure(errno.ENOENT, path)
        if node.kind != DIRECTORY:
            raise failure(errno.ENOTDIR, path)
        tree, inside, _ = self._place(place)
        if tree.names(inside):
            raise failure(errno.ENOTEMPTY, path)
        self._gone(place, path)

    def _gone(self, place: str, path: str) -> None:
        if place in self.mounts:
            raise failure(errno.EBUSY, path)
        self._parent(place, path)
        tree, inside, _ = self._place(place)
        if inside.startswith(("/proc/", "/dev/")):
            raise failure(errno.EPERM, path)
        tree.drop(inside)

    def walk(self, path: str) -> Iterator[tuple[str, Node]]:
        """A node and everything below it, parents first, in the order of names. Links are not followed."""
        node = self.stat(path, follow=False)
        yield path, node
        if node.kind == DIRECTORY:
            for name in self.list(path):
                yield from self.walk(f"{path.rstrip('/')}/{name}")

    def rename(self, source: str, target: str) -> None:
        """Move a node with all below it. Raises OSError."""
        moved = [(path, node) for path, node in self.walk(self.resolve(source, follow=False))]
        origin = moved[0][0]
        goal = self.resolve(target, follow=False)
        if origin in self.mounts:
            raise failure(errno.EBUSY, source)
        if goal == origin:
            return
        if goal.startswith(origin + "/"):
            raise failure(errno.EINVAL, target)
        there = self._node(goal)
        if there is not None and there.kind == DIRECTORY and self.list(goal):
            raise failure(errno.ENOTEMPTY, target)
        self._parent(goal, target)
        self._parent(origin, source)
        for path, node in moved:
            self._put(goal + path[len(origin) :], node)
        for path, _ in reversed(moved):
            self._gone(path, source)
