"""Making the machine that a container is: the image's files with its own over them, what is mounted, user, environment."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from typing import Any

from kubesim.runtime.filesystem import (
    DIRECTORY,
    FILE,
    Files,
    FileSystem,
    MountPoint,
    Node,
    Overlay,
    image_tree,
)
from kubesim.runtime.images import Image
from kubesim.runtime.journal import Journal
from kubesim.runtime.launch import environment, facts_of, give_user, hosts_file, make_directories
from kubesim.runtime.loaded import LoadedContainer
from kubesim.runtime.machine import Builder, Machine, mount_system
from kubesim.runtime.network_view import Isolated, NetworkView
from kubesim.runtime.spec import ContainerSpec, Mount
from kubesim.runtime.volumes import Volumes
from kubesim.util.state import StateStore

NetworkFactory = Callable[[ContainerSpec], NetworkView]


class Construction:
    """Makes containers. `network` gives each its view of the network; without it they are isolated."""

    def __init__(
        self,
        *,
        state: StateStore,
        now: Callable[[], float],
        volumes: Volumes,
        applications: dict[str, Builder],
        network: NetworkFactory | None,
    ) -> None:
        self._store = state
        self._now = now
        self._volumes = volumes
        self._applications = applications
        self.network = network
        self._trees: dict[str, Files] = {}  # of images, which all their containers share

    def build(
        self, spec: ContainerSpec, image: Image, files: dict[str, Any], booted: float
    ) -> LoadedContainer:
        known = f"{image.reference} {image.own}" if image.own else str(image.reference)
        tree = self._trees.get(known)
        if tree is None:
            tree = self._trees[known] = image_tree(image)
        root = Overlay(tree, Overlay.load(files), read_only=False)
        fs = FileSystem(root, now=self._now)
        journal = Journal(self._store, f"runtime/{spec.id}/log/")
        hostname = spec.hostname or spec.pod_name or spec.name
        machine = Machine(
            image=image,
            fs=fs,
            clock=self._now,
            hostname=hostname,
            env={},
            journal=journal,
            facts=facts_of(spec),
            host_network=spec.host_network,
        )
        machine.booted = booted
        machine.applications = self._applications
        container = LoadedContainer(spec, machine, journal, root)
        fresh = not files
        if fresh:
            self._system_files(container)
        mount_system(machine)
        for mount in spec.mounts:
            self._mount(container, mount)
        give_user(spec, image, machine)
        machine.env = environment(spec, image, machine)
        machine.workdir = container.cwd = spec.working_dir or image.workdir
        if fresh and fs.find(machine.workdir) is None:
            make_directories(fs, machine.workdir)
        root.read_only = spec.read_only_root
        fs.mounts["/"].read_only = spec.read_only_root
        if self.network is not None:
            machine.network = self.network(spec)
        else:
            machine.network = Isolated(machine.listeners, addresses=spec.pod_ips)
        return container

    def _system_files(self, container: LoadedContainer) -> None:
        """/etc/hosts, /etc/resolv.conf and /etc/hostname, which the runtime lays over the image's."""
        spec, fs = container.spec, container.machine.fs
        hostname = container.machine.hostname
        hosts = spec.hosts or hosts_file(spec, hostname)
        for path, text in (
            ("/etc/hosts", hosts),
            ("/etc/resolv.conf", spec.resolv_conf),
            ("/etc/hostname", f"{hostname}\n"),
        ):
            node = Node(FILE, 0o644, text.encode(), mtime=self._now())
            if fs.find("/etc") is None:
                fs.root.put("/etc", Node(DIRECTORY, 0o755, mtime=self._now()))
            fs.root.put(path, node)

    def _mount(self, container: LoadedContainer, mount: Mount) -> None:
        tree = self._volumes.files(mount)
        base = "/" + mount.sub_path.strip("/") if mount.sub_path else "/"
        if base != "/" and tree.get(base) is None:
            tree.add(base, Node(DIRECTORY, 0o755, mtime=self._now()))
        path = posixpath.normpath(mount.path)
        read_only = mount.read_only or mount.files is not None
        container.machine.fs.mount(MountPoint(path, tree, mount.type, mount.source, read_only, base))
