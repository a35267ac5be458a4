"""A node's own shell: the machine behind `kubesim ssh NODE`, with files that stay and programs that others bring."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from kubesim.runtime.execution import execute
from kubesim.runtime.filesystem import FILE, FileSystem, Node, Overlay, image_tree
from kubesim.runtime.images import Catalogue
from kubesim.runtime.keeping import pack, unpack
from kubesim.runtime.machine import Machine, ProcessEntry, Program, mount_system
from kubesim.runtime.network_view import NetworkView
from kubesim.runtime.spec import Streams
from kubesim.util.clock import Clock
from kubesim.util.state import StateStore

if TYPE_CHECKING:
    from kubesim.runtime.container import ContainerRuntime

P = ParamSpec("P")
R = TypeVar("R")


class NodeMachine:
    """One node as a person sees it who has logged in.

    `programs` are what the node has beyond the catalogue's commands, such as `iptables-save`: functions from a
    `Process` to its exit code. What is written to its files stays under `runtime/<place>/files`; a node's place is
    `node/<name>`.

    Its commands talk to what listens in the containers of `runtime`: they hold its lock, and give it up while they wait.
    """

    def __init__(
        self,
        name: str,
        *,
        place: str = "",
        state: StateStore,
        clock: Clock,
        catalogue: Catalogue,
        network: NetworkView,
        addresses: Iterable[str] = (),
        resolv_conf: str = "",
        hosts: str = "",
        programs: Mapping[str, Program] | None = None,
        runtime: ContainerRuntime | None = None,
    ) -> None:
        self._state = state
        self._runtime = runtime
        self._key = f"runtime/{place or f'node/{name}'}/files"
        self._network = network
        image = catalogue.node()
        kept = state.get(self._key)
        self._root = Overlay(image_tree(image), Overlay.load(unpack(kept)) if kept else None)

        def now() -> float:
            return clock.now().timestamp()

        fs = FileSystem(self._root, now=now)
        env = {
            "PATH": image.search_path,
            "HOME": "/root",
            "USER": "root",
            "LOGNAME": "root",
            "SHELL": "/bin/bash",
        }
        facts = {"node": name, "ips": list(addresses), "host_ips": list(addresses)}
        self.machine = Machine(
            image=image, fs=fs, clock=now, hostname=name, env=env, workdir="/root", programs=programs, facts=facts,
            host_network=True,
        )  # fmt: skip
        self.machine.network = network
        if not hosts:
            hosts = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
            hosts += "".join(f"{address}\t{name}\n" for address in facts["ips"])
        texts = {"/etc/hostname": f"{name}\n", "/etc/hosts": hosts, "/etc/resolv.conf": resolv_conf}
        for path, text in texts.items():
            if kept is None:
                fs.root.put(path, Node(FILE, 0o644, text.encode(), mtime=now()))
        mount_system(self.machine)
        for pid, argv in enumerate((["/sbin/init"], ["/usr/bin/containerd"], ["/usr/bin/kubelet"]), 1):
            self.machine.processes[pid] = ProcessEntry(pid, argv, now())
        self.machine.last_pid = 800

    def exec(
        self, argv: Iterable[str], streams: Streams, *, wait: Callable[[float], None] | None = None
    ) -> int:
        """Run a command on the node; its exit code. Raises ExecError."""
        with self._runtime.lock if self._runtime is not None else nullcontext():
            if self._runtime is not None:
                streams, wait = self._unlocked(streams), self._releasing(wait) if wait is not None else None
            try:
                return execute(self.machine, list(argv), streams, wait=wait)
            finally:
                if self._root.changed:
                    self._state.set(self._key, pack(self._root.dump()))
                    self._root.changed = False
                if self._runtime is not None:
                    self._runtime.flush()

    def _unlocked(self, streams: Streams) -> Streams:
        """The same streams; others may do something while these are waited for."""
        return replace(
            streams,
            stdout=self._releasing(streams.stdout),
            stderr=self._releasing(streams.stderr),
            stdin=self._releasing(streams.stdin) if streams.stdin is not None else None,
        )

    def _releasing(self, call: Callable[P, R]) -> Callable[P, R]:
        """A call that is made without the runtime's lock."""
        runtime = self._runtime
        if runtime is None:
            return call

        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            runtime.flush()  # others look at what has been done so far
            runtime.lock.release()
            try:
                return call(*args, **kwargs)
            finally:
                runtime.lock.acquire()

        return run
